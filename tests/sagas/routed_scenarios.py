"""How groups and routers of Networking converge, and what is there when they have."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import sqlalchemy as sa

from demo.world import DemoWorld
from pileus.engines.overlay.sim import SimOverlay
from pileus.kernel.context import Caller, Ctx
from pileus.kernel.operations import Worker
from pileus.services.network.floating_ips import service as floating_ips
from pileus.services.network.floating_ips.store import floating_ips as floating_ip_table
from pileus.services.network.networks import service as networks
from pileus.services.network.ports import service as ports
from pileus.services.network.routers import sagas as router_sagas
from pileus.services.network.routers import service as routers
from pileus.services.network.routers.store import routers as router_table
from pileus.services.network.security_groups import sagas as group_sagas
from pileus.services.network.security_groups import service as groups
from pileus.services.network.security_groups.store import groups as group_table
from pileus.services.network.subnets import service as subnets
from sagas.network_scenarios import caller
from sagas.scenario import Scenario, Snapshot

ROLES = frozenset({"admin", "manager", "member", "reader"})


async def seen(world: DemoWorld) -> dict[str, str]:
    """Rows, and what the overlay has. A row that is deleted counts: it is to go, too."""
    found: dict[str, str] = {}
    async with world.db.read() as read:
        for name, query in (
            ("router", sa.select(router_table.c.status)),
            ("floating IP", sa.select(floating_ip_table.c.status)),
            ("group", sa.select(group_table.c.name)),
        ):
            found[name] = ", ".join(sorted((await read.execute(query)).scalars()))
    held = await SimOverlay(world.home / "h1" / "overlay", world.clock).observe()
    counts = {"groups": len(held.groups), "routers": len(held.routers), "floating": len(held.floating)}
    found["carried"] = ", ".join(f"{many} {what}" for what, many in counts.items() if many)
    return found


async def admin(world: DemoWorld, rule: str) -> tuple[Ctx, str]:
    """An administrator in a project, who calls a route of that rule; and the project."""
    ctx = await caller(world)
    project_id = ctx.caller.project_id or ""
    return replace(ctx, caller=Caller("u" * 32, project_id=project_id, roles=ROLES), rule=rule), project_id


async def create_group(world: DemoWorld) -> UUID:
    ctx, project_id = await admin(world, "create_security_group")
    return await groups.ensure_default(ctx, project_id)


async def create_router(world: DemoWorld) -> UUID:
    """One with a leg and a gateway, which floating IPs are to lead through: just now one stands for a port."""
    ctx, project_id = await admin(world, "create_router")
    subnet = {}
    for cidr, external in (("203.0.113.0/24", True), ("10.0.0.0/24", False)):
        [net] = await networks.create(ctx, [networks.New(project_id=project_id, external=external)])
        new = subnets.New(project_id=project_id, network_id=net.id, ip_version=4, cidr=cidr)
        [subnet[external]] = await subnets.create(ctx, [new])
    inside, outside = subnet[False], subnet[True]
    [guest] = await ports.create(ctx, [ports.New(project_id=project_id, network_id=inside.network_id)])
    router = routers.Router(id=uuid4(), project_id=project_id)
    await routers.create(ctx, [routers.New(router, routers.WayOut(outside.network_id))])
    await routers.add_by_subnet(ctx, router.id, inside.id)
    [made] = await floating_ips.create(ctx, [floating_ips.New(project_id=project_id, network_id=outside.network_id)])
    await Worker(world.ctx()).drain()
    await floating_ips.change(ctx, made.floating_ip.id, {"port_id": guest.id})
    return router.id


BESIDE: Snapshot = {"group": "default", "overlay": "2 networks, 6 ports", "wire": "ACTIVE, ACTIVE", "addresses": "6"}
ROUTED: Snapshot = {
    **BESIDE,
    "port": "DOWN, DOWN, DOWN, DOWN, UP, UP",
    "router": "ACTIVE",
    "floating IP": "ACTIVE",
    "carried": "1 groups, 1 routers, 1 floating",
}

ROUTED_SCENARIOS = [
    Scenario(group_sagas.converge_group, create_group, done={"group": "default", "carried": "1 groups"}),
    Scenario(router_sagas.converge_router, create_router, done=ROUTED),
]
