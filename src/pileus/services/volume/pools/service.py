"""Pools: what the rest of Block Storage may ask for.

How much a host has is observed when something is to be placed and nobody has looked for a while; what is promised there is
counted from the rows of volumes and snapshots, under the lock of the host that was chosen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pileus.engines.blocks import Seen
from pileus.kernel import hosts
from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import CloudError, Conflict, NotFound, Unavailable
from pileus.kernel.hosts import Host
from pileus.services.volume.pools import capabilities as known
from pileus.services.volume.pools import rules, store
from pileus.services.volume.pools.capabilities import suits
from pileus.services.volume.pools.rules import Pool, Wish
from pileus.services.volume.pools.store import Promised, Row

__all__ = [
    "OVERCOMMIT",
    "Pool",
    "Row",
    "capabilities",
    "choose",
    "everything",
    "held",
    "look",
    "pools",
    "promised_by",
    "put",
    "rows",
]

OVERCOMMIT = 10.0
"""How many GiB may be promised for each that a host has: volumes take no room until they are written."""

NO_SPECS: Mapping[str, str] = {}
FRESH_S = 60.0
AT_ONCE = 16

_promises: dict[str, Promised] = {}

rows = store.all_


def promised_by(kind: str, call: Promised) -> None:
    """Count this SELECT of (host, GiB) among what hosts have promised. For the nouns above."""
    _promises[kind] = call


async def look(ctx: Ctx) -> None:
    """Outside a transaction: see how much room the hosts have of which that is not known, or not any more."""
    now = ctx.now()
    stale = await store.stale(ctx, FRESH_S)
    if not stale:
        return
    gate = asyncio.Semaphore(AT_ONCE)
    observed = await asyncio.gather(*(_observed(ctx, name, gate) for name in stale))
    async with ctx.transaction() as ctx:
        for name, facts in zip(stale, observed, strict=True):
            if facts is not None:
                await store.put(ctx, name, total_gib=facts[0], free_gib=facts[1], seen_at=now)


async def _observed(ctx: Ctx, host: str, gate: asyncio.Semaphore) -> tuple[float, float] | None:
    """What it has and what of that is free; nothing, if it holds no volumes; None when it does not answer."""
    async with gate:
        try:
            seen: Seen = await ctx.engine("blocks", host).observe()
        except Unavailable:
            return None
        except CloudError:
            return 0.0, 0.0
    return seen.total_gib, seen.free_gib


async def pools(ctx: Ctx) -> list[Pool]:
    """The hosts that hold volumes and may get new ones."""
    return [pool for pool, usable in await store.holding(ctx, _promises.values()) if usable]


async def everything(ctx: Ctx) -> list[Pool]:
    """The hosts that hold volumes."""
    return [pool for pool, _ in await store.holding(ctx, _promises.values())]


async def held(ctx: Ctx, host: str) -> dict[str, tuple[int, int]]:
    """How many of each kind are on a host, and how many GiB they are."""
    found = {}
    for kind, call in _promises.items():
        each = call().subquery()
        query = sa.select(sa.func.count(), sa.func.sum(each.c[1])).where(each.c[0] == host)
        many, gib = (await ctx.execute(query)).one()
        found[kind] = (int(many), int(gib or 0))
    return found


async def choose(ctx: Ctx, size_gib: int, *, specs: Mapping[str, str] = NO_SPECS, only: str | None = None) -> str:
    """In a transaction: the host on which a volume of that size goes; the caller writes it into the volume's row.

    `specs`: the extra specs of its type.

    Raises Conflict that says what is missing; Unavailable when others took the room just now.
    """
    wish = Wish(size_gib, only, lambda pool: suits(capabilities(pool), specs))
    choice = rules.choose(await pools(ctx), wish, overcommit=OVERCOMMIT)
    if choice.host is None:
        raise Conflict(choice.summary(), hosts="; ".join(f"{host} ({why})" for host, why in choice.refusals.items()))
    await ctx.lock("volume_pool", choice.host)
    again = [pool for pool, usable in await store.holding(ctx, _promises.values(), choice.host) if usable]
    if rules.choose(again, wish, overcommit=OVERCOMMIT).host is None:
        raise Unavailable("The room on a host was taken just now; another is looked for.", host=choice.host)
    return choice.host


def capabilities(pool: Pool) -> dict[str, Any]:
    """What a pool can do and has, by the names that types use."""
    return known.capabilities(pool, OVERCOMMIT)


async def host_of(ctx: Ctx, name: str) -> Host:
    """A host that may hold volumes, by its own name or as `name@backend#pool`. Raises NotFound."""
    try:
        return await hosts.get(ctx, name.partition("@")[0])
    except NotFound:
        raise NotFound(f"Host {name} could not be found.") from None


async def put(ctx: Ctx, host: str, **columns: Any) -> None:
    """Write what an administrator says of a host: disabled, reason, frozen."""
    async with ctx.transaction() as ctx:
        await store.put(ctx, host, **columns, changed_at=ctx.now())
        await changed(ctx, "volume.service", "updated", host, project_id=None)
