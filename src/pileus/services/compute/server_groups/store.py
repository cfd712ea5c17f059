"""The table behind server groups. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.quota import Owners, Used

groups = sa.Table(
    "compute_server_group",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("project_id", Text, nullable=False),
    sa.Column("user_id", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("policy", Text, nullable=False),  # affinity | anti-affinity | soft-affinity | soft-anti-affinity
    sa.Column("most_on_host", sa.Integer),  # of anti-affinity, if it is said: else 1
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Index("compute_server_group_project_id_ix", "project_id", "made_at", "id"),
)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    project_id: str
    user_id: str
    name: str
    policy: str
    most_on_host: int | None = None
    made_at: float = 0.0


ALL = sa.select(*(groups.c[name] for name in Group.__struct_fields__))


def count_of(owners: Owners) -> Used:
    return sa.select(sa.func.count()).select_from(groups).where(groups.c.project_id.in_(owners))


async def by_ids(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, Group]:
    return {row.id: Group(**row._mapping) for row in await ctx.execute(ALL.where(groups.c.id.in_(ids)))}


async def list_(ctx: Ctx, project_id: str | None, *, offset: int, limit: int) -> list[Group]:
    """Some of the project's, or of all, in the order in which they were made."""
    query = ALL if project_id is None else ALL.where(groups.c.project_id == project_id)
    rows = await ctx.execute(query.order_by(groups.c.made_at, groups.c.id).offset(offset).limit(limit))
    return [Group(**row._mapping) for row in rows]


async def add(ctx: Ctx, group: Group) -> None:
    await ctx.execute(groups.insert().values(**msgspec.structs.asdict(group)))


async def delete(ctx: Ctx, ids: Collection[UUID]) -> None:
    await ctx.execute(groups.delete().where(groups.c.id.in_(ids)))


async def owned(ctx: Ctx, project_ids: Sequence[str], most: int) -> tuple[int, list[sa.Row[Any]]]:
    """How many these projects have, and the first few: id, name."""
    mine = groups.c.project_id.in_(project_ids)
    query = sa.select(groups.c.id, groups.c.name, groups.c.project_id, sa.func.count().over()).where(mine)
    rows = (await ctx.execute(query.order_by(groups.c.id).limit(most))).all()
    return (rows[0][3] if rows else 0), list(rows)
