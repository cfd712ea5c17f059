"""The tables behind pools. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.operations.start import insert_for

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


async def all_(ctx: Ctx) -> dict[str, Row]:
    """By host."""
    columns = [pools.c[name] for name in Row.__struct_fields__]
    found = await ctx.execute(sa.select(*columns).order_by(pools.c.host))
    return {row.host: Row(**row._mapping) for row in found}


async def put(ctx: Ctx, host: str, **columns: Any) -> None:
    """Write these columns of a host's row, which is made if there is none."""
    new = insert_for(ctx, pools).values(**{**WRITTEN, "host": host, **columns})
    await ctx.execute(new.on_conflict_do_update(index_elements=["host"], set_=columns))


async def keep_only(ctx: Ctx, hosts: Collection[str]) -> None:
    """Forget the hosts that are not there any more."""
    await ctx.execute(pools.delete().where(pools.c.host.not_in(list(hosts))))
