"""The table behind mappings. Only this noun imports this module."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Found, Listed

mappings = sa.Table(
    "identity_mapping",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("rules", JSON, nullable=False),
    sa.Column("schema_version", Text, nullable=False),
)


class Mapping(msgspec.Struct, frozen=True):
    id: str
    rules: list[Any]
    schema_version: str


ALL = sa.select(*(mappings.c[name] for name in Mapping.__struct_fields__))
LISTED = Listed(Mapping, ALL, mappings.c.id, filters={})
BY_ID = ALL.where(mappings.c.id == sa.bindparam("mapping_id"))


async def get(ctx: Ctx, mapping_id: str) -> Mapping | None:
    row = (await ctx.execute(BY_ID, {"mapping_id": mapping_id})).one_or_none()
    return None if row is None else Mapping(*row)


async def page(ctx: Ctx, query: Query) -> Found[Mapping]:
    return await LISTED.page(ctx, query)


async def add(ctx: Ctx, mapping: Mapping) -> None:
    await ctx.execute(mappings.insert().values(**msgspec.structs.asdict(mapping)))


async def change(ctx: Ctx, mapping: Mapping) -> None:
    await ctx.execute(mappings.update().where(mappings.c.id == mapping.id).values(**msgspec.structs.asdict(mapping)))


async def delete(ctx: Ctx, mapping_id: str) -> None:
    await ctx.execute(mappings.delete().where(mappings.c.id == mapping_id))
