"""What people see of operations, and how they set them right."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from demo.world import DemoWorld
from pileus.kernel.errors import Conflict, NotFound
from pileus.kernel.operations import Op, Wait, Worker
from pileus.kernel.operations.start import note
from pileus.kernel.operations.tables import debts, log, operations
from pileus.kernel.operations.views import cancel, get, log_of, page, purge, retry
from pileus.kernel.paging import Ask


async def count(world: DemoWorld, table: sa.Table) -> int:
    return (await world.ctx().execute(sa.select(sa.func.count()).select_from(table))).scalar_one()


async def test_what_is_not_there_is_not_found(world: DemoWorld) -> None:
    for ask in (get, retry, cancel):
        with pytest.raises(NotFound, match="could not be found"):
            await ask(world.ctx(), world.ids.uuid())
    assert await log_of(world.ctx(), world.ids.uuid()) == []


async def test_an_operation_is_shown_without_memo_and_secret(world: DemoWorld, play: Any, new_saga: Any) -> None:
    saga, subject = new_saga(), world.ids.uuid()

    @saga.rows
    async def act(op: Op) -> None: ...

    operation = await play.start(saga, subject, secrets={"password": "hunter2"}, name="private")
    shown = await play.show(operation)
    assert (shown.saga, shown.state, shown.step, shown.subject_id) == ("test.saga@1", "running", "act", subject)
    assert (shown.project_id, shown.parent_id, shown.ended_at) == ("p" * 32, None, None)
    assert shown.request_id.startswith("req-")
    assert "private" not in repr(shown)
    assert "hunter2" not in repr(shown)


async def test_a_list_is_paged_newest_first_and_filtered(world: DemoWorld, play: Any, new_saga: Any) -> None:
    saga, subject = new_saga(), world.ids.uuid()

    @saga.rows
    async def act(op: Op) -> None: ...

    started = [await play.start(saga) for _ in range(5)] + [await play.start(saga, subject)]
    ctx = world.ctx()
    assert [o.id for o in (await page(ctx))[0]] == started[::-1]
    assert [o.id for o in (await page(ctx, subject_id=subject))[0]] == [started[5]]
    assert (await page(ctx, state="parked"))[0] == []
    first, _ = await page(ctx, ask=Ask(2))
    rest, _ = await page(ctx, ask=Ask(10, marker=str(first[-1].id)))
    assert [o.id for o in first + rest] == started[::-1]
    await play.drain()
    assert len((await page(ctx, state="done", subject_id=subject))[0]) == 1


async def test_a_retry_wakes_what_waits_and_refuses_what_has_ended(world: DemoWorld, play: Any, new_saga: Any) -> None:
    saga, looks = new_saga(), []

    @saga.step(deadline_s=1000)
    async def act(op: Op) -> Any:
        looks.append(1)
        return Wait(600) if len(looks) == 1 else None

    operation = await play.start(saga)
    worker = Worker(world.ctx())
    await worker.renew()
    await worker.carry((await worker.take(1))[0])
    await retry(world.ctx(), operation)
    await worker.carry((await worker.take(1))[0])
    assert await play.state(operation) == "done"
    with pytest.raises(Conflict, match=r"has ended \(done\)"):
        await retry(world.ctx(), operation)
    with pytest.raises(Conflict, match="cannot be cancelled: it is done at act"):
        await cancel(world.ctx(), operation)


async def test_what_this_release_does_not_know_is_left_alone_and_cannot_be_cancelled(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    saga = new_saga()

    @saga.rows
    async def act(op: Op) -> None: ...

    operation = await play.start(saga)
    async with world.ctx().transaction() as ctx:
        await ctx.execute(operations.update().values(saga="test.saga@99"))
    await play.drain()
    assert await play.state(operation) == "running"
    with pytest.raises(Conflict, match="cannot be cancelled"):
        await cancel(world.ctx(), operation)


async def test_a_step_that_is_no_more_is_released_and_said(
    world: DemoWorld, play: Any, new_saga: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A released step list was edited: the operation is not lost, and whoever mends the release goes on with it."""
    saga = new_saga()

    @saga.rows
    async def act(op: Op) -> None: ...

    operation = await play.start(saga)
    async with world.ctx().transaction() as ctx:
        await ctx.execute(operations.update().values(step="gone"))
    worker = Worker(world.ctx())
    await worker.renew()
    await worker.carry((await worker.take(1))[0])
    assert "operation released" in caplog.text
    async with world.ctx().transaction() as ctx:
        assert (await ctx.execute(sa.select(operations.c.holder))).scalar_one() is None
        await ctx.execute(operations.update().values(step="act"))
    await play.drain()
    assert await play.state(operation) == "done"


async def test_old_operations_go_in_batches_with_their_log_and_paid_debts(
    world: DemoWorld, play: Any, new_saga: Any
) -> None:
    saga = new_saga()

    @saga.step
    async def act(op: Op) -> None:
        await op.settle("h1", "hypervisor", "ensure_gone", op.subject_id)

    world.down.add("h1")
    old = [await play.start(saga) for _ in range(3)]
    await play.drain()
    async with world.ctx().transaction() as ctx:
        paid = debts.update().where(debts.c.operation_id.in_(old[:2]))
        await ctx.execute(paid.values(paid_at=1.0))
    before = world.clock.now()
    world.clock.advance(10)  # type: ignore[attr-defined]
    live = await play.start(saga)
    async with world.ctx().transaction() as ctx:
        await note(ctx, live, "act", "retry")
    assert await purge(world.ctx(), before=before) == 3
    assert await purge(world.ctx(), before=before) == 0
    assert [o.id for o in (await page(world.ctx()))[0]] == [live]
    assert await count(world, log) == 1
    assert await count(world, debts) == 1
