"""The table behind inventories. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata
from pileus.services.placement.inventories.rules import Inventory

inventories = sa.Table(
    "placement_inventory",
    metadata,
    sa.Column("provider_id", Text, sa.ForeignKey("placement_provider.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("resource_class", Text, primary_key=True, index=True),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("reserved", sa.Integer, nullable=False),
    sa.Column("min_unit", sa.Integer, nullable=False),
    sa.Column("max_unit", sa.Integer, nullable=False),
    sa.Column("step_size", sa.Integer, nullable=False),
    sa.Column("allocation_ratio", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),  # seconds since the epoch
)

FIELDS = Inventory.__struct_fields__
ROWS = sa.select(
    inventories.c.provider_id,
    inventories.c.resource_class,
    inventories.c.updated_at,
    *(inventories.c[name] for name in FIELDS),
).order_by(inventories.c.provider_id, inventories.c.resource_class)


class Held(msgspec.Struct, frozen=True):
    """What a provider has of a class, and since when."""

    inventory: Inventory
    updated_at: float


ROWS_OF = ROWS.where(among(inventories.c.provider_id, "ids_"))


async def rows(ctx: Ctx, provider_ids: Collection[str] | None) -> Sequence[sa.Row[Any]]:
    """(provider, class, changed at, and the fields of an Inventory), in order; of everybody, if None."""
    if provider_ids is None:
        return (await ctx.execute(ROWS)).all()
    return (await ctx.execute(ROWS_OF, {"ids_": provider_ids})).all()


def inventory(row: sa.Row[Any]) -> Inventory:
    """What a row says."""
    return Inventory(*row[3:])


async def of(ctx: Ctx, provider_id: str) -> dict[str, Held]:
    return {row[1]: Held(inventory(row), row[2]) for row in await rows(ctx, [provider_id])}


async def is_used(ctx: Ctx, resource_class: str) -> bool:
    query = ROWS.where(inventories.c.resource_class == resource_class).limit(1)
    return (await ctx.execute(query)).first() is not None


async def add(ctx: Ctx, provider_id: str, wanted: Mapping[str, Inventory]) -> None:
    values = [
        {
            "provider_id": provider_id,
            "resource_class": name,
            "updated_at": ctx.now(),
            **msgspec.structs.asdict(inventory),
        }
        for name, inventory in wanted.items()
    ]
    await ctx.execute(inventories.insert(), values)


async def change(ctx: Ctx, provider_id: str, resource_class: str, inventory: Inventory) -> None:
    one = sa.and_(inventories.c.provider_id == provider_id, inventories.c.resource_class == resource_class)
    values = {"updated_at": ctx.now(), **msgspec.structs.asdict(inventory)}
    await ctx.execute(inventories.update().where(one).values(**values))


async def providers_with(ctx: Ctx, resource_class: str) -> list[str]:
    query = sa.select(inventories.c.provider_id).where(inventories.c.resource_class == resource_class)
    return [row[0] for row in await ctx.execute(query)]


async def rename(ctx: Ctx, old: str, new: str) -> None:
    """What is used of it goes along: the reference cascades."""
    await ctx.execute(inventories.update().where(inventories.c.resource_class == old).values(resource_class=new))


async def remove(ctx: Ctx, provider_id: str, resource_classes: Collection[str]) -> None:
    which = sa.and_(inventories.c.provider_id == provider_id, inventories.c.resource_class.in_(list(resource_classes)))
    await ctx.execute(inventories.delete().where(which))
