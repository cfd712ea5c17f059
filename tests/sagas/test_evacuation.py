"""A host that falls silent in the middle of an evacuation, and holds the volumes of the server by itself."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from demo.world import DemoWorld
from pileus.engines.hypervisor import Power
from pileus.kernel.clock import SteppingClock
from pileus.kernel.db import open_database
from pileus.kernel.operations import Op, Worker
from pileus.kernel.operations.views import page, retry
from pileus.services.compute.servers import sagas_move
from pileus.services.volume.pools import service as pools
from sagas.harness import at, begun, states
from sagas.move_scenarios import evacuate_server
from sagas.scenario import Scenario


async def of_its_own_volume(world: DemoWorld) -> UUID:
    async with world.ctx().transaction() as ctx:
        await pools.put(ctx, "h2", disabled=True)
    return await evacuate_server(world)


async def powers(world: DemoWorld) -> list[str]:
    """Of its guests, by host."""
    seen = {host: (await world.hypervisor(host).observe()).values() for host in ("h1", "h2")}
    return [f"{host} {guest.power}" for host, guests in seen.items() for guest in guests if guest.defined]


async def test_nothing_runs_elsewhere_while_the_old_copy_could_write_to_its_volume(
    database_url: str, tmp_path: Path
) -> None:
    start = begun(Scenario(sagas_move.evacuate_server, of_its_own_volume, done={}), database_url, tmp_path / "hosts")
    database = open_database(start.url)
    await database.start()
    world = DemoWorld(database, start.home, clock=SteppingClock(start.at))
    assert (await world.blocks("h1").observe()).volumes

    async def fall_silent(op: Op) -> None:
        world.down.add("h1")

    seam = at(sagas_move.evacuate_server.key, sagas_move.fence_old_guest.name, "before", fall_silent)
    await Worker(world.ctx(), seam=seam).drain()
    assert (await states(world, start.subject))[-1] == "parked"
    assert await powers(world) == [f"h1 {Power.ON}"]
    world.down.clear()
    [parked] = (await page(world.ctx(), state="parked"))[0]
    await retry(world.ctx(), parked.id)
    await Worker(world.ctx()).drain()
    assert await powers(world) == [f"h2 {Power.ON}"]
    await database.close()
