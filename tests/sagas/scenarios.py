"""One scenario per registered saga: how it is started, and what the world looks like at each of its possible ends.

`snapshot` is what anybody could see: rows, claims, and what is really on the hosts. Ids differ between runs, so things
are counted by what they are.
"""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import sqlalchemy as sa

import demo.owners  # noqa: F401 (declares them)
from demo.machines import sagas as machine_sagas
from demo.machines import service as machines
from demo.machines.store import machines as machine_table
from demo.networks import sagas as network_sagas
from demo.networks import service as networks
from demo.networks.store import networks as network_table
from demo.volumes import sagas as volume_sagas
from demo.volumes.store import volumes as volume_table
from demo.world import DemoWorld
from pileus.kernel.context import Caller
from pileus.kernel.operations import Worker
from pileus.kernel.operations.tables import subjects
from pileus.services.identity.projects import sagas as project_sagas
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.store import projects as projects_table
from pileus.services.identity.revision import service as revision
from sagas.compute_scenarios import COMPUTE_SCENARIOS
from sagas.compute_scenarios import seen as seen_of_servers
from sagas.image_scenarios import IMAGE_SCENARIOS
from sagas.image_scenarios import seen as seen_of_images
from sagas.move_scenarios import MOVE_SCENARIOS
from sagas.network_scenarios import NETWORK_SCENARIOS
from sagas.network_scenarios import seen as seen_of_networks
from sagas.routed_scenarios import ROUTED_SCENARIOS
from sagas.routed_scenarios import seen as seen_of_routers
from sagas.scenario import Scenario, Snapshot
from sagas.volume_scenarios import VOLUME_SCENARIOS
from sagas.volume_scenarios import seen as seen_of_volumes

HOSTS = ("h1", "h2")
ACTIVE: Snapshot = {"machine": "ACTIVE@h1", "volume": "available", "h1": "guest+image on, disk"}


async def snapshot(world: DemoWorld) -> Snapshot:
    """What there is, by kind; what there is none of is left out."""
    seen: dict[str, object] = {}
    async with world.db.read() as read:
        for name, query in (
            ("machine", sa.select(machine_table.c.status + "@" + sa.func.coalesce(machine_table.c.host, "-"))),
            ("volume", sa.select(volume_table.c.status)),
            ("network", sa.select(network_table.c.status).where(network_table.c.deleted.is_(False))),
            ("project", sa.select(projects_table.c.name).where(projects_table.c.is_domain.is_(False))),
            ("claims", sa.select(sa.cast(sa.func.count(), sa.Text)).select_from(subjects)),
        ):
            seen[name] = ", ".join(sorted((await read.execute(query)).scalars()))
    for host in HOSTS:
        guests = Counter(
            "disk" if not facts.disks and facts.power == "off" else f"guest+image {facts.power.value}"
            for facts in (await world.hypervisor(host).observe()).values()
        )
        seen[host] = ", ".join(sorted(guests.elements(), reverse=True)) if guests else ""
    seen |= await seen_of_volumes(world) | await seen_of_images(world)
    seen |= await seen_of_networks(world) | await seen_of_routers(world)
    seen |= await seen_of_servers(world)
    return {name: text for name, text in seen.items() if text not in ("", "0")}


async def create_machine(world: DemoWorld) -> UUID:
    return (await machines.create(world.ctx(), name="web", disk=True)).id


async def existing_machine(world: DemoWorld) -> UUID:
    machine_id = await create_machine(world)
    await Worker(world.ctx()).drain()
    return machine_id


async def move_machine(world: DemoWorld) -> UUID:
    machine_id = await existing_machine(world)
    await machines.move(world.ctx(), machine_id, target="h2")
    return machine_id


async def delete_machine(world: DemoWorld) -> UUID:
    machine_id = await existing_machine(world)
    await machines.delete(world.ctx(), machine_id)
    return machine_id


async def create_volume(world: DemoWorld) -> UUID:
    volume_id = world.ids.uuid()
    async with world.ctx().transaction() as ctx:
        await volume_sagas.create_volume.start(ctx, volume_id, host="h1")
    return volume_id


async def delete_volume(world: DemoWorld) -> UUID:
    volume_id = await create_volume(world)
    await Worker(world.ctx()).drain()
    async with world.ctx().transaction() as ctx:
        await volume_sagas.delete_volume.supersede(ctx, volume_id, host="h1")
    return volume_id


async def create_network(world: DemoWorld) -> UUID:
    return (await networks.create(world.ctx(), size=3)).id


async def delete_project(world: DemoWorld) -> UUID:
    """One in which there is a machine with its disk, another volume and a network, and a project below it."""
    ctx = world.ctx()
    async with ctx.transaction() as writing:
        await revision.begin(writing)
    domain = await projects.create(ctx, "all", parent_id=None, domain_id=None, facts={})
    top = await projects.create(ctx, "top", parent_id=None, domain_id=domain.id, facts={})
    below = await projects.create(ctx, "below", parent_id=top.id, domain_id=domain.id, facts={})
    owner, other = [world.ctx(Caller("u" * 32, project_id=each.id)) for each in (top, below)]
    await machines.create(owner, name="web", disk=True)
    async with other.transaction() as writing:
        await volume_sagas.create_volume.start(writing, world.ids.uuid(), host="h1")
    await networks.create(other, size=3)
    await Worker(ctx).drain()
    await projects.delete_all(ctx, top.id)
    return projects.subject(top.id)


SCENARIOS = [
    Scenario(machine_sagas.create_machine, create_machine, done=ACTIVE, undone={"machine": "ERROR@-"}),
    Scenario(
        machine_sagas.move_machine,
        move_machine,
        done={"machine": "ACTIVE@h2", "volume": "available", "h1": "disk", "h2": "guest+image on"},
        undone=ACTIVE,
    ),
    Scenario(machine_sagas.delete_machine, delete_machine, done={}),
    Scenario(volume_sagas.create_volume, create_volume, done={"volume": "available", "h1": "disk"}),
    Scenario(volume_sagas.delete_volume, delete_volume, done={}),
    Scenario(project_sagas.delete_project, delete_project, done={}),
    Scenario(network_sagas.converge_network, create_network, done={"network": "ACTIVE", "h1": "disk"}),
    *NETWORK_SCENARIOS,
    *ROUTED_SCENARIOS,
    *VOLUME_SCENARIOS,
    *IMAGE_SCENARIOS,
    *COMPUTE_SCENARIOS,
    *MOVE_SCENARIOS,
]
SEAMS = [(scenario, step) for scenario in SCENARIOS for step in scenario.saga.steps]
