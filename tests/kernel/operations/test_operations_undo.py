"""The way back: undo, cancellation, children that come to nothing, debts of dead hosts."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from demo.machines import service as machines
from demo.world import DemoWorld
from pileus.kernel.errors import Conflict, LeaseLost, Unavailable
from pileus.kernel.operations import NotPassed, Op, Wait, Worker, unpaid
from pileus.kernel.operations.debts import PAY_AT_ONCE, forgive, pay
from pileus.kernel.operations.tables import debts
from pileus.kernel.operations.views import cancel, page, retry
from pileus.kernel.verbs import Done, Failed, Going
from support.sagas import Act, answers, nothing, raises, step_of

# undo


async def test_an_undo_may_wait_and_be_tried_again_and_the_first_cause_stays(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    saga, ends = new_saga(), []
    step_of(saga, "one", nothing, undo=answers(Going(10), Unavailable("deaf"), Conflict("busy"), None))
    step_of(saga, "two", raises(Conflict("the true cause")))

    @saga.undone
    async def end(op: Op) -> None:
        ends.append(op.cause)

    operation = await play.start(saga)
    await play.drain()
    assert ends == ["the true cause"]
    assert (await play.show(operation)).cause == "the true cause"
    assert await play.events(operation) == [
        *("one started", "one done", "two failed", "one retry", "one retry", "one undone", "one ended")
    ]


@pytest.mark.parametrize(
    "undo", [answers(Wait(9)), raises(Conflict("stuck")), raises(TypeError())], ids=["waits", "busy", "bug"]
)
async def test_an_undo_that_cannot_be_done_parks_and_goes_on_unwinding_when_retried(
    world: DemoWorld, play: Any, new_saga: Any, undo: Act
) -> None:
    saga, works = new_saga(), []

    async def take_back(op: Op) -> Any:
        return None if works else await undo(op)

    step_of(saga, "one", nothing, undo=take_back)
    step_of(saga, "two", raises(Conflict("full")))
    operation = await play.start(saga)
    await play.drain()
    assert await play.state(operation) == "parked"
    works.append(1)
    await retry(world.ctx(), operation)
    await play.drain()
    assert await play.state(operation) == "undone"


async def test_an_undo_of_rows_that_fails_is_found_among_its_neighbours(play: Any, new_saga: Any) -> None:
    saga = new_saga()
    step_of(saga, "one", nothing, rows=True, undo=nothing)
    step_of(saga, "two", nothing, rows=True, undo=answers(*[Conflict("busy")] * 4, None))
    step_of(saga, "plain", nothing)
    step_of(saga, "three", nothing, rows=True, undo=nothing)
    step_of(saga, "four", raises(Conflict("full")), undo=nothing)
    operation = await play.start(saga)
    await play.drain()
    assert (await play.events(operation))[-7:] == [
        *("four failed", "four undone", "three undone", "two retry", "two undone", "one undone", "one ended")
    ]


# cancellation


async def test_a_cancellation_between_steps_unwinds_from_where_it_is(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    saga = new_saga()

    async def ask(op: Op) -> None:
        await cancel(world.ctx(), op.id)

    step_of(saga, "one", ask, undo=nothing)
    step_of(saga, "two", nothing, rows=True, undo=nothing)
    step_of(saga, "three", nothing)
    operation = await play.start(saga)
    await play.drain()
    assert await play.events(operation) == [*("one started", "one done", "one cancelled", "one undone", "one ended")]


async def test_a_cancellation_while_it_waits_is_seen_at_once(world: DemoWorld, play: Any, new_saga: Any) -> None:
    saga = new_saga()
    step_of(saga, "act", answers(Wait(600)), deadline_s=10_000, undo=nothing)
    operation = await play.start(saga)
    worker = Worker(world.ctx())
    await worker.renew()
    await worker.carry((await worker.take(1))[0])
    await cancel(world.ctx(), operation)
    before = world.clock.now()
    await worker.drain()
    assert world.clock.now() - before < 1
    shown = await play.show(operation)
    assert (shown.state, shown.cause) == ("undone", "it was cancelled")


# children


async def test_a_child_that_comes_to_nothing_unwinds_its_parent(world: DemoWorld, play: Any) -> None:
    machine = await machines.create(world.ctx(), name="web", disk=True)

    async def refuse(seam: Any, op: Op) -> None:
        if seam.step == "allocate" and seam.way == "running":
            raise Conflict("the pool is full")

    await play.drain(seam=refuse)
    assert (await machines.show(world.ctx(), machine.id)).status == "ERROR"
    assert (await machines.show(world.ctx(), machine.id)).cause == "the pool is full"
    assert {o.state for o in (await page(world.ctx()))[0]} == {"undone", "done"}
    assert await world.hypervisor("h1").observe() == {}


async def test_a_child_gives_its_parent_what_it_knows_and_wakes_it_when_it_parks(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    parent, child, works, got = new_saga("test.parent"), new_saga("test.child"), [], []

    async def stuck(op: Op) -> Any:
        if not works:
            raise Conflict("stuck")
        return {"path": "/x"}

    step_of(child, "act", stuck, point_of_no_return=True, deadline_s=1)

    async def make(op: Op) -> Any:
        return await op.child("disk", child, op.uuid("disk"), size=1)

    async def look(op: Op) -> None:
        got.append(op.memo["make"])

    async def take_back(op: Op) -> Any:
        return await op.cancel_child("disk")

    step_of(parent, "make", make, deadline_s=1000, undo=take_back)
    step_of(parent, "look", look)
    first = await play.start(parent)
    await play.drain()
    shown = await play.show(first)
    assert (shown.state, shown.cause) == ("undone", "act: stuck")
    works.append(1)
    second = await play.start(parent)
    await play.drain()
    assert await play.state(second) == "done"
    assert got == [{"size": 1, "act": {"path": "/x"}}]


# debts


async def test_a_dead_host_owes_and_what_it_owes_stays_reserved_until_it_has_paid(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    saga, things = new_saga(), [world.ids.uuid() for _ in range(2)]

    async def remove(op: Op) -> None:
        for _ in range(2):
            for thing in things:
                await op.settle("h1", "hypervisor", "ensure_gone", thing)

    step_of(saga, "remove", remove, point_of_no_return=True)
    step_of(saga, "fails_first", answers(TypeError(), None), rows=True)
    world.down.add("h1")
    operation = await play.start(saga)
    await play.drain()
    assert await play.state(operation) == "done"
    rows = (await world.ctx().execute(sa.select(debts))).all()
    assert {row.subject_id for row in rows} == set(things)
    assert [await unpaid(world.ctx(), thing) for thing in things] == [True, True]
    world.down.clear()
    for answer, why in ((Going(50), "it goes on"), (Going(50, "half"), "half"), (Failed("no"), "no")):
        assert set(await owed(world, *[answer] * 2)) == {f"ensure_gone of {thing}: {why}" for thing in things}
    assert [await unpaid(world.ctx(), thing) for thing in things] == [True, True]
    assert (
        await owed(world, Failed("not before the other"), Done(), LeaseLost("it has been told something newer")) == []
    )
    assert [await unpaid(world.ctx(), thing) for thing in things] == [False, False]
    assert await owed(world, AssertionError("nothing is owed any more")) == []


async def test_a_debt_is_there_before_its_step_has_ended_and_anew_when_that_comes_by_again(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    """A host may have heard of the try in between, of its fence at least: what was owed before counts for nothing then."""
    saga, thing, found = new_saga(), world.ids.uuid(), []

    async def remove(op: Op) -> Any:
        await op.settle("h1", "hypervisor", "ensure_gone", thing)
        found.append((await unpaid(world.ctx(), thing), op.fence))
        if len(found) == 1:
            assert await owed(world, LeaseLost("it has heard of the next try")) == []
            return Wait(1)
        return None

    step_of(saga, "remove", remove, point_of_no_return=True)
    world.down.add("h1")
    operation = await play.start(saga)
    await play.drain()
    assert await play.state(operation) == "done"
    assert [owing for owing, _ in found] == [True, True]
    [row] = (await world.ctx().execute(sa.select(debts))).all()
    assert (row.subject_id, row.paid_at, row.fence) == (thing, None, found[-1][1])


async def test_however_much_is_owed_each_debt_is_asked_for_once(world: DemoWorld) -> None:
    owes = {"host": "h1", "engine": "hypervisor", "verb": "ensure_gone", "fence": 1, "at": 1.0}
    things = [world.ids.uuid() for _ in range(2 * PAY_AT_ONCE + 1)]
    async with world.ctx().transaction() as ctx:
        rows = [{**owes, "id": world.ids.uuid(), "operation_id": thing, "subject_id": thing} for thing in things]
        await ctx.execute(debts.insert(), rows)
    in_the_way = await owed(world, *[Failed("no")] * len(things), AssertionError("all were asked for"))
    assert sorted(in_the_way) == sorted(f"ensure_gone of {thing}: no" for thing in things)


async def owed(world: DemoWorld, *answers: Any) -> list[str]:
    """What the host h1, which gives these answers in turn, has not paid after that."""
    host = Says(*answers)
    return await pay(world.ctx(), "h1", lambda kind: host)


class Says:
    """An engine that gives these answers in turn."""

    def __init__(self, *answers: Any) -> None:
        self._answers = iter(answers)

    async def ensure_gone(self, subject_id: Any, *, fence: int) -> Any:
        answer = next(self._answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.mark.parametrize("waits", [[], [Wait(1)]], ids=["at once", "after a wait"])
async def test_a_debt_that_was_noted_before_a_failure_is_not_lost_and_not_doubled(
    world: DemoWorld, play: Any, new_saga: Any, waits: list[Wait]
) -> None:
    """The step that owes is recorded with its debt, whatever happens to its neighbours in the same commit."""
    saga, thing, waits = new_saga(), world.ids.uuid(), list(waits)

    async def remove(op: Op) -> Any:
        await op.settle("h1", "hypervisor", "ensure_gone", thing)
        return waits.pop() if waits else None

    step_of(saga, "one", nothing, undo=remove)
    step_of(saga, "two", raises(Conflict("full")))
    ends = answers(TypeError(), None)

    @saga.undone
    async def end(op: Op) -> None:
        await ends(op)

    world.down.add("h1")
    operation = await play.start(saga)
    await play.drain()
    assert await play.state(operation) == "undone"
    assert len((await world.ctx().execute(sa.select(debts))).all()) == 1
    async with world.ctx().transaction() as ctx:
        assert await forgive(ctx, "h2") == 0
        assert await forgive(ctx, "h1") == 1
    assert not await unpaid(world.ctx(), thing)


async def test_a_point_of_no_return_that_was_not_passed_is_one_to_return_from(play: Any, new_saga: Any) -> None:
    """As the step itself says, which alone can know; of any other step it is a failure like all."""
    saga, undone = new_saga(), []

    async def undo(op: Op) -> None:
        undone.append(op.cause)

    step_of(saga, "one", nothing).undo(undo)
    step_of(saga, "switch", raises(NotPassed("it stays")), point_of_no_return=True)
    operation = await play.start(saga)
    await play.drain()
    assert await play.state(operation) == "undone"
    assert undone == ["it stays"]
