"""One operation, carried on: results, waits, failures, deadlines, clocks, commits."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
import sqlalchemy as sa

from demo.world import DemoWorld
from pileus.kernel.errors import Conflict, HostDown, TryAgain, Unavailable
from pileus.kernel.operations import Op, Wait, Worker
from pileus.kernel.operations.op import FencedEngine
from pileus.kernel.operations.tables import operations
from pileus.kernel.operations.views import RETRIED_AT_ONCE, log_of, retry, retry_parked
from pileus.kernel.verbs import Done, Failed, Going
from support.sagas import answers, nothing, raises, step_of


async def test_what_a_step_returns_is_there_for_the_next(play: Any, new_saga: Any) -> None:
    saga, seen = new_saga(), []

    async def look(op: Op) -> None:
        seen.append(dict(op.memo))

    step_of(saga, "one", answers(Done({"path": "/dev/x"})))
    step_of(saga, "two", answers({"n": 2}), rows=True)
    step_of(saga, "three", nothing)
    step_of(saga, "four", look)
    operation = await play.start(saga, size=1)
    await play.drain()
    assert seen == [{"size": 1, "one": {"path": "/dev/x"}, "two": {"n": 2}}]
    assert await play.events(operation) == ["one started", "one done", "two done", "three done", "four done"]


async def test_a_job_shows_how_far_it_is_and_the_log_how_long_it_took(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    saga, seen = new_saga(), []
    answer = answers(Going(0), Going(40, "copying"), Going(80, "copying"), Done())

    async def job(op: Op) -> Any:
        seen.append((await play.show(op.id)).progress)
        return await answer(op)

    step_of(saga, "copy", job, deadline_s=100)
    step_of(saga, "mark", nothing, rows=True)
    operation = await play.start(saga)
    await play.drain()
    assert seen == [
        None,
        {"percent": 0, "note": ""},
        {"percent": 40, "note": "copying"},
        {"percent": 80, "note": "copying"},
    ]
    assert (await play.show(operation)).progress is None
    copied, marked = (await log_of(world.ctx(), operation))[1:]
    assert 3000 <= copied.took_ms < 4000
    assert marked.took_ms == 0


@pytest.mark.parametrize(
    ("result", "cause"),
    [
        (Failed("no such image"), "no such image"),
        (Conflict("it is full"), "it is full"),
        (HostDown("h9"), "The host is not reachable"),
        (Unavailable("away"), "away"),
        (TryAgain("deadlock"), "deadlock"),
        (Wait(7), "not done within 60 s"),
        (Wait(7, note="for the disk"), "not done within 60 s: for the disk"),
    ],
    ids=str,
)
async def test_what_fails_for_good_or_too_long_unwinds_with_its_cause(
    play: Any, new_saga: Any, result: Any, cause: str
) -> None:
    saga, undone = new_saga(), []

    async def note(op: Op) -> None:
        undone.append(op.cause)

    step_of(saga, "before", nothing, undo=note)
    step_of(saga, "act", answers(result), undo=note)
    operation = await play.start(saga)
    await play.drain()
    shown = await play.show(operation)
    assert shown.state == "undone"
    assert shown.cause is not None
    assert shown.cause.startswith(cause)
    assert undone == [shown.cause] * 2
    unwound = ["act undone", "before undone", "before ended"]
    facts = ["act facts"] if isinstance(result, HostDown) else []
    assert (await play.events(operation))[-4 - len(facts) :] == ["act failed", *facts, *unwound]


async def test_what_is_for_administrators_alone_is_in_the_log_and_not_in_the_cause(
    play: Any, new_saga: Any, world: Any
) -> None:
    saga, seen = new_saga(), []

    async def look(op: Op) -> None:
        seen.append(await op.facts())

    async def says(op: Op) -> None:
        op.note = "h1 is best"

    step_of(saga, "choose", says, rows=True)
    step_of(saga, "act", says)
    step_of(saga, "try", answers(Unavailable("away", host="h1"), Conflict("full", host="h2", password="x")), undo=look)
    operation = await play.start(saga)
    await play.drain()
    assert (await play.show(operation)).cause == "full"
    assert [(line.step, line.event, line.note) for line in (await log_of(world.ctx(), operation))[1:]] == [
        ("choose", "done", "h1 is best"),
        ("act", "done", "h1 is best"),
        ("try", "retry", "away"),
        ("try", "facts", "host: h1"),
        ("try", "failed", "full"),
        ("try", "facts", "host: h2\npassword: ***"),
        ("try", "undone", None),
        ("choose", "ended", "full"),
    ]
    assert seen == ["host: h2\npassword: ***"]


async def test_facts_of_a_try_are_none_of_what_failed_later(play: Any, new_saga: Any) -> None:
    saga, seen = new_saga(), []

    async def look(op: Op) -> None:
        seen.append(await op.facts())

    step_of(saga, "try", answers(Unavailable("away", host="h1"), Conflict("full")), undo=look)
    await play.start(saga)
    await play.drain()
    assert seen == [""]


async def test_what_is_unavailable_is_tried_again_and_says_so(play: Any, new_saga: Any) -> None:
    saga = new_saga()
    step_of(saga, "act", answers(Unavailable("away"), Unavailable("away"), None))
    operation = await play.start(saga)
    await play.drain()
    shown = await play.show(operation)
    assert (shown.state, shown.cause, shown.tries) == ("done", None, 2)
    assert await play.events(operation) == ["act started", "act retry", "act retry", "act done"]


async def test_a_bug_unwinds_and_the_log_has_it(play: Any, new_saga: Any, caplog: pytest.LogCaptureFixture) -> None:
    saga = new_saga()
    step_of(saga, "one", raises(TypeError("secret detail")))
    operation = await play.start(saga)
    with caplog.at_level(logging.ERROR, "pileus.operations"):
        await play.drain()
    shown = await play.show(operation)
    assert shown.state == "undone"
    assert shown.cause == f"TypeError in one; the log has it under operation {operation}"
    (record,) = [r for r in caplog.records if r.message == "a step has a bug"]
    assert record.exc_info is not None
    assert "secret detail" in str(record.exc_info[1])


async def test_a_bug_in_a_rows_step_is_found_among_its_neighbours(play: Any, new_saga: Any) -> None:
    """What shares a commit with the one that fails is recorded; the blame is on the right step."""
    saga, acted = new_saga(), []

    async def act(op: Op) -> None:
        acted.append(1)

    step_of(saga, "act", act, undo=nothing)
    step_of(saga, "good", nothing, rows=True, undo=nothing)
    step_of(saga, "bad", raises(TypeError()), rows=True, undo=nothing)
    step_of(saga, "never", nothing, rows=True)
    operation = await play.start(saga)
    await play.drain()
    assert acted == [1]
    assert await play.events(operation) == [
        *("act started", "act done", "good done", "bad failed"),
        *("bad undone", "good undone", "act undone", "act ended"),
    ]


async def test_a_step_that_never_returns_hits_its_deadline(play: Any, new_saga: Any) -> None:
    saga = new_saga()

    async def hang(op: Op) -> None:
        await asyncio.Event().wait()

    step_of(saga, "act", hang, deadline_s=0.05)
    operation = await play.start(saga)
    await play.drain()
    shown = await play.show(operation)
    assert (shown.state, shown.cause) == ("undone", "not done within 0.05 s")


async def test_a_timeout_that_is_not_the_deadline_is_a_bug(play: Any, new_saga: Any) -> None:
    saga = new_saga()
    step_of(saga, "act", raises(TimeoutError()))
    operation = await play.start(saga)
    await play.drain()
    assert "TimeoutError in act" in ((await play.show(operation)).cause or "")


async def test_a_retry_after_parking_has_its_whole_deadline_again(play: Any, new_saga: Any, world: DemoWorld) -> None:
    """Also when the operation had waited before, and days went by: neither may count against the new try."""
    saga, ready = new_saga(), []

    async def act(op: Op) -> Any:
        if not ready:
            return Wait(20)
        for _ in range(2):
            await asyncio.sleep(0)  # whoever has no time left is ended here
        return None

    step_of(saga, "act", act, point_of_no_return=True)
    operation = await play.start(saga)
    await play.drain()
    assert await play.state(operation) == "parked"
    world.clock.advance(86_400)  # type: ignore[attr-defined]
    ready.append(1)
    await retry(world.ctx(), operation)
    await play.drain()
    assert await play.state(operation) == "done"
    assert await play.events(operation) == ["act started", "act parked", "act resumed", "act done"]


async def test_what_is_parked_tries_again_by_itself_now_and_then(play: Any, new_saga: Any, world: DemoWorld) -> None:
    saga, ready = new_saga(), []

    async def act(op: Op) -> Any:
        return None if ready else Wait(20)

    step_of(saga, "act", act, point_of_no_return=True)
    operation = await play.start(saga)

    async def after(seconds: float) -> str:
        world.clock.advance(seconds)  # type: ignore[attr-defined]
        await retry_parked(world.ctx())
        await play.drain()
        return str(await play.state(operation))

    pause_s = world.config.operations.retry_parked_s
    await play.drain()
    assert [await after(pause_s / 2), await after(pause_s)] == ["parked", "parked"]
    ready.append(1)
    assert [await after(pause_s / 2), await after(pause_s)] == ["parked", "done"]
    assert (await play.events(operation)).count("act resumed") == 2


async def test_all_that_is_parked_tries_again_however_much_it_is(play: Any, new_saga: Any, world: DemoWorld) -> None:
    saga, ready = new_saga(), []

    async def act(op: Op) -> Any:
        return None if ready else Failed("not yet")

    step_of(saga, "act", act, point_of_no_return=True)
    started = [await play.start(saga) for _ in range(RETRIED_AT_ONCE + 1)]
    await play.drain()
    assert {await play.state(each) for each in started} == {"parked"}
    ready.append(1)
    world.clock.advance(world.config.operations.retry_parked_s)  # type: ignore[attr-defined]
    await retry_parked(world.ctx())
    await play.drain()
    assert {await play.state(each) for each in started} == {"done"}


# clocks that are set


async def release_once(play: Any, new_saga: Any, world: DemoWorld, seconds: float) -> tuple[Any, Worker]:
    saga = new_saga()
    step_of(saga, "act", answers(Wait(seconds), None), deadline_s=60)
    operation = await play.start(saga)
    worker = Worker(world.ctx())
    await worker.renew()
    (row,) = await worker.take(1)
    await worker.carry(row)
    assert await worker.take(1) == []
    return operation, worker


async def test_a_clock_set_back_an_hour_does_not_make_it_wait_longer(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    operation, worker = await release_once(play, new_saga, world, 30)
    world.clock.advance(-3600)  # type: ignore[attr-defined]
    (row,) = await worker.take(1)
    assert row["spent_s"] < 1
    await worker.carry(row)
    assert await play.state(operation) == "done"


@pytest.mark.parametrize("rung", [True, False])
async def test_a_clock_set_forward_costs_no_deadline(world: DemoWorld, play: Any, new_saga: Any, rung: bool) -> None:
    operation, worker = await release_once(play, new_saga, world, 30)
    world.clock.advance(3600)  # type: ignore[attr-defined]
    if rung:
        await retry(world.ctx(), operation)
    (row,) = await worker.take(1)
    assert row["spent_s"] <= 30.1
    await worker.carry(row)
    assert await play.state(operation) == "done"


# engines


async def test_an_engine_that_does_not_answer_in_time_is_unavailable() -> None:
    class Silent:
        async def ensure_gone(self, subject: str, *, fence: int) -> None:
            await asyncio.Event().wait()

    engine = FencedEngine(Silent(), 1, asyncio.Semaphore(1), within_s=0.01)
    with pytest.raises(Unavailable, match=r"ensure_gone did not answer within 0.01 s"):
        await engine.ensure_gone("x")


async def test_writing_verbs_carry_the_fence_and_looking_does_not() -> None:
    class Engine:
        async def ensure(self, subject: str, **more: Any) -> Any:
            return more

        async def observe(self, **more: Any) -> Any:
            return more

    engine = FencedEngine(Engine(), 7, asyncio.Semaphore(1))
    assert await engine.ensure("x") == {"fence": 7}
    assert await engine.observe() == {}


# one commit a step


async def test_a_step_costs_one_commit_and_rows_steps_share_it(world: DemoWorld, play: Any, new_saga: Any) -> None:
    """Six steps, three of which act: a lease and three commits that change something."""
    saga = new_saga()
    for number in range(6):
        step_of(saga, f"step{number}", nothing, rows=number % 2 == 1)
    operation = await play.start(saga)
    worker = Worker(world.ctx())
    await worker.renew()
    opened = count_transactions(world)
    for row in await worker.take(1):
        await worker.carry(row)
    assert await play.state(operation) == "done"
    assert len(opened) <= 1 + 3


def count_transactions(world: DemoWorld) -> list[int]:
    opened: list[int] = []

    class Counting:
        def __init__(self, database: Any) -> None:
            self._database = database

        def transaction(self, **more: Any) -> Any:
            opened.append(1)
            return self._database.transaction(**more)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._database, name)

    world.db = Counting(world.db)  # type: ignore[assignment]
    return opened


async def test_lease_and_fence_only_grow(world: DemoWorld, play: Any, new_saga: Any) -> None:
    saga, fences = new_saga(), []

    async def look(op: Op) -> Any:
        fences.append((op.id, op.fence))
        return Wait(1) if len(fences) < 20 else None

    step_of(saga, "act", look)
    for _ in range(4):
        await play.start(saga)
    await play.drain()
    assert [fence for _, fence in fences] == sorted(fence for _, fence in fences)
    for operation in {o for o, _ in fences}:
        mine = [fence for o, fence in fences if o == operation]
        assert len(set(mine)) == len(mine) > 1
    assert (await world.ctx().execute(sa.select(sa.func.min(operations.c.fence)))).scalar_one() > 0
