"""How each operation of Networking starts, and where it ends."""

from __future__ import annotations

from functools import cache
from uuid import UUID

import sqlalchemy as sa

from demo.world import DemoWorld
from pileus.engines.overlay.sim import SimOverlay
from pileus.kernel.context import Ctx
from pileus.kernel.operations import Worker
from pileus.kernel.policy import Policy
from pileus.services.network.networks import sagas as network_sagas
from pileus.services.network.networks import service as networks
from pileus.services.network.networks.store import networks as network_table
from pileus.services.network.ports import sagas as port_sagas
from pileus.services.network.ports import service as ports
from pileus.services.network.ports.allocations import allocations as allocation_table
from pileus.services.network.ports.store import ports as port_table
from pileus.services.network.subnets import service as subnets
from sagas.scenario import Scenario, Snapshot
from sagas.volume_scenarios import member

NETWORK: Snapshot = {"overlay": "1 networks", "wire": "ACTIVE"}
GROUP: Snapshot = {"group": "default", "carried": "1 groups"}  # which comes with a project's first port
PORT: Snapshot = {"overlay": "1 networks, 2 ports", "wire": "ACTIVE", "port": "DOWN, UP", "addresses": "2", **GROUP}


@cache
def policy() -> Policy:
    return Policy.standard()


async def seen(world: DemoWorld) -> dict[str, str]:
    """Rows, and what the overlay has. A row that is deleted counts: it is to go, too."""
    found: dict[str, str] = {}
    up = sa.case((port_table.c.cause.is_not(None), "ERROR"), (port_table.c.up, "UP"), else_="DOWN")
    async with world.db.read() as read:
        for name, query in (
            ("wire", sa.select(sa.case((network_table.c.cause.is_(None), "ACTIVE"), else_="ERROR"))),
            ("port", sa.select(up)),
            ("addresses", sa.select(sa.cast(sa.func.count(), sa.Text)).select_from(allocation_table)),
        ):
            found[name] = ", ".join(sorted((await read.execute(query)).scalars()))
    held = await SimOverlay(world.home / "h1" / "overlay", world.clock).observe()
    counts = {"networks": len(held.networks), "ports": len(held.ports)}
    found["overlay"] = ", ".join(f"{many} {what}" for what, many in counts.items() if many)
    return found


async def caller(world: DemoWorld) -> Ctx:
    world.policy = policy()
    return await member(world)


async def create_network(world: DemoWorld) -> UUID:
    ctx = await caller(world)
    (network,) = await networks.create(ctx, [networks.New(project_id=ctx.caller.project_id or "")])
    return network.id


async def create_port(world: DemoWorld) -> UUID:
    """One that is bound, on a network that is there."""
    ctx = await caller(world)
    network_id, project_id = await create_network(world), ctx.caller.project_id or ""
    subnet = subnets.New(project_id=project_id, network_id=network_id, ip_version=4, cidr="10.0.0.0/24")
    await subnets.create(ctx, [subnet])
    await Worker(world.ctx()).drain()
    async with ctx.transaction() as writing:
        (port,) = await ports.create(writing, [ports.New(project_id=project_id, network_id=network_id)])
        await ports.bind(writing, port.id, host="h1", device_id="vm", device_owner="compute:nova")
    return port.id


NETWORK_SCENARIOS = [
    Scenario(network_sagas.converge_network, create_network, done=NETWORK),
    Scenario(port_sagas.converge_port, create_port, done=PORT),
]
