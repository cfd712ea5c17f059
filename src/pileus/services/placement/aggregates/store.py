"""Who is in which aggregate. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata

members = sa.Table(
    "placement_provider_aggregate",
    metadata,
    sa.Column("provider_id", Text, sa.ForeignKey("placement_provider.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("aggregate_id", Text, primary_key=True),  # a UUID that means something to others
)

ROWS = sa.select(members.c.provider_id, members.c.aggregate_id).order_by(members.c.provider_id, members.c.aggregate_id)

ROWS_OF = ROWS.where(among(members.c.provider_id, "ids_"))


async def rows(ctx: Ctx, provider_ids: Collection[str] | None) -> Sequence[sa.Row[Any]]:
    """(provider, aggregate), in order; of everybody, if None."""
    if provider_ids is None:
        return (await ctx.execute(ROWS)).all()
    return (await ctx.execute(ROWS_OF, {"ids_": provider_ids})).all()


async def replace(ctx: Ctx, provider_id: str, aggregate_ids: Collection[str]) -> None:
    await ctx.execute(members.delete().where(members.c.provider_id == provider_id))
    if aggregate_ids:
        rows = [{"provider_id": provider_id, "aggregate_id": each} for each in sorted(aggregate_ids)]
        await ctx.execute(members.insert(), rows)
