"""What changed, for who may see it: rows written in the transaction of the change, read in an order that loses nothing.

A number drawn in a transaction says nothing of when that commits: on PostgreSQL a reader that had seen event 7 would never
see event 6 of a slower transaction. So events are ordered by (transaction, number), and a reader is shown only those of
transactions older than every one that still runs: behind its place nothing can appear. The price: while a transaction is
open, the events of later ones wait for it. SQLite has one writer; there the transaction is 0 and the number decides.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Caller, Ctx, World
from pileus.kernel.db import JSON, Text, metadata

RULE = "pileus:events:list"
Verb = Literal["created", "updated", "deleted"]

events = sa.Table(
    "event",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("xid", sa.BigInteger, nullable=False),  # of the transaction; 0 on SQLite
    sa.Column("at", sa.Double, nullable=False, index=True),  # seconds since the epoch
    sa.Column("project_id", Text),  # None: for administrators only
    sa.Column("kind", Text, nullable=False),  # compute.server
    sa.Column("verb", Text, nullable=False),
    sa.Column("subject_id", Text, nullable=False),
    sa.Column("facts", JSON, nullable=False),
    sa.Index("event_place_ix", "xid", "seq"),
    sa.Index("event_project_id_place_ix", "project_id", "xid", "seq"),
    sqlite_autoincrement=True,  # a number is not used again after a purge
)

_PLACE = re.compile(r"(\d{1,18})\.(\d{1,18})")
_THIS_TRANSACTION = sa.cast(sa.cast(sa.func.pg_current_xact_id(), sa.Text), sa.BigInteger)
_OLDEST_RUNNING = sa.cast(sa.cast(sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot()), sa.Text), sa.BigInteger)


class Place(NamedTuple):
    """A place in the stream; also the id of the event that stands there."""

    xid: int
    seq: int

    def __str__(self) -> str:
        return f"{self.xid}.{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """The place that was written so; None for anything else."""
        found = _PLACE.fullmatch(text)
        return cls(int(found[1]), int(found[2])) if found else None


_ADD = {"sqlite": events.insert().values(xid=0), "postgresql": events.insert().values(xid=_THIS_TRANSACTION)}
BEGINNING = Place(0, 0)


class Event(msgspec.Struct, frozen=True):
    """Something was created, updated or deleted."""

    place: Place
    at: float
    project_id: str | None
    kind: str
    verb: str
    id: str
    facts: dict[str, Any]


class Bell:
    """Wakes everybody of this process who waits for events. A lost ring costs a poll interval."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def ring(self) -> None:
        self._next.set()
        self._next = asyncio.Event()

    def next(self) -> asyncio.Event:
        """What the next ring sets. Taken before one looks, so that what comes meanwhile is not slept through."""
        return self._next


def bell(world: World) -> Bell:
    """The bell of this process."""
    found = world.memory.setdefault(Bell, Bell())
    assert isinstance(found, Bell)
    return found


async def emit(
    ctx: Ctx,
    kind: str,
    verb: Verb,
    subject_id: object,
    *,
    project_id: str | None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Say in the open transaction what it changes. `facts`: few and small, never a secret."""
    await emit_each(ctx, kind, verb, {subject_id: project_id}, facts=facts)


async def emit_each(
    ctx: Ctx,
    kind: str,
    verb: Verb,
    subjects: Mapping[Any, str | None],
    *,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """The same of many subjects, each with its project, by one statement."""
    if not subjects:
        return
    said = {"at": ctx.now(), "kind": kind, "verb": verb, "facts": dict(facts or {})}
    rows = [{**said, "subject_id": str(id_), "project_id": project_id} for id_, project_id in subjects.items()]
    await ctx.execute(_ADD[ctx.world.db.dialect], rows)
    ctx.after_commit(bell(ctx.world).ring)


async def since(ctx: Ctx, caller: Caller, place: Place, limit: int = 100) -> list[Event]:
    """At most `limit` events behind `place` that the caller may see, in the order that never changes."""
    after = sa.tuple_(events.c.xid, events.c.seq) > sa.tuple_(sa.literal(place.xid), sa.literal(place.seq))
    found = sa.select(events).where(after, *_settled(ctx), *_seen_by(ctx, caller))
    rows = await ctx.execute(found.order_by(events.c.xid, events.c.seq).limit(limit))
    return [
        Event(Place(row.xid, row.seq), row.at, row.project_id, row.kind, row.verb, row.subject_id, row.facts)
        for row in rows
    ]


async def head(ctx: Ctx) -> Place:
    """The place behind everything that has settled: for who wants to hear of what comes."""
    last = sa.select(events.c.xid, events.c.seq).where(*_settled(ctx))
    row = (await ctx.execute(last.order_by(events.c.xid.desc(), events.c.seq.desc()).limit(1))).one_or_none()
    return Place(*row) if row else BEGINNING


async def still_knows(ctx: Ctx, caller: Caller, place: Place) -> bool:
    """Whether a reader can go on from `place`: it is the beginning, or the event there is still kept."""
    if place == BEGINNING:
        return True
    there = sa.select(events.c.seq).where(events.c.xid == place.xid, events.c.seq == place.seq)
    return (await ctx.execute(there.where(*_settled(ctx), *_seen_by(ctx, caller)))).one_or_none() is not None


async def purge(ctx: Ctx, before: float, batch: int = 1000) -> int:
    """Delete at most `batch` events older than `before` (seconds since the epoch). Returns how many."""
    oldest = sa.select(events.c.seq).where(events.c.at < before).order_by(events.c.at, events.c.seq).limit(batch)
    async with ctx.transaction() as tx:
        return (await tx.execute(events.delete().where(events.c.seq.in_(oldest)))).rowcount


async def adopt(ctx: Ctx) -> int:
    """After a dump was restored into another PostgreSQL, whose transactions count anew: put its events first.

    Returns how many; 0 wherever nothing was restored. Readers who held a place among them begin anew.
    """
    if ctx.world.db.dialect == "sqlite":
        return 0
    async with ctx.transaction() as tx:
        foreign = events.c.xid > _THIS_TRANSACTION
        return (await tx.execute(events.update().where(foreign).values(xid=0))).rowcount


def _settled(ctx: Ctx) -> list[sa.ColumnElement[bool]]:
    """Of transactions before which none is still running."""
    return [] if ctx.world.db.dialect == "sqlite" else [events.c.xid < _OLDEST_RUNNING]


def _seen_by(ctx: Ctx, caller: Caller) -> list[sa.ColumnElement[bool]]:
    """Everything, for whom the rule lets see what belongs to nobody; else the caller's own project, or nothing."""
    allows = ctx.world.policy.allows
    if allows(RULE, caller, {"project_id": None}):
        return []
    if allows(RULE, caller, {"project_id": caller.project_id}):
        return [events.c.project_id == caller.project_id]
    return [sa.false()]
