"""The rows behind volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata

volumes = sa.Table(
    "demo_volume",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("project_id", Text, nullable=False, index=True),
    sa.Column("status", Text, nullable=False),  # creating | available | deleting | error
    sa.Column("host", Text, nullable=False),
)


async def find(ctx: Ctx, volume_id: UUID) -> Any:
    return (await ctx.execute(sa.select(volumes).where(volumes.c.id == volume_id))).one_or_none()


async def ensure(ctx: Ctx, volume_id: UUID, **columns: Any) -> None:
    if await find(ctx, volume_id) is None:
        await ctx.execute(volumes.insert(), {"id": volume_id, **columns})


async def change(ctx: Ctx, volume_id: UUID, **columns: Any) -> None:
    await ctx.execute(volumes.update().where(volumes.c.id == volume_id).values(**columns))


async def remove(ctx: Ctx, volume_id: UUID) -> None:
    await ctx.execute(volumes.delete().where(volumes.c.id == volume_id))


async def count_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many volumes these projects have, and the ids of a few: volumes have no names."""
    query = sa.select(volumes.c.id, sa.func.count().over()).where(volumes.c.project_id.in_(project_ids))
    rows = (await ctx.execute(query.limit(5))).all()
    return (rows[0][1] if rows else 0), [str(row[0]) for row in rows]


async def undeleted_of(ctx: Ctx, project_ids: Sequence[str]) -> list[tuple[UUID, str]]:
    left = sa.select(volumes.c.id, volumes.c.host).where(volumes.c.project_id.in_(project_ids))
    return [
        (row[0], row[1]) for row in await ctx.execute(left.where(volumes.c.status != "deleting").order_by(volumes.c.id))
    ]
