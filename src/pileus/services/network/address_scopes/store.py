"""The table behind address scopes. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.http import Query
from pileus.services.network import standard
from pileus.services.network.lists import Condition, Field, Found, Listed

scopes = sa.Table(
    "network_address_scope",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("project_id", Text, nullable=False, index=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("ip_version", sa.Integer, nullable=False),
)


class AddressScope(msgspec.Struct, frozen=True, kw_only=True):
    """A row."""

    id: UUID
    project_id: str
    name: str
    ip_version: int


ALL = sa.select(*(scopes.c[name] for name in AddressScope.__struct_fields__))


LISTED = Listed(
    "address_scope",
    AddressScope,
    ALL,
    scopes.c.id,
    filters={
        "name": Field(scopes.c.name),
        "project_id": Field(scopes.c.project_id),
        "tenant_id": Field(scopes.c.project_id),
        "ip_version": Field(scopes.c.ip_version, "integer"),
    },
)


async def page(ctx: Ctx, query: Query, *visible: Condition) -> Found[AddressScope]:
    return await LISTED.page(ctx, query, *visible)


async def find(ctx: Ctx, scope_id: UUID, visible: Condition) -> AddressScope | None:
    row = (await ctx.execute(ALL.where(scopes.c.id == scope_id, visible))).one_or_none()
    return None if row is None else AddressScope(**row._mapping)


async def by_ids(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, AddressScope]:
    found = [AddressScope(**row._mapping) for row in await ctx.execute(ALL.where(scopes.c.id.in_(list(ids))))]
    return {scope.id: scope for scope in found}


async def add(ctx: Ctx, scope: AddressScope) -> None:
    await ctx.execute(scopes.insert(), msgspec.structs.asdict(scope))


async def change(ctx: Ctx, scope_id: UUID, **columns: Any) -> None:
    await ctx.execute(scopes.update().where(scopes.c.id == scope_id).values(**columns))


async def remove(ctx: Ctx, scope_id: UUID) -> None:
    await ctx.execute(scopes.delete().where(scopes.c.id == scope_id))


async def names_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many these projects have, and the names of a few."""
    return await standard.names_of(ctx, scopes, project_ids)


async def ids_of(ctx: Ctx, project_ids: Sequence[str]) -> list[UUID]:
    query = sa.select(scopes.c.id).where(scopes.c.project_id.in_(project_ids)).order_by(scopes.c.id)
    return list((await ctx.execute(query)).scalars())
