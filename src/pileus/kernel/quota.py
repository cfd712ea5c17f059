"""Quota: one shape for every service. Lock, count, compare; what is used is counted from the rows that use it.

    await claim(ctx, INSTANCES, project_id, wanted=1, used=sa.select(sa.func.count()).where(...))

in the transaction that then writes the rows. The lock is the project's (or whoever owns the limit), not the resource's: a
transaction that claims servers, volumes and ports one after the other takes it once and can't take it out of order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import OverQuota
from pileus.kernel.facts import facts

UNLIMITED = -1

Used = sa.Select[Any]
"""A SELECT of one number: how much the owner uses now. NULL (the sum of nothing) is 0."""


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
    used: Used


class LimitSource(Protocol):
    """Where limits come from: Identity's registered limits and their overrides, or the defaults."""

    async def limits(self, ctx: Ctx, service: str, resources: Collection[str], owner: str) -> Mapping[str, int]:
        """The limit of each resource for this owner, in one go; -1 for none. Reads inside the open transaction."""
        ...


class DefaultLimits:
    """The limits of `quotas.toml` beside the service, for everybody."""

    async def limits(self, ctx: Ctx, service: str, resources: Collection[str], owner: str) -> Mapping[str, int]:
        known: Mapping[str, int] = facts(service, "quotas")["limits"]
        return {resource: known[resource] for resource in resources}


class LimitHook:
    """The source of limits in use. Identity registers its own at import."""

    def __init__(self) -> None:
        self.source: LimitSource = DefaultLimits()

    def register(self, source: LimitSource) -> None:
        self.source = source


limit_hook = LimitHook()


async def claim(ctx: Ctx, kind: QuotaKind, owner: str, *, wanted: int, used: Used) -> None:
    """Make sure that `owner` (a project, for some resources a user) may use `wanted` more, until this transaction ends.

    Raises OverQuota as the service says it.
    """
    await claim_all(ctx, owner, [Claim(kind, wanted, used)])


async def claim_all(ctx: Ctx, owner: str, claims: Sequence[Claim]) -> None:
    """Claim several resources of one service at once: all or an OverQuota that names each that does not fit."""
    asked = [claim for claim in claims if claim.wanted > 0]
    if not asked:
        return
    await ctx.lock("quota", owner)
    limits = await _limits(ctx, owner, asked)
    limited = [claim for claim in asked if limits[claim.kind.resource] != UNLIMITED]
    if not limited:
        return
    row = (await ctx.execute(sa.select(*(claim.used.scalar_subquery() for claim in limited)))).one()
    excesses = [
        Excess(claim.kind.resource, limits[claim.kind.resource], int(used or 0), claim.wanted)
        for claim, used in zip(limited, row, strict=True)
    ]
    excesses = [excess for excess in excesses if excess.used + excess.wanted > excess.limit]
    if excesses:
        raise asked[0].kind.fault(excesses)


async def _limits(ctx: Ctx, owner: str, claims: Sequence[Claim]) -> Mapping[str, int]:
    (service,) = {claim.kind.service for claim in claims}
    return await limit_hook.source.limits(ctx, service, [claim.kind.resource for claim in claims], owner)
