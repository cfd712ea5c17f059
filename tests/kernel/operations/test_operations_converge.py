"""Converge: any write at any time, and somebody brings it about."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from demo.networks import sagas as network_sagas
from demo.networks import service as networks
from demo.networks import store
from demo.world import DemoWorld
from pileus.kernel.errors import Conflict, Unavailable
from pileus.kernel.operations import Op, Worker
from pileus.kernel.operations.tables import operations
from pileus.kernel.operations.views import cancel, page


async def generations(world: DemoWorld) -> list[tuple[int, int]]:
    table = store.networks
    rows = await world.ctx().execute(sa.select(table.c.wanted_generation, table.c.done_generation))
    return [tuple(row) for row in rows]


async def defined(world: DemoWorld) -> list[int]:
    """How large each network is on its host."""
    files = (world.home / "h1" / "domains").glob("*.json")
    return [msgspec.json.decode(file.read_bytes())["vcpus"] for file in files]


async def all_states(world: DemoWorld) -> list[str]:
    return list((await world.ctx().execute(sa.select(operations.c.state))).scalars())


async def test_writes_while_nobody_works_are_one_operation(world: DemoWorld, play: Any) -> None:
    network = await networks.create(world.ctx(), size=1)
    for size in (2, 3):
        await networks.resize(world.ctx(), network.id, size=size)
    assert await all_states(world) == ["running"]
    await play.drain()
    assert await all_states(world) == ["done"]
    assert await generations(world) == [(3, 3)]
    assert await defined(world) == [3]


async def test_a_write_during_the_pass_makes_another_pass(world: DemoWorld, play: Any) -> None:
    network, passes = await networks.create(world.ctx(), size=1), []

    async def write(seam: Any, op: Op) -> None:
        if (seam.step, seam.when) == ("apply", "after"):
            passes.append(seam)
            if len(passes) < 3:
                await networks.resize(world.ctx(), network.id, size=10 + len(passes))

    await play.drain(seam=write)
    assert len(passes) == 3
    assert await all_states(world) == ["done"]
    assert await generations(world) == [(3, 3)]
    assert await defined(world) == [12]


async def test_a_write_while_it_waits_for_its_next_try_wakes_it(world: DemoWorld, play: Any) -> None:
    network = await networks.create(world.ctx(), size=1)
    worker = Worker(world.ctx(), seam=failing_once(Unavailable("away")))
    await worker.renew()
    await worker.carry((await worker.take(1))[0])
    assert await worker.take(1) == []
    await networks.resize(world.ctx(), network.id, size=2)
    (row,) = await worker.take(1)
    assert (row["tries"], row["spent_s"]) == (0, 0.0)
    await worker.carry(row)
    assert await defined(world) == [2]


async def test_a_write_while_a_try_fails_is_not_lost(world: DemoWorld, play: Any) -> None:
    network, tries = await networks.create(world.ctx(), size=1), []

    async def write_and_fail(seam: Any, op: Op) -> None:
        if seam.step == "apply" and seam.when == "before":
            tries.append(world.clock.now())
            if len(tries) == 1:
                await networks.resize(world.ctx(), network.id, size=2)
                raise Unavailable("away")

    await play.drain(seam=write_and_fail)
    assert tries[1] - tries[0] < 0.05
    assert await defined(world) == [2]


def failing_once(error: Exception) -> Any:
    left = [error]

    async def hook(seam: Any, op: Op) -> None:
        if seam.step == "apply" and left:
            raise left.pop()

    return hook


async def test_a_write_resumes_one_that_was_parked(world: DemoWorld, play: Any) -> None:
    network = await networks.create(world.ctx(), size=1)

    async def refuse(seam: Any, op: Op) -> None:
        if seam.step == "apply":
            raise Conflict("the switch is stuck")

    await play.drain(seam=refuse)
    assert await all_states(world) == ["parked"]
    assert (await networks.show(world.ctx(), network.id)).status == "ERROR"
    await networks.resize(world.ctx(), network.id, size=5)
    await play.drain()
    assert await all_states(world) == ["done"]
    assert (await networks.show(world.ctx(), network.id)).status == "ACTIVE"
    assert await defined(world) == [5]


async def test_a_row_that_is_gone_ends_it(world: DemoWorld, play: Any) -> None:
    network = await networks.create(world.ctx(), size=1)
    await play.drain()
    await networks.delete(world.ctx(), network.id)
    await play.drain()
    assert await all_states(world) == ["done", "done"]
    assert await generations(world) == []
    assert await defined(world) == []
    async with world.ctx().transaction() as ctx:
        await network_sagas.converge_network.want(ctx, network.id)
    await play.drain()
    assert await all_states(world) == ["done"] * 3


async def test_it_cannot_be_cancelled(world: DemoWorld, play: Any) -> None:
    await networks.create(world.ctx(), size=1)
    (operation,), _ = await page(world.ctx())
    with pytest.raises(Conflict, match="cannot be cancelled: it is running at apply"):
        await cancel(world.ctx(), operation.id)


async def test_many_writers_and_two_workers_end_at_what_was_wanted_last(world: DemoWorld, play: Any) -> None:
    network = await networks.create(world.ctx(), size=1)
    workers = [Worker(world.ctx()) for _ in range(2)]

    async def write() -> None:
        async with world.ctx().transaction() as ctx:
            await ctx.execute(
                store.networks.update().where(store.networks.c.id == network.id).values(size=store.networks.c.size + 1)
            )
            await network_sagas.converge_network.want(ctx, network.id)

    for worker in workers:
        await worker.renew()
    await asyncio.gather(*(write() for _ in range(10)), *(worker.drain() for worker in workers))
    await play.drain()
    assert await generations(world) == [(11, 11)]
    assert await defined(world) == [11]
    assert set(await all_states(world)) == {"done"}


async def test_none_wanted_is_nothing_to_do(world: DemoWorld) -> None:
    async with world.ctx().transaction() as ctx:
        await network_sagas.converge_network.want_each(ctx, [])
    assert (await page(world.ctx()))[0] == []
