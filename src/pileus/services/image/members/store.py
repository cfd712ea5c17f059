"""The queries behind members. The table is beside that of images, which asks it who sees what."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.services.image.images.service import member_table as members


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Times are seconds since the epoch."""

    image_id: UUID
    member_id: str
    status: str
    created_at: float
    updated_at: float


async def list_(ctx: Ctx, image_id: UUID, only: str | None) -> list[Member]:
    """By when they were added; `only`: this one, if it is."""
    found = sa.select(members).where(members.c.image_id == image_id)
    if only is not None:
        found = found.where(members.c.member_id == only)
    rows = await ctx.execute(found.order_by(members.c.created_at, members.c.member_id))
    return [Member(**row._mapping) for row in rows]


async def add(ctx: Ctx, member: Member) -> None:
    await ctx.execute(members.insert(), msgspec.structs.asdict(member))


async def change(ctx: Ctx, image_id: UUID, member_id: str, **columns: Any) -> None:
    mine = sa.and_(members.c.image_id == image_id, members.c.member_id == member_id)
    await ctx.execute(members.update().where(mine).values(**columns))


async def delete(ctx: Ctx, image_id: UUID, member_id: str) -> None:
    await ctx.execute(members.delete().where(members.c.image_id == image_id, members.c.member_id == member_id))


async def count(ctx: Ctx, image_id: UUID) -> int:
    found = sa.select(sa.func.count()).select_from(members).where(members.c.image_id == image_id)
    return (await ctx.execute(found)).scalar() or 0
