"""The table behind transfers. Only this noun imports this module."""

from __future__ import annotations

from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.filters import Condition, Field
from pileus.services.volume.lists import Asked, Found, Listed

transfers = sa.Table(
    "volume_transfer",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("volume_id", sa.Uuid, nullable=False, unique=True),
    sa.Column("project_id", Text, nullable=False),  # whose it was
    sa.Column("name", Text),
    sa.Column("digest", Text, nullable=False),  # of the key, which is nowhere else
    sa.Column("no_snapshots", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index("volume_transfer_project_ix", "project_id", "created_at", "id"),
)


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Times are seconds since the epoch."""

    id: UUID
    volume_id: UUID
    project_id: str
    name: str | None = None
    digest: str
    no_snapshots: bool = False
    created_at: float = 0.0


ALL = sa.select(*(transfers.c[name] for name in Transfer.__struct_fields__))
REMOVE_OF = transfers.delete().where(transfers.c.volume_id == sa.bindparam("id_"))
LISTED = Listed(
    Transfer,
    ALL,
    transfers.c.id,
    filters={"name": Field(transfers.c.name), "volume_id": Field(transfers.c.volume_id, "uuid")},
    sorts={"name": transfers.c.name, "created_at": transfers.c.created_at},
)


async def page(ctx: Ctx, asked: Asked, visible: Condition) -> Found[Transfer]:
    return await LISTED.page(ctx, asked, visible)


async def find(ctx: Ctx, transfer_id: UUID) -> Transfer | None:
    row = (await ctx.execute(ALL.where(transfers.c.id == transfer_id))).one_or_none()
    return None if row is None else Transfer(**row._mapping)


async def add(ctx: Ctx, transfer: Transfer) -> None:
    await ctx.execute(transfers.insert(), msgspec.structs.asdict(transfer))


async def remove(ctx: Ctx, transfer_id: UUID) -> bool:
    """Whether it was there."""
    return bool((await ctx.execute(transfers.delete().where(transfers.c.id == transfer_id))).rowcount)


async def remove_of(ctx: Ctx, volume_id: UUID) -> None:
    await ctx.execute(REMOVE_OF, {"id_": volume_id})
