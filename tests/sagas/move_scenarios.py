"""How servers that go to another host start, and where they end."""

from __future__ import annotations

from uuid import UUID

from demo.world import DemoWorld
from pileus.services.compute.servers import moving, sagas_live, sagas_move
from pileus.services.compute.servers.moving import Live
from sagas.compute_scenarios import WITH_VOLUME, begun, decided, existing
from sagas.scenario import Scenario, Snapshot


async def migrate_server(world: DemoWorld, *, sure: bool = False) -> UUID:
    """With a volume, beside the disk that is carried over."""
    ctx, server = await existing(world, volume=True)
    await begun(ctx, server, sagas_move.migrate_server, {"host": None, "forced": False, "sure": sure})
    return server.id


async def drain_server(world: DemoWorld) -> UUID:
    return await migrate_server(world, sure=True)


async def migrate_live(world: DemoWorld) -> UUID:
    ctx, server = await existing(world, volume=True)
    await moving.migrate_live(ctx, server, Live())
    return server.id


async def evacuate_server(world: DemoWorld) -> UUID:
    """Of a host that is not down: what it was to owe it does at once."""
    ctx, server = await existing(world, volume=True)
    await begun(ctx, server, sagas_move.evacuate_server, {"host": None, "forced": False, "run": True, "was": "active"})
    return server.id


MOVED: Snapshot = {
    **WITH_VOLUME,
    "server": "resized placed",
    "promised": "2 DISK_GB, 128 MEMORY_MB, 2 VCPU",
    "guest": "2 volume",
    "h1": "guest+image off",
    "h2": "guest+image on",
}
ELSEWHERE: Snapshot = {name: what for name, what in WITH_VOLUME.items() if name != "h1"} | {"h2": "guest+image on"}

MOVE_SCENARIOS = [
    Scenario(sagas_move.migrate_server, migrate_server, done=MOVED, undone=WITH_VOLUME),
    Scenario(sagas_move.migrate_server, drain_server, done=ELSEWHERE, undone=WITH_VOLUME),
    Scenario(sagas_move.confirm_migration, decided(migrate_server, "confirmResize"), done=ELSEWHERE),
    Scenario(sagas_move.revert_migration, decided(migrate_server, "revertResize"), done=WITH_VOLUME, undone=MOVED),
    Scenario(sagas_live.migrate_live, migrate_live, done=ELSEWHERE, undone=WITH_VOLUME),
    Scenario(sagas_move.evacuate_server, evacuate_server, done=ELSEWHERE, undone=WITH_VOLUME),
]
