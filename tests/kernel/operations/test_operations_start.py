"""How operations begin, clash, and give way to a deletion."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from demo.machines import sagas as machine_sagas
from demo.machines import service as machines
from demo.world import DemoWorld
from pileus.kernel.errors import Conflict, Unavailable
from pileus.kernel.operations import Op, Saga, Wait, Worker, wake_subject
from pileus.kernel.operations.tables import log, operations, subjects


async def stored(world: DemoWorld, operation_id: Any) -> dict[str, Any]:
    row = await world.ctx().execute(sa.select(operations).where(operations.c.id == operation_id))
    return dict(row.mappings().one())


def test_a_saga_and_a_step_have_names_of_their_own(new_saga: Any) -> None:
    saga = new_saga("test.saga")
    with pytest.raises(ValueError, match=r"two sagas are called test.saga@1"):
        Saga("test.saga")
    new_saga("test.saga", version=2)

    async def act(op: Op) -> None: ...

    saga.step(act)
    with pytest.raises(ValueError, match="two steps called act"):
        saga.rows(act)


async def test_a_secret_is_sealed_kept_from_memo_and_log_and_erased_at_the_end(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    saga, seen = new_saga(), []

    @saga.step
    async def use(op: Op) -> None:
        seen.append(op.secret("password"))
        with pytest.raises(KeyError):
            op.secret("other")

    operation = await play.start(saga, secrets={"password": "hunter2"}, name="web")
    row = await stored(world, operation)
    assert row["memo"] == {"name": "web"}
    everything = str(row) + str((await world.ctx().execute(sa.select(log))).all())
    assert "hunter2" not in everything
    assert b"hunter2" not in row["secrets"]
    await play.drain()
    assert seen == ["hunter2"]
    assert (await stored(world, operation))["secrets"] is None


async def test_who_asks_for_a_secret_that_was_never_given_is_told(play: Any, new_saga: Any) -> None:
    saga = new_saga()

    @saga.step
    async def use(op: Op) -> None:
        with pytest.raises(KeyError):
            op.secret("password")

    operation = await play.start(saga)
    await play.drain()
    assert await play.state(operation) == "done"


async def test_a_clash_names_what_runs_and_where_it_is(world: DemoWorld, play: Any, new_saga: Any) -> None:
    saga, subject, other = new_saga(), world.ids.uuid(), world.ids.uuid()

    @saga.step
    async def act(op: Op) -> None: ...

    first = await play.start(saga, subject, also=[other], labels=["disk"])
    claimed = (await world.ctx().execute(sa.select(subjects.c.subject_id))).scalars().all()
    assert len(claimed) == 3
    for busy in claimed:
        with pytest.raises(Conflict, match=rf"{busy} is busy: test.saga is running at act"):
            await play.start(saga, busy)
    assert await play.state(first) == "running"
    await play.drain()
    for free in claimed:
        await play.start(saga, free)


async def test_of_two_that_claim_one_further_subject_at_once_one_wins(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    saga, shared = new_saga(), world.ids.uuid()

    @saga.rows
    async def act(op: Op) -> None: ...

    results = await asyncio.gather(*(play.start(saga, also=[shared]) for _ in range(8)), return_exceptions=True)
    assert [type(r) for r in results if not isinstance(r, Conflict)] == [type(world.ids.uuid())]
    count = sa.select(sa.func.count())
    assert (await world.ctx().execute(count.select_from(operations))).scalar() == 1
    assert (await world.ctx().execute(count.select_from(subjects))).scalar() == 2


@pytest.mark.database("postgresql")
async def test_who_could_not_see_that_another_begins_is_told_by_the_index(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    saga, shared = new_saga(), world.ids.uuid()

    @saga.rows
    async def act(op: Op) -> None: ...

    async with world.ctx().transaction() as ctx:
        await saga.start(ctx, world.ids.uuid(), also=[shared])
        second = asyncio.create_task(play.start(saga, also=[shared]))
        while not (await ctx.execute(sa.text("SELECT 1 FROM pg_locks WHERE NOT granted LIMIT 1"))).scalar():
            assert not second.done()
    with pytest.raises(Conflict, match="just begun"):
        await second


async def test_nobody_sees_an_operation_whose_transaction_was_undone(world: DemoWorld, play: Any) -> None:
    with pytest.raises(LookupError):
        async with world.ctx().transaction() as ctx:
            await machine_sagas.create_machine.start(ctx, world.ids.uuid(), host="h1", disk=False)
            raise LookupError
    assert (await world.ctx().execute(sa.select(operations))).all() == []


# deletion wins


async def test_deleting_what_is_idle_begins_at_once(world: DemoWorld, play: Any) -> None:
    machine = await machines.create(world.ctx(), name="web")
    await play.drain()
    operation = await play.supersede(machine_sagas.delete_machine, machine.id)
    assert await play.supersede(machine_sagas.delete_machine, machine.id) == operation
    await play.drain()
    assert await play.state(operation) == "done"


@pytest.mark.parametrize("step", ["make_disk", "copy_image", "power_on"])
async def test_deleting_what_is_being_built_turns_the_building_into_the_deletion(
    world: DemoWorld, play: Any, step: str
) -> None:
    machine = await machines.create(world.ctx(), name="web", disk=True)
    asked: list[Any] = []

    async def delete(seam: Any, op: Op) -> None:
        if (seam.step, seam.when) == (step, "before") and not asked:
            for _ in range(2):
                asked.append(await play.supersede(machine_sagas.delete_machine, machine.id))

    await play.drain(seam=delete)
    assert asked[0] == asked[1]
    assert await play.state(asked[0]) == "done"
    states = await world.ctx().execute(
        sa.select(operations.c.state).where(operations.c.saga == "demo.create_machine@1")
    )
    assert states.scalars().all() == ["undone"]
    assert (await world.ctx().execute(sa.select(subjects))).all() == []
    assert await world.hypervisor("h1").observe() == {}


async def test_past_the_point_of_no_return_the_first_ends_well_and_then_turns_into_the_deletion(
    world: DemoWorld, play: Any
) -> None:
    machine = await machines.create(world.ctx(), name="web")
    await play.drain()
    await machines.move(world.ctx(), machine.id, target="h2")
    asked: list[Any] = []

    async def delete(seam: Any, op: Op) -> None:
        if (seam.step, seam.when) == ("remove_from_source", "before") and not asked:
            asked.append(await play.supersede(machine_sagas.delete_machine, machine.id))
            raise Unavailable("wait a little: nothing may spin")

    await play.drain(seam=delete)
    assert await play.state(asked[0]) == "done"
    moved = await world.ctx().execute(
        sa.select(operations.c.state, operations.c.tries).where(operations.c.saga == "demo.move_machine@1")
    )
    assert [row.state for row in moved.all()] == ["done"]
    assert await world.hypervisor("h2").observe() == {}


async def test_deleting_what_is_parked_begins_at_once(world: DemoWorld, play: Any, new_saga: Any) -> None:
    subject, delete = world.ids.uuid(), new_saga("test.delete")

    @delete.rows
    async def forget(op: Op) -> None: ...

    saga = new_saga()

    @saga.step(point_of_no_return=True)
    async def act(op: Op) -> None:
        raise Conflict("the world is not ready")

    first = await play.start(saga, subject)
    await play.drain()
    assert await play.state(first) == "parked"
    operation = await play.supersede(delete, subject)
    assert await play.state(first) == "undone"
    assert (await play.show(first)).cause is None  # its log keeps why it was parked
    assert "act superseded" in await play.events(first)
    await play.drain()
    assert await play.state(operation) == "done"


async def test_a_parked_deletion_is_tried_again_by_the_next_delete(world: DemoWorld, play: Any, new_saga: Any) -> None:
    subject, works = world.ids.uuid(), []
    delete = new_saga("test.delete")

    @delete.step(point_of_no_return=True)
    async def remove(op: Op) -> None:
        if not works:
            raise Conflict("the disk is stuck")

    operation = await play.supersede(delete, subject)
    await play.drain()
    shown = await play.show(operation)
    assert (shown.state, shown.cause) == ("parked", "remove: the disk is stuck")
    works.append(1)
    assert await play.supersede(delete, subject) == operation
    await play.drain()
    assert await play.state(operation) == "done"
    assert "remove resumed" in await play.events(operation)


async def test_what_would_park_while_a_deletion_waits_turns_into_the_deletion(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    subject, delete, asked = world.ids.uuid(), new_saga("test.delete"), []

    @delete.rows
    async def forget(op: Op) -> None: ...

    saga = new_saga()

    @saga.step(point_of_no_return=True)
    async def act(op: Op) -> None:
        if not asked:
            asked.append(await play.supersede(delete, subject))
        raise Conflict("the world is not ready")

    first = await play.start(saga, subject)
    await play.drain()
    assert [await play.state(first), await play.state(asked[0])] == ["undone", "done"]


async def test_news_for_a_subject_wakes_whoever_waits_for_it(world: DemoWorld, play: Any, new_saga: Any) -> None:
    saga, subject, also, looks = new_saga(), world.ids.uuid(), world.ids.uuid(), []

    @saga.step(deadline_s=1000)
    async def watch(op: Op) -> Any:
        looks.append(world.clock.now())
        return None if len(looks) == 3 else Wait(600, note="for news")

    operation = await play.start(saga, subject, also=[also])
    worker = Worker(world.ctx())
    await worker.renew()
    for news in (subject, also):
        for row in await worker.take(10):
            await worker.carry(row)
        assert (await play.show(operation)).progress == {"percent": None, "note": "for news"}
        assert await worker.take(10) == []
        async with world.ctx().transaction() as ctx:
            await wake_subject(ctx, news)
    await worker.drain()
    assert len(looks) == 3
    assert looks[-1] - looks[0] < 1
    assert await play.state(operation) == "done"


async def test_news_that_comes_while_a_step_runs_is_not_lost(world: DemoWorld, play: Any, new_saga: Any) -> None:
    saga, subject, looks = new_saga(), world.ids.uuid(), []

    @saga.step(deadline_s=1000)
    async def watch(op: Op) -> Any:
        looks.append(world.clock.now())
        if len(looks) > 1:
            return None
        async with world.ctx().transaction() as ctx:
            await wake_subject(ctx, subject)
        return Wait(600)

    await play.start(saga, subject)
    await play.drain()
    assert looks[1] - looks[0] < 1
