"""The table behind attachments. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, among, metadata
from pileus.kernel.filters import Condition, Field
from pileus.kernel.paging import every_page
from pileus.services.volume.lists import Asked, Found, Listed

attachments = sa.Table(
    "volume_attachment",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("volume_id", sa.Uuid, nullable=False, index=True),
    sa.Column("project_id", Text, nullable=False),  # the volume's
    sa.Column("server_id", sa.Uuid, index=True),
    sa.Column("status", Text, nullable=False),  # reserved | attaching | attached | detaching | error_attaching
    sa.Column("mode", Text, nullable=False),  # rw | ro
    sa.Column("host", Text),  # from where it is used, once that is known
    sa.Column("mountpoint", Text),
    sa.Column("connector", JSON),  # what whoever attached said of itself
    sa.Column("connection", JSON),  # engines.blocks.Connection, once it is exported
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("attached_at", sa.Double),
    sa.Index("volume_attachment_project_ix", "project_id", "created_at", "id"),
)


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Times are seconds since the epoch."""

    id: UUID
    volume_id: UUID
    project_id: str
    server_id: UUID | None = None
    status: str = "reserved"
    mode: str = "rw"
    host: str | None = None
    mountpoint: str | None = None
    connector: dict[str, Any] | None = None
    connection: dict[str, Any] | None = None
    created_at: float = 0.0
    attached_at: float | None = None


ALL = sa.select(*(attachments.c[name] for name in Attachment.__struct_fields__))
OF_VOLUMES = ALL.where(among(attachments.c.volume_id, "ids_"))
OF_VOLUMES = OF_VOLUMES.order_by(attachments.c.created_at, attachments.c.id)
REMOVE_OF = attachments.delete().where(attachments.c.volume_id == sa.bindparam("id_"))

LISTED = Listed(
    Attachment,
    ALL,
    attachments.c.id,
    filters={
        "volume_id": Field(attachments.c.volume_id, "uuid"),
        "instance_id": Field(attachments.c.server_id, "uuid"),
        "status": Field(attachments.c.status),
        "attach_status": Field(attachments.c.status),
    },
    sorts={
        "created_at": attachments.c.created_at,
        "volume_id": attachments.c.volume_id,
        "status": attachments.c.status,
    },
)


async def page(ctx: Ctx, asked: Asked, visible: Condition) -> Found[Attachment]:
    return await LISTED.page(ctx, asked, visible)


async def find(ctx: Ctx, attachment_id: UUID) -> Attachment | None:
    row = (await ctx.execute(ALL.where(attachments.c.id == attachment_id))).one_or_none()
    return None if row is None else Attachment(**row._mapping)


async def by_ids(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, Attachment]:
    """Those of them that are there."""
    found = await ctx.execute(ALL.where(attachments.c.id.in_(list(ids)))) if ids else ()
    return {row.id: Attachment(**row._mapping) for row in found}


async def in_pages(ctx: Ctx) -> AsyncIterator[list[Attachment]]:
    """All, some at a time."""
    async for rows in every_page(ctx, ALL, attachments.c.id):
        yield [Attachment(**row._mapping) for row in rows]


async def of_volumes(ctx: Ctx, volume_ids: Collection[UUID]) -> dict[UUID, list[Attachment]]:
    """Those of each of these volumes, oldest first."""
    found: dict[UUID, list[Attachment]] = {volume_id: [] for volume_id in volume_ids}
    if found:
        for row in await ctx.execute(OF_VOLUMES, {"ids_": found}):
            found[row.volume_id].append(Attachment(**row._mapping))
    return found


async def of_servers(ctx: Ctx, server_ids: Collection[UUID]) -> dict[UUID, list[Attachment]]:
    """Those of each of these servers, oldest first."""
    found: dict[UUID, list[Attachment]] = {server_id: [] for server_id in server_ids}
    if found:
        query = ALL.where(attachments.c.server_id.in_(list(found)))
        for row in await ctx.execute(query.order_by(attachments.c.created_at, attachments.c.id)):
            found[row.server_id].append(Attachment(**row._mapping))
    return found


async def add(ctx: Ctx, attachment: Attachment) -> None:
    await ctx.execute(attachments.insert(), msgspec.structs.asdict(attachment))


async def change(ctx: Ctx, attachment_id: UUID, **columns: Any) -> None:
    await ctx.execute(attachments.update().where(attachments.c.id == attachment_id).values(**columns))


async def remove(ctx: Ctx, attachment_id: UUID) -> None:
    await ctx.execute(attachments.delete().where(attachments.c.id == attachment_id))


async def remove_of(ctx: Ctx, volume_id: UUID) -> None:
    await ctx.execute(REMOVE_OF, {"id_": volume_id})
