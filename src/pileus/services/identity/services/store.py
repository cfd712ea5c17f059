"""The table behind the services of the catalogue. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, among, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Field, Found, Listed

services = sa.Table(
    "identity_service",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("type", Text, nullable=False, index=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("extra", JSON, nullable=False),  # the description and whatever else callers added
)


class CatalogService(msgspec.Struct, frozen=True):
    id: str
    type: str
    name: str
    enabled: bool = True
    extra: dict[str, Any] = {}


ALL = sa.select(*(services.c[name] for name in CatalogService.__struct_fields__)).order_by(services.c.id)
LISTED = Listed(
    CatalogService,
    ALL.order_by(None),
    services.c.id,
    filters={
        "type": Field(services.c.type),
        "name": Field(services.c.name),
        "enabled": Field(services.c.enabled, "boolean"),
    },
)


async def list_(ctx: Ctx, columns: Mapping[str, Any]) -> list[CatalogService]:
    query = ALL.where(*(services.c[name] == value for name, value in columns.items()))
    return [CatalogService(*row) for row in await ctx.execute(query)]


async def page(ctx: Ctx, query: Query) -> Found[CatalogService]:
    return await LISTED.page(ctx, query)


def ids_of_types(name: str) -> sa.Select[tuple[str]]:
    """A SELECT of the ids of the services of the types that are given for `name`, for an IN."""
    return sa.select(services.c.id).where(among(services.c.type, name))


async def add(ctx: Ctx, service: CatalogService) -> None:
    await ctx.execute(services.insert().values(**msgspec.structs.asdict(service)))


async def change(ctx: Ctx, service_id: str, columns: Mapping[str, Any]) -> None:
    await ctx.execute(services.update().where(services.c.id == service_id).values(**columns))


async def delete(ctx: Ctx, service_id: str) -> None:
    await ctx.execute(services.delete().where(services.c.id == service_id))
