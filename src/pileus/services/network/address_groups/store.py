"""The table behind address groups. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, metadata
from pileus.kernel.filters import Condition
from pileus.kernel.http import Query
from pileus.services.network import standard
from pileus.services.network.lists import Found, Listed
from pileus.services.network.standard import Standard

groups = sa.Table(
    "network_address_group",
    metadata,
    *standard.columns(),
    sa.Column("addresses", JSON, nullable=False),
)


class AddressGroup(Standard, frozen=True, kw_only=True):
    """A row."""

    addresses: list[str]


ALL = sa.select(*(groups.c[name] for name in AddressGroup.__struct_fields__))


LISTED = Listed("address_group", AddressGroup, ALL, groups.c.id, filters=standard.filters(groups))


async def page(ctx: Ctx, query: Query, *visible: Condition) -> Found[AddressGroup]:
    return await LISTED.page(ctx, query, *visible)


async def find(ctx: Ctx, group_id: UUID, visible: Condition) -> AddressGroup | None:
    row = (await ctx.execute(ALL.where(groups.c.id == group_id, visible))).one_or_none()
    return None if row is None else AddressGroup(**row._mapping)


async def hold(ctx: Ctx, group_id: UUID) -> None:
    """Nobody else changes this row, or holds it, until the transaction ends."""
    await ctx.hold(sa.select(groups.c.id).where(groups.c.id == group_id).with_for_update())


async def by_ids(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, AddressGroup]:
    return {row.id: AddressGroup(**row._mapping) for row in await ctx.execute(ALL.where(groups.c.id.in_(list(ids))))}


async def add(ctx: Ctx, group: AddressGroup) -> None:
    await ctx.execute(groups.insert(), msgspec.structs.asdict(group))


async def change(ctx: Ctx, group_id: UUID, **columns: Any) -> None:
    """Write these columns, and raise the revision."""
    values = {**columns, **standard.touched(ctx, groups)}
    await ctx.execute(groups.update().where(groups.c.id == group_id).values(**values))


async def remove(ctx: Ctx, group_id: UUID) -> None:
    await ctx.execute(groups.delete().where(groups.c.id == group_id))


async def names_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many these projects have, and the names of a few."""
    return await standard.names_of(ctx, groups, project_ids)


async def ids_of(ctx: Ctx, project_ids: Sequence[str]) -> list[UUID]:
    query = sa.select(groups.c.id).where(groups.c.project_id.in_(project_ids)).order_by(groups.c.id)
    return list((await ctx.execute(query)).scalars())
