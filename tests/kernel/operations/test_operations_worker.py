"""The role: leases, the dead, bounds, and an end that hands over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from demo.world import DemoWorld
from pileus.kernel.config import Config, Operations
from pileus.kernel.errors import LeaseLost
from pileus.kernel.operations import UNTIL_RUNG, Op, Seam, Wait, Worker, void_leases, wake_held
from pileus.kernel.operations.tables import HELD, log, operations, workers
from support.sagas import at_work, holds, nothing, saga_of, until


async def rows_of(world: DemoWorld, table: sa.Table) -> list[Any]:
    return list((await world.ctx().execute(sa.select(table))).all())


# life


async def test_a_worker_runs_what_is_started_and_signs_off(real: DemoWorld, play: Any, new_saga: Any) -> None:
    acted: list[Any] = []

    async def act(op: Op) -> Any:
        acted.append(op.id)
        return Wait(0.05) if acted.count(op.id) == 1 else None

    saga, worker = saga_of(new_saga, act), Worker(real.ctx())
    before = await play.start(saga)
    async with at_work(worker):
        await until(lambda: holds(play, before))
        after = await play.start(saga)
        await until(lambda: holds(play, after))
    assert sorted(map(str, acted)) == sorted(map(str, [before, after] * 2))
    assert await rows_of(real, workers) == []


async def test_a_stop_ends_after_the_step_and_another_goes_on_at_once(
    real: DemoWorld, play: Any, new_saga: Any
) -> None:
    saga, inside, go_on, seen = new_saga(), asyncio.Event(), asyncio.Event(), []

    @saga.step
    async def first(op: Op) -> None:
        seen.append(("first", op.holder))
        inside.set()
        await go_on.wait()

    @saga.step
    async def second(op: Op) -> None:
        seen.append(("second", op.holder))

    operation = await play.start(saga)
    one, two = Worker(real.ctx()), Worker(real.ctx())
    running = asyncio.create_task(one.run())
    await inside.wait()
    one.stop()
    go_on.set()
    await running
    assert await play.events(operation) == ["first started", "first done"]
    async with at_work(two):
        await until(lambda: holds(play, operation))
    assert seen == [("first", one.id), ("second", two.id)]


async def test_a_stop_does_not_wait_for_ever_for_a_step(real: DemoWorld, play: Any, new_saga: Any) -> None:
    inside = asyncio.Event()

    async def hang(op: Op) -> None:
        inside.set()
        await asyncio.Event().wait()

    saga = saga_of(new_saga, hang)
    operation = await play.start(saga)
    async with at_work(Worker(real.ctx())):
        await inside.wait()
    (row,) = await rows_of(real, operations)
    assert (row.id, row.state, row.holder) == (operation, "running", None)


async def test_a_worker_that_is_full_takes_no_more_and_is_told_when_there_is_room(
    real: DemoWorld, play: Any, new_saga: Any
) -> None:
    real.config = Config(operations=Operations(poll_s=0.02, lease_s=5, concurrency=2))
    at_once, most, gate = [0], [0], asyncio.Event()

    async def act(op: Op) -> None:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        await gate.wait()
        at_once[0] -= 1

    saga = saga_of(new_saga, act)
    started = [await play.start(saga) for _ in range(7)]
    worker = Worker(real.ctx())
    async with at_work(worker):
        await until(lambda: at(at_once, 2))
        worker.world.doorbell.ring()
        await until(lambda: holds(play, started[0], "running"))
        gate.set()
        for operation in started:
            await until(lambda operation=operation: holds(play, operation))
    assert most == [2]


async def at(number: list[int], wanted: int) -> bool:
    return number[0] == wanted


async def test_one_host_is_asked_by_so_many_at_once_and_no_more(world: DemoWorld, play: Any, new_saga: Any) -> None:
    asked, most = [0], [0]

    class Host:
        async def ensure_gone(self, subject: Any, *, fence: int) -> None:
            asked[0] += 1
            most[0] = max(most[0], asked[0])
            for _ in range(5):
                await asyncio.sleep(0)
            asked[0] -= 1

    class World(DemoWorld):
        def engine(self, kind: str, host: str) -> Any:
            return Host()

    async def act(op: Op) -> None:
        await op.engine("any", "h1").ensure_gone(op.subject_id)

    config = Config(operations=Operations(per_host=3))
    bounded = World(world.db, world.home, config=config)
    saga = saga_of(new_saga, act)
    started = [await play.start(saga) for _ in range(20)]
    await Worker(bounded.ctx()).drain()
    assert most == [3]
    assert [await play.state(operation) for operation in started] == ["done"] * 20


# the dead


async def test_a_worker_that_falls_silent_loses_what_it_holds(world: DemoWorld, play: Any, new_saga: Any) -> None:
    async def act(op: Op) -> None: ...

    operation = await play.start(saga_of(new_saga, act))
    silent, observer = Worker(world.ctx()), Worker(world.ctx())
    await silent.renew()
    assert len(await silent.take(1)) == 1
    await observer.renew()
    assert await observer.take(1) == []
    lease_s = world.config.operations.lease_s
    for _ in range(5):  # as long as it beats it is alive, however long that is
        world.clock.advance(lease_s * 0.9)  # type: ignore[attr-defined]
        await silent.renew()
        await observer.renew()
    assert await observer.take(1) == []
    world.clock.advance(lease_s * 1.1)  # type: ignore[attr-defined]
    await observer.renew()
    assert len(await observer.take(1)) == 1
    assert [row.id for row in await rows_of(world, workers)] == [observer.id]
    assert await play.state(operation) == "running"


async def test_one_taken_for_dead_records_nothing_and_begins_anew(
    world: DemoWorld, play: Any, new_saga: Any, caplog: pytest.LogCaptureFixture
) -> None:
    saga, inside, go_on = new_saga(), asyncio.Event(), asyncio.Event()

    @saga.step
    async def act(op: Op) -> str:
        if op.holder == one.id:
            inside.set()
            await go_on.wait()
        return str(op.holder)

    operation = await play.start(saga)
    one, two = Worker(world.ctx()), Worker(world.ctx())
    await one.renew()
    (row,) = await one.take(1)
    late = asyncio.create_task(one.carry(row))
    await inside.wait()
    await two.renew()
    world.clock.advance(world.config.operations.lease_s + 1)  # type: ignore[attr-defined]
    await two.renew()
    await two.drain()
    before = await rows_of(world, operations), await rows_of(world, log)
    go_on.set()
    await late
    assert (await rows_of(world, operations), await rows_of(world, log)) == before
    assert "lease lost" in caplog.text
    assert before[0][0].memo == {"act": str(two.id)}
    assert await play.state(operation) == "done"
    assert await one.take(1) == []
    await one.renew()
    assert {row.id for row in await rows_of(world, workers)} == {one.id, two.id}


async def test_the_tasks_of_one_taken_for_dead_are_ended_when_it_notices(
    real: DemoWorld, play: Any, new_saga: Any
) -> None:
    saga, ended = new_saga(), []

    @saga.step
    async def act(op: Op) -> None:
        if ended:
            return
        inside.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(op.fence)
            raise

    inside = asyncio.Event()
    operation = await play.start(saga)
    async with at_work(Worker(real.ctx())):
        await inside.wait()
        async with real.ctx().transaction() as ctx:
            await ctx.execute(workers.delete())
        await until(lambda: holds(play, operation))
    assert len(ended) == 1


async def test_who_is_not_registered_leases_nothing(world: DemoWorld, play: Any, new_saga: Any) -> None:
    async def act(op: Op) -> None: ...

    await play.start(saga_of(new_saga, act))
    worker = Worker(world.ctx())
    assert await worker.take(1) == []
    await worker.renew()
    assert len(await worker.take(1)) == 1


async def test_when_the_only_process_starts_all_leases_are_void(world: DemoWorld, play: Any, new_saga: Any) -> None:
    async def act(op: Op) -> None: ...

    await play.start(saga_of(new_saga, act))
    worker = Worker(world.ctx())
    await worker.renew()
    (row,) = await worker.take(1)
    await void_leases(world.ctx())
    assert await rows_of(world, workers) == []
    (free,) = await rows_of(world, operations)
    assert free.holder is None
    again = Worker(world.ctx())
    await again.renew()
    assert (await again.take(1))[0]["fence"] > row["fence"]


async def test_a_step_that_writes_after_its_lease_was_lost_is_refused(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    refused: list[type] = []

    async def act(op: Op) -> None:
        await void_leases(world.ctx())
        try:
            async with op.ctx.transaction() as ctx:
                await ctx.execute(log.delete())
        except LeaseLost as e:
            refused.append(type(e))
            raise

    saga = saga_of(new_saga, act)
    operation = await play.start(saga)
    worker = Worker(world.ctx())
    await worker.renew()
    (row,) = await worker.take(1)
    await worker.carry(row)
    assert refused == [LeaseLost]
    assert await play.events(operation) == ["act started"]


async def test_drain_waits_by_the_clock_of_the_machine_too(real: DemoWorld, play: Any, new_saga: Any) -> None:
    looks: list[int] = []

    async def act(op: Op) -> Any:
        looks.append(1)
        return Wait(0.02) if len(looks) < 3 else None

    operation = await play.start(saga_of(new_saga, act))
    await Worker(real.ctx()).drain()
    assert await play.state(operation) == "done"


# who looks on


async def test_what_is_held_at_a_seam_waits_for_a_ring_and_no_deadline(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    seen: list[str] = []

    async def hold(seam: Seam, op: Op) -> Wait | None:
        seen.append(f"{seam.step} {seam.when}")
        return Wait(UNTIL_RUNG, note="held") if seam.when == "before" and len(seen) < 3 else None

    saga = saga_of(new_saga, nothing)
    world.memory[Seam] = hold
    operation, began = await play.start(saga), world.clock.now()
    for _ in range(2):
        await play.drain()
        shown = await play.show(operation)
        assert (shown.state, shown.wake_at, shown.progress) == ("running", HELD, {"percent": None, "note": "held"})
        assert world.clock.now() - began < 1, "nothing moves the clock over it"
        async with world.ctx().transaction() as ctx:
            await wake_held(ctx)
    await play.drain()
    assert await play.state(operation) == "done"


async def test_a_worker_that_holds_something_does_not_look_by_the_clock(
    real: DemoWorld, play: Any, new_saga: Any
) -> None:
    async def hold(seam: Seam, op: Op) -> Wait | None:
        return Wait(UNTIL_RUNG)

    saga, worker = saga_of(new_saga, nothing), Worker(real.ctx(), seam=hold)
    await play.start(saga)
    await worker.renew()
    [row] = await worker.take(1)
    await worker.carry(row)
    assert worker._pause_s() == real.config.operations.poll_s
