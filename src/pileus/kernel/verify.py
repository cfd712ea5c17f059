"""The invariants of a cloud: what the engines have is what the rows say, and nothing is stuck.

A service declares a check beside what it is about, and yields what differs:

    @verify.check("volume.volumes")
    async def volumes_are_where_the_rows_say(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
        for host in await hosts_with_blocks(ctx):
            seen = await looking.at("blocks", host)   # None when the host cannot be asked; that is told
            ...

A cloud moves while it is looked at. So a difference counts only when it is found twice, and when no operation was at work
meanwhile on its subject, or on what stands beside it, that may be about to mend it. Many rows are read by `paging.every_page`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound, Unavailable
from pileus.kernel.hosts import list_all
from pileus.kernel.operations import Converge, sagas
from pileus.kernel.operations.tables import LIVE, debts, operations, subjects
from pileus.kernel.paging import every_page, one_by_one

SUBJECTS_ASKED = 500


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it should be. Operations on `subject_id`, and on those `beside`, could be about to mend it."""

    subject: str  # what it is: a server, a volume, an operation
    subject_id: str
    cause: str  # what the row says, what the engine says, and the way out
    host: str | None = None
    beside: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `unseen`: the engines that could not be asked, and why; what they hold is not known."""

    checks: list[str]
    differences: list[Difference]
    unseen: dict[str, str]

    @property
    def clean(self) -> bool:
        return not (self.differences or self.unseen)


class Looking:
    """The engines as one round of checks sees them: each is asked once. A host that is stated dead has none."""

    def __init__(self, ctx: Ctx) -> None:
        self._ctx = ctx
        self._seen: dict[tuple[str, str], Any] = {}
        self._hosts: list[str] | None = None
        self.unseen: dict[str, str] = {}

    async def hosts(self) -> list[str]:
        """Those that can hold anything, by name."""
        if self._hosts is None:
            self._hosts = [host.name for host in await list_all(self._ctx) if not host.fenced]
        return self._hosts

    async def everywhere(self, kind: str) -> dict[str, Any]:
        """What the engines of that kind observe, by host, as far as they can be asked."""
        found = {host: await self.at(kind, host) for host in await self.hosts()}
        return {host: seen for host, seen in found.items() if seen is not None}

    async def at(self, kind: str, host: str) -> Any:
        """What that engine observes; None when it cannot be asked, or when the host has no such engine."""
        key = (kind, host)
        if key not in self._seen:
            try:
                self._seen[key] = await self._ctx.engine(kind, host).observe()
            except NotFound:
                self._seen[key] = None
            except Unavailable as e:  # a host that is down is one
                self._seen[key] = None
                self.unseen[f"{kind} on {host}"] = e.message
        return self._seen[key]


Check = Callable[[Ctx, Looking], AsyncIterator[Difference]]
checks: dict[str, Check] = {}
"""Every check of this cloud, by name."""


def check(name: str) -> Callable[[Check], Check]:
    """Declare a check."""

    def declare(run: Check) -> Check:
        if name in checks:
            raise ValueError(f"two checks are called {name}")
        checks[name] = run
        return run

    return declare


def compared(
    subject: str,
    wanted: Mapping[UUID, Any],
    seen: Mapping[UUID, Any],
    *,
    host: str | None = None,
    spared: Collection[UUID] = (),
    way_out: str = "",
) -> Iterator[Difference]:
    """What the rows want against what an engine has, both by id. `spared`: ids that may be there or not."""
    for id_ in wanted.keys() | seen.keys():
        if id_ in spared:
            continue
        if id_ not in seen:
            cause = "The rows say that it is there, and it is not."
        elif id_ not in wanted:
            cause = "It is there, and no row says that it should be."
        elif wanted[id_] != seen[id_]:
            cause = f"The rows say {wanted[id_]}, and it is {seen[id_]}."
        else:
            continue
        yield Difference(subject=subject, subject_id=str(id_), cause=f"{cause} {way_out}".rstrip(), host=host)


def beside(difference: Difference, *ids: UUID | str | None) -> Difference:
    """The same: operations on these could be about to mend it, too."""
    return msgspec.structs.replace(difference, beside=tuple(str(id_) for id_ in ids if id_ is not None))


async def verify(ctx: Ctx, names: Iterable[str] = ()) -> Report:
    """Run the checks of these names, or all. Raises NotFound for a name that is none."""
    chosen = sorted(set(names)) or sorted(checks)
    for name in chosen:
        if name not in checks:
            raise NotFound(f"There is no check {name!r}; there are {', '.join(sorted(checks))}.")
    looking, began = Looking(ctx), ctx.now()
    found = await _round(ctx, chosen, looking)
    if found:
        looking = Looking(ctx)
        found &= await _round(ctx, chosen, looking)
    moving = await busy(ctx, {id_ for difference in found for id_ in concerned(difference)}, since=began)
    stuck = [difference for difference in found if not moving.intersection(concerned(difference))]
    stuck.sort(key=lambda d: (d.subject, d.subject_id, d.host or "", d.cause))
    return Report(checks=chosen, differences=stuck, unseen=looking.unseen)


async def _round(ctx: Ctx, names: Iterable[str], looking: Looking) -> set[Difference]:
    return {difference for name in names async for difference in checks[name](ctx, looking)}


def concerned(difference: Difference) -> tuple[str, ...]:
    return (difference.subject_id, *difference.beside)


async def busy(ctx: Ctx, ids: Collection[str], *, since: float) -> set[str]:
    """Those of the ids on which an operation is at work, or has been after that stamp."""
    wanted = [UUID(id_) for id_ in ids if is_uuid(id_)]
    found: set[str] = set()
    for at in range(0, len(wanted), SUBJECTS_ASKED):
        some = wanted[at : at + SUBJECTS_ASKED]
        claimed = sa.select(subjects.c.subject_id).where(subjects.c.subject_id.in_(some))
        then = sa.or_(operations.c.state.in_(LIVE), operations.c.ended_at > since)
        live = sa.select(operations.c.subject_id).where(operations.c.subject_id.in_(some), then)
        found |= {str(row[0]) for row in await ctx.execute(sa.union(claimed, live))}
    return found


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


@check("kernel.operations")
async def nothing_is_parked(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """An operation that can go neither forward nor back waits for somebody."""
    parked = sa.select(operations.c.id, operations.c.saga, operations.c.cause).where(operations.c.state == "parked")
    for row in await ctx.execute(parked):
        cause = f"{row.saga} is parked: {row.cause}. Mend the cause and `pileus op retry {row.id}`."
        yield Difference(subject="operation", subject_id=str(row.id), cause=cause)


@check("kernel.claims")
async def nothing_is_claimed_for_ever(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """A subject whose operation has ended is free."""
    ended = sa.and_(subjects.c.operation_id == operations.c.id, operations.c.ended_at.is_not(None))
    for row in await ctx.execute(sa.select(subjects.c.subject_id, operations.c.id).where(ended)):
        yield Difference(subject="claim", subject_id=str(row.id), cause=f"It ended and still holds {row.subject_id}.")


@check("kernel.generations")
async def what_was_wanted_was_brought_about(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """A row that wants something has an operation that brings it about."""
    for saga in [each for each in sagas.values() if isinstance(each, Converge)]:
        columns = [saga.table.c[name] for name in ("id", "wanted_generation", "done_generation")]
        behind = sa.select(*columns).where(columns[1] != columns[2])
        async for id_, wanted, done in one_by_one(every_page(ctx, behind, columns[0])):
            cause = f"The row wants generation {wanted}, {done} is done, and no {saga.name} is at work."
            way_out = "Change it by its API: each change begins a new operation."
            yield Difference(subject=saga.name, subject_id=str(id_), cause=f"{cause} {way_out}")


@check("kernel.debts")
async def hosts_that_are_up_owe_nothing(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """Whoever returns pays its debts before it is used."""
    unpaid = sa.select(debts.c.subject_id, debts.c.host, debts.c.engine, debts.c.verb).where(debts.c.paid_at.is_(None))
    for row in await ctx.execute(unpaid):
        if await looking.at(row.engine, row.host) is not None:
            cause = f"{row.host} is up and still owes {row.engine}.{row.verb}."
            yield Difference(subject="debt", subject_id=str(row.subject_id), cause=cause, host=row.host)
