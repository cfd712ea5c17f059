"""The table behind regions. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata

regions = sa.Table(
    "identity_region",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("description", Text, nullable=False),
    sa.Column("parent_region_id", Text, sa.ForeignKey("identity_region.id"), index=True),
    sa.Column("extra", JSON, nullable=False),
)


class Region(msgspec.Struct, frozen=True):
    id: str
    description: str = ""
    parent_region_id: str | None = None
    extra: dict[str, Any] = {}


ALL = sa.select(*(regions.c[name] for name in Region.__struct_fields__)).order_by(regions.c.id)


async def list_(ctx: Ctx, columns: Mapping[str, Any]) -> list[Region]:
    query = ALL.where(*(regions.c[name] == value for name, value in columns.items()))
    return [Region(*row) for row in await ctx.execute(query)]


async def add(ctx: Ctx, region: Region) -> None:
    await ctx.execute(regions.insert().values(**msgspec.structs.asdict(region)))
