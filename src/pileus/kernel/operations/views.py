"""Operations as people look at them and set them right."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict, NotFound
from pileus.kernel.operations import start
from pileus.kernel.operations.saga import sagas
from pileus.kernel.operations.tables import debts, log, operations
from pileus.kernel.paging import Ask, Listing, Page, Sort

PURGE_BATCH = 500
RETRIED_AT_ONCE = 100
EVERYTHING = Ask(None)


class LogLine(msgspec.Struct, frozen=True):
    """One event of one step. `took_ms` is 0 where nothing was measured."""

    at: float
    step: str
    event: str
    took_ms: float
    note: str | None


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown of an operation: no memo, no secret."""

    id: uuid.UUID
    saga: str
    state: str
    step: str
    subject_id: uuid.UUID
    parent_id: uuid.UUID | None
    project_id: str | None
    request_id: str
    cause: str | None
    progress: dict[str, Any] | None
    tries: int
    cancel: bool
    wake_at: float
    created_at: float
    ended_at: float | None


SHOWN = [operations.c[name] for name in Operation.__struct_fields__]


async def get(ctx: Ctx, operation_id: uuid.UUID) -> Operation:
    """Raises NotFound."""
    row = (await ctx.execute(sa.select(*SHOWN).where(operations.c.id == operation_id))).one_or_none()
    if row is None:
        raise NotFound(f"Operation {operation_id} could not be found.")
    return Operation(**row._mapping)


async def by_ids(ctx: Ctx, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Operation]:
    """Those of them that are kept."""
    rows = await ctx.execute(sa.select(*SHOWN).where(operations.c.id.in_(ids)))
    return {row.id: Operation(**row._mapping) for row in rows}


LISTING = Listing(
    operations.c.id,
    {"created_at": operations.c.created_at},
    default=(Sort("created_at", descending=True),),
    max_limit=500,
)


async def page(
    ctx: Ctx, *, state: str | None = None, subject_id: uuid.UUID | None = None, ask: Ask = EVERYTHING
) -> tuple[list[Operation], Page]:
    """One page, newest first."""
    query = sa.select(*SHOWN)
    if state is not None:
        query = query.where(operations.c.state == state)
    if subject_id is not None:
        query = query.where(operations.c.subject_id == subject_id)
    found = await LISTING.page(ctx, query, visible=sa.true(), order=LISTING.order(), ask=ask)
    return [Operation(**row._mapping) for row in found.rows], found


async def log_of(ctx: Ctx, operation_id: uuid.UUID) -> list[LogLine]:
    """The step log, oldest first. That it started, and when, its own row says."""
    async with ctx.read() as ctx:
        row = await start.load(ctx, operation_id)
        if row is None:
            return []
        query = sa.select(log.c.at, log.c.step, log.c.event, log.c.took_ms, log.c.note)
        rows = await ctx.execute(query.where(log.c.operation_id == operation_id).order_by(log.c.id))
        first = sagas[row.saga].steps[0].name if row.saga in sagas else row.step
        return [LogLine(row.created_at, first, "started", 0.0, None), *(LogLine(**each._mapping) for each in rows)]


async def retry(ctx: Ctx, operation_id: uuid.UUID) -> None:
    """Let a parked operation try again, or wake one that waits. Conflict when it has ended."""
    async with ctx.transaction() as ctx:
        row = await start.load(ctx, operation_id)
        if row is None:
            raise NotFound(f"Operation {operation_id} could not be found.")
        if row.ended_at is not None:
            raise Conflict(f"Operation {operation_id} has ended ({row.state}); start a new one on the resource.")
        if row.state == "parked":
            await start.resume(ctx, row)
        else:
            await ctx.execute(start.CHANGE, {"id_": operation_id, "wake_at": 0.0})
            ctx.after_commit(ctx.world.doorbell.ring)


RESTED = (
    sa.select(operations)
    .where(operations.c.state == "parked", operations.c.wake_at <= sa.bindparam("now_"))
    .order_by(operations.c.wake_at)
    .limit(RETRIED_AT_ONCE)
    .with_for_update(skip_locked=True)
)


async def retry_parked(ctx: Ctx) -> None:
    """Let those try again that have been parked for long enough: what was in their way may be gone, a host be back."""
    now = ctx.now()
    while await _resumed(ctx, now) == RETRIED_AT_ONCE:
        pass


async def _resumed(ctx: Ctx, now: float) -> int:
    async with ctx.transaction() as ctx:
        rows = (await ctx.execute(RESTED, {"now_": now})).all()
        for row in rows:
            await start.resume(ctx, row)
        return len(rows)


async def cancel(ctx: Ctx, operation_id: uuid.UUID) -> None:
    """Make it unwind. Conflict when it has ended, converges, or has passed the point from which there is no way back."""
    async with ctx.transaction() as ctx:
        row = await start.load(ctx, operation_id)
        if row is None:
            raise NotFound(f"Operation {operation_id} could not be found.")
        saga = sagas.get(row.saga)
        if row.state != "running" or saga is None or not saga.may_return(row.step):
            raise Conflict(f"Operation {operation_id} cannot be cancelled: it is {row.state} at {row.step}.")
        await start.cancel(ctx, operation_id)


async def purge(ctx: Ctx, before: float, limit: int = PURGE_BATCH) -> int:
    """Delete one batch of operations that ended before that stamp, with their log. Returns how many; 0 = none are left."""
    async with ctx.transaction() as ctx:
        old = sa.select(operations.c.id).where(operations.c.ended_at < before).limit(limit)
        ids = (await ctx.execute(old)).scalars().all()
        if ids:
            await ctx.execute(log.delete().where(log.c.operation_id.in_(ids)))
            await ctx.execute(debts.delete().where(debts.c.operation_id.in_(ids), debts.c.paid_at.is_not(None)))
            await ctx.execute(operations.delete().where(operations.c.id.in_(ids)))
        return len(ids)
