"""Quota: one shape for every service. Lock, count, compare; what is used is counted from the rows that use it.

    def servers_of(owners: Owners) -> Used:
        return sa.select(sa.func.count()).where(servers.c.project_id.in_(owners))

    await claim(ctx, INSTANCES, project_id, wanted=1, used=servers_of)

in the transaction that then writes the rows. The lock is the project's (or whoever owns the limit; of a tree that shares
limits, its root's), not the resource's: a transaction that claims servers, volumes and ports one after the other takes it
once and can't take it out of order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import OverQuota
from pileus.kernel.facts import facts

UNLIMITED = -1
COUNTS = 64

Owners = Collection[str] | sa.Select[Any] | sa.BindParameter[Any]
"""Ids of owners, a SELECT of them, or a parameter for them: what stands in an IN."""

Used = sa.Select[Any]
"""A SELECT of one number: how much some owners use now, together. NULL (the sum of nothing) is 0."""


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that would be passed: what it is on, the limit, what is in use, and what was asked for beyond that."""

    resource: str
    limit: int
    used: int
    wanted: int


Fault = Callable[[Sequence[Excess]], OverQuota]
"""How a service says it, with its status and its words."""


def over_quota(excesses: Sequence[Excess]) -> OverQuota:
    """The plain words: 403, with limit, use and wish of each resource."""
    said = "; ".join(f"{e.resource}: limit {e.limit}, in use {e.used}, asked for {e.wanted}" for e in excesses)
    return OverQuota(f"Quota exceeded for {said}.", **noted(excesses))


def noted(excesses: Sequence[Excess]) -> dict[str, Any]:
    """The facts for the log."""
    return {e.resource: {"limit": e.limit, "used": e.used, "wanted": e.wanted} for e in excesses}


@dataclass(frozen=True, slots=True)
class QuotaKind:
    """A limited resource of a service (the name of its folder). Kinds claimed together share the first one's `fault`."""

    service: str
    resource: str
    fault: Fault = over_quota


@dataclass(frozen=True, slots=True)
class Claim:
    """A wish for `wanted` more. Not more than 0: nothing is asked, also of an owner who is over a lowered limit."""

    kind: QuotaKind
    wanted: int
    used: Callable[[Owners], Used]


@dataclass(frozen=True, slots=True)
class Bound:
    """So much these owners may use together; -1 for any amount."""

    limit: int
    owners: Owners


class LimitSource(Protocol):
    """Where limits come from: Identity's registered limits and their overrides, or the defaults."""

    async def root(self, ctx: Ctx, owner: str) -> str:
        """Whose lock all take who share a limit with this owner."""
        ...

    async def bounds(
        self, ctx: Ctx, service: str, resources: Collection[str], owner: str
    ) -> Mapping[str, Sequence[Bound]]:
        """What bounds this owner's use of each resource, its own limit first. Reads inside the open transaction."""
        ...


class DefaultLimits:
    """The limits of `quotas.toml` beside the service, for everybody."""

    async def root(self, ctx: Ctx, owner: str) -> str:
        return owner

    async def bounds(
        self, ctx: Ctx, service: str, resources: Collection[str], owner: str
    ) -> Mapping[str, Sequence[Bound]]:
        return {resource: [Bound(limit, [owner])] for resource, limit in default_limits(service, resources).items()}


def default_limits(service: str, resources: Collection[str]) -> dict[str, int]:
    """What `quotas.toml` beside the service says of these resources; of `volumes_fast`, if there is none: of one type's."""
    document = facts(service, "quotas")
    known: Mapping[str, int] = document["limits"]
    of_types: Mapping[str, int] = document.get("per_type", {})
    return {each: known[each] if each in known else of_types[each.partition("_")[0]] for each in resources}


class LimitHook:
    """The source of limits in use. Identity registers its own at import."""

    def __init__(self) -> None:
        self.source: LimitSource = DefaultLimits()

    def register(self, source: LimitSource) -> None:
        self.source = source


limit_hook = LimitHook()


async def limits(ctx: Ctx, service: str, resources: Collection[str], owner: str) -> dict[str, int]:
    """The limit of each resource for this owner, the tightest of its bounds; -1 for none."""
    async with ctx.read() as ctx:
        bounds = await limit_hook.source.bounds(ctx, service, resources, owner)
    return {
        resource: min((bound.limit for bound in found if bound.limit != UNLIMITED), default=UNLIMITED)
        for resource, found in bounds.items()
    }


async def claim(ctx: Ctx, kind: QuotaKind, owner: str, *, wanted: int, used: Callable[[Owners], Used]) -> None:
    """Make sure that `owner` (a project, for some resources a user) may use `wanted` more, until this transaction ends.

    Raises OverQuota as the service says it.
    """
    await claim_all(ctx, owner, [Claim(kind, wanted, used)])


async def _used(ctx: Ctx, asked: Sequence[tuple[Callable[[Owners], Used], Owners]]) -> sa.Row[Any]:
    """What is in use, each number by its owners."""
    if any(isinstance(owners, sa.Select) for _, owners in asked):
        return (await ctx.execute(sa.select(*(used(owners).scalar_subquery() for used, owners in asked)))).one()
    given = {f"owners_{n}": owners for n, (_, owners) in enumerate(asked)}
    return (await ctx.execute(_counting(tuple(used for used, _ in asked)), given)).one()


@lru_cache(COUNTS)
def _counting(counts: tuple[Callable[[Owners], Used], ...]) -> sa.Select[Any]:
    """Built once, for the owners that are given as `owners_0` and so on."""
    owners = [sa.bindparam(f"owners_{n}", type_=sa.Text, expanding=True) for n in range(len(counts))]
    return sa.select(*(used(whose).scalar_subquery() for used, whose in zip(counts, owners, strict=True)))


async def claim_all(ctx: Ctx, owner: str, claims: Sequence[Claim]) -> None:
    """Claim several resources of one service at once: all or an OverQuota that names each that does not fit."""
    asked = [claim for claim in claims if claim.wanted > 0]
    if not asked:
        return
    await ctx.lock("quota", await limit_hook.source.root(ctx, owner))
    (service,) = {claim.kind.service for claim in asked}
    bounds = await limit_hook.source.bounds(ctx, service, [claim.kind.resource for claim in asked], owner)
    limited = [(c, bound) for c in asked for bound in bounds[c.kind.resource] if bound.limit != UNLIMITED]
    if not limited:
        return
    row = await _used(ctx, [(c.used, bound.owners) for c, bound in limited])
    excesses: dict[str, Excess] = {}  # of each resource the first: the nearest limit
    for (c, bound), used in zip(limited, row, strict=True):
        if int(used or 0) + c.wanted > bound.limit:
            excess = Excess(c.kind.resource, bound.limit, int(used or 0), c.wanted)
            excesses.setdefault(excess.resource, excess)
    if excesses:
        raise asked[0].kind.fault(list(excesses.values()))
