"""How operations begin and end, in somebody's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pileus.kernel.context import Ctx
from pileus.kernel.db import among, insert_if_new
from pileus.kernel.errors import Conflict
from pileus.kernel.operations.tables import HELD, LIVE, debts, is_converging, is_due, log, operations, subjects

if TYPE_CHECKING:
    from pileus.kernel.operations.saga import Converge, Saga

LOAD = sa.select(operations).where(operations.c.id == sa.bindparam("id_"))
HOLDER_OF = (
    sa.select(operations)
    .join(subjects, subjects.c.operation_id == operations.c.id)
    .where(subjects.c.subject_id == sa.bindparam("subject_"))
)
HOLDER = sa.select(subjects.c.operation_id).where(subjects.c.subject_id == sa.bindparam("subject_"))
BUSY = (
    sa.select(operations.c.saga, operations.c.step, operations.c.state, subjects.c.subject_id)
    .join(subjects, subjects.c.operation_id == operations.c.id)
    .where(among(subjects.c.subject_id, "claims_"))
    .limit(1)
)
ADD, CLAIM, NOTE = operations.insert(), subjects.insert(), log.insert()
CHANGE = operations.update().where(operations.c.id == sa.bindparam("id_"))
ADD_IF_NEW = insert_if_new(operations).returning(operations.c.subject_id)
CANCEL = CHANGE.where(operations.c.state == "running")
HOLDER_OF_LOCKED = HOLDER_OF.with_for_update()
FOLLOW = subjects.update().where(subjects.c.subject_id == sa.bindparam("subject_"))
RELEASE = (
    subjects.delete()
    .where(subjects.c.operation_id == sa.bindparam("id_"))
    .returning(subjects.c.subject_id, subjects.c.follower)
)
AT_ONCE: dict[str, Any] = {"wake_at": 0.0, "waiting_since": 0.0, "pause_s": 0.0, "tries": 0, "spent_s": 0.0}


async def load(ctx: Ctx, operation_id: uuid.UUID) -> Any:
    """The row, or None."""
    return (await ctx.execute(LOAD, {"id_": operation_id})).one_or_none()


async def note(ctx: Ctx, operation_id: uuid.UUID, step: str, event: str, text: str | None = None) -> None:
    """One line of the step log."""
    entry = {"operation_id": operation_id, "at": ctx.now(), "step": step, "event": event, "took_ms": 0.0, "note": text}
    await ctx.execute(NOTE, entry)


def new_row(
    ctx: Ctx, saga: Saga, subject_id: uuid.UUID, operation_id: uuid.UUID, memo: dict[str, Any]
) -> dict[str, Any]:
    """A whole row, so that it can also be kept as JSON until its time comes."""
    return {
        "id": operation_id,
        "saga": saga.key,
        "kind": saga.kind,
        "state": "running",
        "step": saga.steps[0].name,
        "subject_id": subject_id,
        "parent_id": None,
        "project_id": ctx.caller.project_id,
        "request_id": ctx.request_id,
        "caller": ctx.caller.as_dict(),
        "memo": msgspec.to_builtins(memo),
        "secrets": None,
        "cancel": False,
        "successor": None,
        "fence": 0,
        "created_at": ctx.now(),
        **AT_ONCE,
    }


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is asked for when an operation begins. `operation_id` and `parent_id` are a child's."""

    saga: Saga
    subject_id: uuid.UUID
    memo: dict[str, Any]
    also: Iterable[uuid.UUID] = ()
    labels: Iterable[str] = ()
    secrets: dict[str, str] | None = None
    operation_id: uuid.UUID | None = None
    parent_id: uuid.UUID | None = None


async def begin(ctx: Ctx, asked: Beginning) -> uuid.UUID:
    """See `Saga.start`."""
    await ctx.lock("subject", asked.subject_id)
    operation_id = asked.operation_id or ctx.world.ids.uuid()
    claims = [asked.subject_id, *asked.also, *(uuid.uuid5(operation_id, label) for label in asked.labels)]
    await refuse_if_busy(ctx, claims)
    return await record(ctx, asked, operation_id, claims)


async def record(ctx: Ctx, asked: Beginning, operation_id: uuid.UUID, claims: list[uuid.UUID]) -> uuid.UUID:
    """Write the rows of an operation whose claims were just seen to be free."""
    saga, secrets = asked.saga, asked.secrets
    row = new_row(ctx, saga, asked.subject_id, operation_id, asked.memo) | {"parent_id": asked.parent_id}
    if secrets:
        row["secrets"] = ctx.world.seal.seal(msgspec.json.encode(secrets))
    await ctx.execute(ADD, row)
    try:
        await ctx.execute(CLAIM, [{"subject_id": each, "operation_id": operation_id} for each in claims])
    except sa.exc.IntegrityError as e:  # two came at once: the index decides
        raise Conflict("Another operation has just begun on this resource; ask again when it is done.") from e
    ctx.after_commit(ctx.world.doorbell.ring)
    return operation_id


async def holder(ctx: Ctx, subject_id: uuid.UUID) -> uuid.UUID | None:
    """The operation that claims this subject, parked ones too."""
    return (await ctx.execute(HOLDER, {"subject_": subject_id})).scalar()


async def refuse_if_busy(ctx: Ctx, claims: list[uuid.UUID]) -> None:
    """Raises Conflict that names the operation when one of these is claimed."""
    busy = (await ctx.execute(BUSY, {"claims_": claims})).first()
    if busy is not None:
        what = busy.saga.partition("@")[0]
        raise Conflict(
            f"{busy.subject_id} is busy: {what} is {busy.state} at {busy.step}. Ask again when it has ended."
        )


async def supersede(ctx: Ctx, saga: Saga, subject_id: uuid.UUID, memo: dict[str, Any]) -> uuid.UUID:
    """See `Saga.supersede`."""
    await ctx.lock("subject", subject_id)
    held = (await ctx.execute(HOLDER_OF_LOCKED, {"subject_": subject_id})).one_or_none()
    if held is None:
        return await record(ctx, Beginning(saga, subject_id, memo), ctx.world.ids.uuid(), [subject_id])
    ctx.after_commit(ctx.world.doorbell.ring)
    if held.saga.partition("@")[0] == saga.name:
        if held.state == "parked":
            await resume(ctx, held)
        return held.id  # type: ignore[no-any-return]
    if held.successor is not None:
        return uuid.UUID(held.successor["id"])
    successor = new_row(ctx, saga, subject_id, ctx.world.ids.uuid(), memo)
    await note(ctx, held.id, held.step, "superseded", f"by {saga.name}")
    if held.state == "parked":
        await end(ctx, held.id, "undone", parent_id=held.parent_id, successor=msgspec.to_builtins(successor))
    else:
        values = {"cancel": True, "successor": msgspec.to_builtins(successor), "wake_at": 0.0}
        await ctx.execute(CHANGE, {"id_": held.id, **values})
    return successor["id"]  # type: ignore[no-any-return]


async def follow(ctx: Ctx, saga: Saga, subject_id: uuid.UUID, memo: dict[str, Any]) -> None:
    """See `Saga.follow`."""
    await ctx.lock("subject", subject_id)
    for _ in range(2):  # what ends while we wait for it may turn into its successor: only a new look sees that
        if (await ctx.execute(HOLDER_OF_LOCKED, {"subject_": subject_id})).first() is not None:
            row = new_row(ctx, saga, subject_id, ctx.world.ids.uuid(), memo)
            await ctx.execute(FOLLOW, {"subject_": subject_id, "follower": msgspec.to_builtins(row)})
            return
    await record(ctx, Beginning(saga, subject_id, memo), ctx.world.ids.uuid(), [subject_id])


async def cancel(ctx: Ctx, operation_id: uuid.UUID) -> None:
    """Make a live operation unwind, if it has not passed its point of no return."""
    await ctx.execute(CANCEL, {"id_": operation_id, "cancel": True, "wake_at": 0.0})
    ctx.after_commit(ctx.world.doorbell.ring)


async def resume(ctx: Ctx, row: Any) -> None:
    """Let a parked operation try again from the step at which it gave up, the way it was going."""
    way = "undoing" if (row.progress or {}).get("parked") == "undoing" else "running"
    await ctx.execute(CHANGE, {"id_": row.id, "state": way, "progress": None, **AT_ONCE})
    await note(ctx, row.id, row.step, "resumed")
    ctx.after_commit(ctx.world.doorbell.ring)


async def wake_subject(ctx: Ctx, subject_id: uuid.UUID) -> None:
    """Something happened to this subject: whoever waits for it looks again at once."""
    claims = sa.select(subjects.c.operation_id).where(subjects.c.subject_id == subject_id)
    mine = sa.or_(operations.c.id.in_(claims), operations.c.subject_id == subject_id)
    await ctx.execute(operations.update().where(mine, operations.c.state.in_(LIVE)).values(wake_at=0.0))
    ctx.after_commit(ctx.world.doorbell.ring)


async def wake_held(ctx: Ctx) -> None:
    """Whatever waits for nothing but a ring looks again at once."""
    await ctx.execute(operations.update().where(is_due, operations.c.wake_at == HELD).values(wake_at=0.0))
    ctx.after_commit(ctx.world.doorbell.ring)


async def end(
    ctx: Ctx,
    operation_id: uuid.UUID,
    state: str,
    *,
    kind: str = "exclusive",
    parent_id: uuid.UUID | None,
    successor: dict[str, Any] | None,
    **values: Any,
) -> None:
    """In the last commit of an operation: give its subjects free, wake its parent, turn into its successor, and begin what
    follows. `values`: more columns of its row. One that converges claims nothing, and nobody waits for its end.
    """
    empty = dict.fromkeys(("holder", "secrets", "progress", "cause"))
    stop = {"state": state, "ended_at": ctx.now(), **empty, **values}
    await ctx.execute(CHANGE, {"id_": operation_id, **stop})
    if kind == "converge":
        return
    followers = dict((await ctx.execute(RELEASE, {"id_": operation_id})).tuples().all())
    await wake_parent(ctx, parent_id)
    if successor is not None:
        await begin_kept(ctx, successor, follower=followers.pop(uuid.UUID(successor["subject_id"]), None))
    for follower in followers.values():
        if follower is not None:
            await begin_kept(ctx, follower, follower=None)


async def begin_kept(ctx: Ctx, kept: dict[str, Any], *, follower: dict[str, Any] | None) -> None:
    """An operation whose time has come, on a subject that was just given free; and what follows that in turn."""
    row = kept | {name: uuid.UUID(kept[name]) for name in ("id", "subject_id")} | {"created_at": ctx.now()}
    await ctx.execute(ADD, row)
    claim = {"subject_id": row["subject_id"], "operation_id": row["id"]}
    await ctx.execute(CLAIM, claim if follower is None else claim | {"follower": follower})
    ctx.after_commit(ctx.world.doorbell.ring)


async def wake_parent(ctx: Ctx, parent_id: uuid.UUID | None) -> None:
    """Whoever waits for this operation looks again at once."""
    if parent_id is not None:
        await ctx.execute(CHANGE, {"id_": parent_id, "wake_at": 0.0})
        ctx.after_commit(ctx.world.doorbell.ring)


def insert_for(ctx: Ctx, table: sa.Table) -> Any:
    """An INSERT that knows ON CONFLICT, in the dialect of this cloud's database."""
    return (sqlite if ctx.world.db.dialect == "sqlite" else postgresql).insert(table)


@cache
def raise_wanted(table: sa.Table) -> sa.Update:
    return table.update().where(among(table.c.id, "ids_")).values(wanted_generation=table.c.wanted_generation + 1)


async def want(ctx: Ctx, saga: Converge, subject_ids: Sequence[uuid.UUID], *, made: bool = False) -> None:
    """See `Converge.want_each` and `begin_each`. The rows first, then the operations: the order in which the worker locks them too."""
    if not subject_ids:
        return
    ids: list[uuid.UUID] = sorted(subject_ids)
    if not made:
        await ctx.execute(raise_wanted(saga.table), {"ids_": ids})
    new = [new_row(ctx, saga, subject_id, ctx.world.ids.uuid(), {}) for subject_id in ids]
    add = new if len(new) > 1 else new[0]  # a statement for many is written anew each time
    begun = set((await ctx.execute(ADD_IF_NEW, add)).scalars())
    if len(begun) < len(ids):
        others = [subject_id for subject_id in ids if subject_id not in begun]
        same = sa.and_(operations.c.saga == saga.key, operations.c.subject_id.in_(others), is_converging)
        await ctx.execute(operations.update().where(same).values(state="running", **AT_ONCE))
    ctx.after_commit(ctx.world.doorbell.ring)


@cache
def wanted(table: sa.Table) -> sa.Select[tuple[int]]:
    """Asks for the generation that the row `id_` of a converge operation wants now; no row when that is gone."""
    return sa.select(table.c.wanted_generation).where(table.c.id == sa.bindparam("id_"))


@cache
def wanted_held(table: sa.Table) -> sa.Select[tuple[int]]:
    """The same, and nobody wants more until the transaction ends."""
    return wanted(table).with_for_update()


@cache
def caught_up(table: sa.Table) -> Any:
    """Notes that `done_generation` was brought about in the row `id_`; tells which one it wants."""
    return table.update().where(table.c.id == sa.bindparam("id_")).returning(table.c.wanted_generation)


async def unpaid(ctx: Ctx, subject_id: uuid.UUID) -> bool:
    """Whether a debt still names this subject: its address, disk or device stays reserved."""
    query = sa.select(debts.c.id).where(debts.c.subject_id == subject_id, debts.c.paid_at.is_(None)).limit(1)
    return (await ctx.execute(query)).first() is not None
