"""The names of traits, and who has which. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata
from pileus.kernel.facts import facts
from pileus.services.placement.names import Vocabulary

STANDARD = [
    f"{space}_{word}" for space, words in facts("placement", "traits")["standard"].items() for word in words.split()
]
names = Vocabulary("trait", STANDARD)

provider_traits = sa.Table(
    "placement_provider_trait",
    metadata,
    sa.Column("provider_id", Text, sa.ForeignKey("placement_provider.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("trait", Text, primary_key=True, index=True),
)

ROWS = sa.select(provider_traits.c.provider_id, provider_traits.c.trait).order_by(
    provider_traits.c.provider_id, provider_traits.c.trait
)
ROWS_OF = ROWS.where(among(provider_traits.c.provider_id, "ids_"))
IN_USE = sa.select(provider_traits.c.trait).distinct()


async def rows(ctx: Ctx, provider_ids: Collection[str] | None) -> Sequence[sa.Row[Any]]:
    """(provider, trait), in order; of everybody, if None."""
    if provider_ids is None:
        return (await ctx.execute(ROWS)).all()
    return (await ctx.execute(ROWS_OF, {"ids_": provider_ids})).all()


async def in_use(ctx: Ctx) -> set[str]:
    return {row[0] for row in await ctx.execute(IN_USE)}


async def is_used(ctx: Ctx, trait: str) -> bool:
    return (await ctx.execute(ROWS.where(provider_traits.c.trait == trait).limit(1))).first() is not None


async def add(ctx: Ctx, provider_id: str, traits: Collection[str]) -> None:
    await ctx.execute(provider_traits.insert(), [{"provider_id": provider_id, "trait": each} for each in traits])


async def remove(ctx: Ctx, provider_id: str, traits: Collection[str]) -> None:
    await ctx.execute(
        provider_traits.delete().where(
            provider_traits.c.provider_id == provider_id, provider_traits.c.trait.in_(list(traits))
        )
    )
