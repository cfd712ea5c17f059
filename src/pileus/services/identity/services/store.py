"""The table behind the services of the catalogue. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata

services = sa.Table(
    "identity_service",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("type", Text, nullable=False, index=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("description", Text),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("extra", JSON, nullable=False),
)


class CatalogService(msgspec.Struct, frozen=True):
    id: str
    type: str
    name: str
    description: str | None = None
    enabled: bool = True
    extra: dict[str, Any] = {}


ALL = sa.select(*(services.c[name] for name in CatalogService.__struct_fields__)).order_by(services.c.id)


async def list_(ctx: Ctx, columns: Mapping[str, Any]) -> list[CatalogService]:
    query = ALL.where(*(services.c[name] == value for name, value in columns.items()))
    return [CatalogService(*row) for row in await ctx.execute(query)]


async def add(ctx: Ctx, service: CatalogService) -> None:
    await ctx.execute(services.insert().values(**msgspec.structs.asdict(service)))
