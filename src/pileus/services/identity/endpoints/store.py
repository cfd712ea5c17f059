"""The table behind endpoints. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Field, Found, Listed

endpoints = sa.Table(
    "identity_endpoint",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("service_id", Text, sa.ForeignKey("identity_service.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("interface", Text, nullable=False),  # public | internal | admin
    sa.Column("region_id", Text, sa.ForeignKey("identity_region.id"), index=True),
    sa.Column("url", Text, nullable=False),  # a template: $(public_endpoint)s, $(project_id)s, ...: rules.py
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("extra", JSON, nullable=False),
)


class Endpoint(msgspec.Struct, frozen=True):
    id: str
    service_id: str
    interface: str
    region_id: str | None
    url: str
    enabled: bool = True
    extra: dict[str, Any] = {}


ALL = sa.select(*(endpoints.c[name] for name in Endpoint.__struct_fields__)).order_by(endpoints.c.id)
LISTED = Listed(
    Endpoint,
    ALL.order_by(None),
    endpoints.c.id,
    filters={
        "interface": Field(endpoints.c.interface),
        "service_id": Field(endpoints.c.service_id),
        "region_id": Field(endpoints.c.region_id),
        "enabled": Field(endpoints.c.enabled, "boolean"),
    },
)


async def list_(ctx: Ctx, columns: Mapping[str, Any]) -> list[Endpoint]:
    query = ALL.where(*(endpoints.c[name] == value for name, value in columns.items()))
    return [Endpoint(*row) for row in await ctx.execute(query)]


async def page(ctx: Ctx, query: Query) -> Found[Endpoint]:
    return await LISTED.page(ctx, query)


async def any_in(ctx: Ctx, region_ids: Collection[str]) -> bool:
    query = sa.select(endpoints.c.id).where(endpoints.c.region_id.in_(region_ids)).limit(1)
    return (await ctx.execute(query)).first() is not None


async def add(ctx: Ctx, endpoint: Endpoint) -> None:
    await ctx.execute(endpoints.insert().values(**msgspec.structs.asdict(endpoint)))


async def change(ctx: Ctx, endpoint_id: str, columns: Mapping[str, Any]) -> None:
    await ctx.execute(endpoints.update().where(endpoints.c.id == endpoint_id).values(**columns))


async def delete(ctx: Ctx, endpoint_id: str) -> None:
    await ctx.execute(endpoints.delete().where(endpoints.c.id == endpoint_id))
