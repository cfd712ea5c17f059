"""The table behind endpoints. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata

endpoints = sa.Table(
    "identity_endpoint",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("service_id", Text, sa.ForeignKey("identity_service.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("interface", Text, nullable=False),  # public | internal | admin
    sa.Column("region_id", Text, sa.ForeignKey("identity_region.id"), index=True),
    sa.Column("url", Text, nullable=False),  # a template: $(public_endpoint)s, $(project_id)s, ...: catalog/rules.py
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


async def list_(ctx: Ctx, columns: Mapping[str, Any]) -> list[Endpoint]:
    query = ALL.where(*(endpoints.c[name] == value for name, value in columns.items()))
    return [Endpoint(*row) for row in await ctx.execute(query)]


async def add(ctx: Ctx, endpoint: Endpoint) -> None:
    await ctx.execute(endpoints.insert().values(**msgspec.structs.asdict(endpoint)))
