"""The table behind user messages. Only this noun imports this module."""

from __future__ import annotations

from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.filters import Condition, Field
from pileus.services.volume.lists import Asked, Found, Listed

messages = sa.Table(
    "volume_message",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("project_id", Text, nullable=False),
    sa.Column("request_id", Text, nullable=False),
    sa.Column("event_id", Text, nullable=False),
    sa.Column("resource_type", Text, nullable=False),
    sa.Column("resource_id", Text, nullable=False),
    sa.Column("text", Text, nullable=False),
    sa.Column("level", Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False, index=True),
    sa.Index("volume_message_project_ix", "project_id", "created_at", "id"),
)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Times are seconds since the epoch."""

    id: UUID
    project_id: str
    request_id: str
    event_id: str
    resource_type: str
    resource_id: str
    text: str
    level: str = "ERROR"
    created_at: float
    expires_at: float


ALL = sa.select(*(messages.c[name] for name in Message.__struct_fields__))

LISTED = Listed(
    Message,
    ALL,
    messages.c.id,
    filters={
        "resource_uuid": Field(messages.c.resource_id),
        "resource_type": Field(messages.c.resource_type),
        "event_id": Field(messages.c.event_id),
        "request_id": Field(messages.c.request_id),
        "message_level": Field(messages.c.level),
    },
    sorts={
        "created_at": messages.c.created_at,
        "guaranteed_until": messages.c.expires_at,
        "event_id": messages.c.event_id,
        "message_level": messages.c.level,
        "request_id": messages.c.request_id,
        "resource_type": messages.c.resource_type,
        "resource_uuid": messages.c.resource_id,
    },
)


async def page(ctx: Ctx, asked: Asked, visible: Condition) -> Found[Message]:
    return await LISTED.page(ctx, asked, visible)


async def get(ctx: Ctx, message_id: UUID) -> Message | None:
    row = (await ctx.execute(ALL.where(messages.c.id == message_id))).one_or_none()
    return None if row is None else Message(**row._mapping)


async def add(ctx: Ctx, new: Message) -> None:
    await ctx.execute(messages.insert(), msgspec.structs.asdict(new))


async def remove(ctx: Ctx, message_id: UUID) -> None:
    await ctx.execute(messages.delete().where(messages.c.id == message_id))


async def purge(ctx: Ctx, now: float, batch: int) -> int:
    old = sa.select(messages.c.id).where(messages.c.expires_at < now).order_by(messages.c.expires_at).limit(batch)
    return (await ctx.execute(messages.delete().where(messages.c.id.in_(old)))).rowcount


async def forget(ctx: Ctx, project_ids: list[str]) -> None:
    await ctx.execute(messages.delete().where(messages.c.project_id.in_(project_ids)))
