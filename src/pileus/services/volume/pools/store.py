"""The tables behind pools. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.hosts import USABLE
from pileus.kernel.operations.start import insert_for
from pileus.services.volume.pools.rules import Pool

pools = sa.Table(
    "volume_pool",
    metadata,
    sa.Column("host", Text, primary_key=True),
    sa.Column("total_gib", sa.Double, nullable=False),  # 0: it holds no volumes
    sa.Column("free_gib", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),  # seconds since the epoch
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("reason", Text),  # why it was disabled
    sa.Column("frozen", sa.Boolean, nullable=False),
    sa.Column("changed_at", sa.Double),
)
WRITTEN = {"total_gib": 0.0, "free_gib": 0.0, "seen_at": 0.0, "disabled": False, "reason": None, "frozen": False}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a host, and what an administrator said of it."""

    host: str
    total_gib: float = 0.0
    free_gib: float = 0.0
    seen_at: float = 0.0
    disabled: bool = False
    reason: str | None = None
    frozen: bool = False
    changed_at: float | None = None


ALL = sa.select(*(pools.c[name] for name in Row.__struct_fields__)).order_by(pools.c.host)
_usable = USABLE.subquery()
_fresh = sa.exists().where(
    pools.c.host == _usable.c.name,
    pools.c.seen_at > sa.bindparam("since_", type_=sa.Double()),
    pools.c.seen_at <= sa.bindparam("now_", type_=sa.Double()),
)
STALE = sa.select(_usable.c.name).where(~_fresh)

Promised = Callable[[], sa.Select[Any]]
"""Makes a SELECT of (host, GiB)."""


async def all_(ctx: Ctx) -> dict[str, Row]:
    """By host."""
    return {row.host: Row(**row._mapping) for row in await ctx.execute(ALL)}


async def stale(ctx: Ctx, fresh_s: float) -> list[str]:
    """The hosts that may get something new of which nobody has seen for so long how much room they have."""
    now = ctx.now()
    return list((await ctx.execute(STALE, {"since_": now - fresh_s, "now_": now})).scalars())


async def holding(ctx: Ctx, promises: Iterable[Promised], host: str | None = None) -> list[tuple[Pool, bool]]:
    """The hosts that hold volumes, or that one; each with whether it may get something new."""
    query = _one_holding if host else _holding
    found = await ctx.execute(query(tuple(promises)), {"host_": host} if host else None)
    return [(Pool(row[0], row[1], row[2], int(row[3] or 0), row[4] or row[5]), bool(row[6])) for row in found]


@cache
def _holding(promises: tuple[Promised, ...]) -> sa.Select[Any]:
    promised = [
        sa.select(sa.func.coalesce(sa.func.sum(each.c[1]), 0)).where(each.c[0] == pools.c.host).scalar_subquery()
        for each in (call().subquery() for call in promises)
    ]
    return (
        sa.select(
            pools.c.host,
            pools.c.total_gib,
            pools.c.free_gib,
            sum(promised, start=sa.literal(0)),
            pools.c.disabled,
            pools.c.frozen,
            pools.c.host.in_(USABLE.order_by(None)),
        )
        .where(pools.c.total_gib > 0)
        .order_by(pools.c.host)
    )


@cache
def _one_holding(promises: tuple[Promised, ...]) -> sa.Select[Any]:
    return _holding(promises).where(pools.c.host == sa.bindparam("host_"))


async def put(ctx: Ctx, host: str, **columns: Any) -> None:
    """Write these columns of a host's row, which is made if there is none."""
    new = insert_for(ctx, pools).values(**{**WRITTEN, "host": host, **columns})
    await ctx.execute(new.on_conflict_do_update(index_elements=["host"], set_=columns))


async def keep_only(ctx: Ctx, hosts: Collection[str]) -> None:
    """Forget the hosts that are not there any more."""
    await ctx.execute(pools.delete().where(pools.c.host.not_in(list(hosts))))
