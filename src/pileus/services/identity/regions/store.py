"""The table behind regions. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Field, Found, Listed

regions = sa.Table(
    "identity_region",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("description", Text, nullable=False),
    sa.Column("parent_region_id", Text, sa.ForeignKey("identity_region.id", ondelete="CASCADE"), index=True),
    sa.Column("extra", JSON, nullable=False),
)


class Region(msgspec.Struct, frozen=True):
    id: str
    description: str = ""
    parent_region_id: str | None = None
    extra: dict[str, Any] = {}


ALL = sa.select(*(regions.c[name] for name in Region.__struct_fields__))
BY_ID = ALL.where(regions.c.id == sa.bindparam("region_id"))
LISTED = Listed(Region, ALL, regions.c.id, filters={"parent_region_id": Field(regions.c.parent_region_id)})

_down = sa.select(regions.c.id).where(regions.c.id == sa.bindparam("region_id")).cte(recursive=True)
_child = regions.alias()
_down = _down.union_all(sa.select(_child.c.id).join(_down, _child.c.parent_region_id == _down.c.id))
DOWN = sa.select(_down.c.id)
PARENTS = sa.select(regions.c.id, regions.c.parent_region_id)


async def get(ctx: Ctx, region_id: str) -> Region | None:
    row = (await ctx.execute(BY_ID, {"region_id": region_id})).one_or_none()
    return None if row is None else Region(*row)


async def page(ctx: Ctx, query: Query) -> Found[Region]:
    return await LISTED.page(ctx, query)


async def ids_down(ctx: Ctx, region_id: str) -> list[str]:
    """The id, and those of all regions below."""
    return [row[0] for row in await ctx.execute(DOWN, {"region_id": region_id})]


async def parents(ctx: Ctx) -> dict[str, str | None]:
    """The parent of each region."""
    return {row[0]: row[1] for row in await ctx.execute(PARENTS)}


async def add(ctx: Ctx, region: Region) -> None:
    await ctx.execute(regions.insert().values(**msgspec.structs.asdict(region)))


async def change(ctx: Ctx, region_id: str, columns: Mapping[str, Any]) -> None:
    await ctx.execute(regions.update().where(regions.c.id == region_id).values(**columns))


async def delete(ctx: Ctx, region_id: str) -> None:
    """With all regions below."""
    await ctx.execute(regions.delete().where(regions.c.id == region_id))
