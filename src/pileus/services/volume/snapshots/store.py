"""The table behind snapshots. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.filters import Condition, Field
from pileus.kernel.paging import every_page
from pileus.kernel.quota import Owners
from pileus.services.volume.bags import Bag
from pileus.services.volume.lists import Asked, Found, Listed, pairs

snapshots = sa.Table(
    "volume_snapshot",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("volume_id", sa.Uuid, nullable=False, index=True),
    sa.Column("project_id", Text, nullable=False),
    sa.Column("user_id", Text, nullable=False),
    sa.Column("name", Text),
    sa.Column("description", Text),
    sa.Column("size_gib", sa.BigInteger, nullable=False),  # of the volume, then
    sa.Column("type_id", sa.Uuid, nullable=False, index=True),  # of the volume, then
    sa.Column("zone", Text, nullable=False),
    sa.Column("status", Text, nullable=False),  # creating | available | deleting | error | error_deleting
    sa.Column("progress", Text, nullable=False),
    sa.Column("host", Text, nullable=False, index=True),
    sa.Column("cause", Text),  # why it is in error
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double),
    sa.Index("volume_snapshot_project_ix", "project_id", "created_at", "id"),
    sa.Index("volume_snapshot_created_ix", "created_at", "id"),
)

METADATA = Bag("volume_snapshot_metadata")


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Times are seconds since the epoch."""

    id: UUID
    volume_id: UUID
    project_id: str
    user_id: str
    name: str | None = None
    description: str | None = None
    size_gib: int
    type_id: UUID
    zone: str
    status: str = "creating"
    progress: str = "0%"
    host: str
    cause: str | None = None
    created_at: float = 0.0
    updated_at: float | None = None


ALL = sa.select(*(snapshots.c[name] for name in Snapshot.__struct_fields__))
ONE = ALL.where(snapshots.c.id == sa.bindparam("id_"))
OF_VOLUME = ALL.where(snapshots.c.volume_id == sa.bindparam("id_"))
OF_VOLUME = OF_VOLUME.order_by(snapshots.c.created_at.desc(), snapshots.c.id)

LISTED = Listed(
    Snapshot,
    ALL,
    snapshots.c.id,
    filters={
        "name": Field(snapshots.c.name),
        "display_name": Field(snapshots.c.name),
        "status": Field(snapshots.c.status),
        "volume_id": Field(snapshots.c.volume_id, "uuid"),
        "availability_zone": Field(snapshots.c.zone),
        "project_id": Field(snapshots.c.project_id),
        "user_id": Field(snapshots.c.user_id),
        "id": Field(snapshots.c.id, "uuid"),
    },
    sorts={
        "name": snapshots.c.name,
        "display_name": snapshots.c.name,
        "status": snapshots.c.status,
        "volume_id": snapshots.c.volume_id,
        "volume_size": snapshots.c.size_gib,
        "created_at": snapshots.c.created_at,
        "updated_at": snapshots.c.updated_at,
    },
    special={
        "metadata": lambda text: METADATA.having(snapshots.c.id, pairs(text)),
        "consumes_quota": lambda text: (
            sa.true() if text.lower() in {"1", "t", "true", "on", "y", "yes"} else sa.false()
        ),
    },
)


async def page(ctx: Ctx, asked: Asked, visible: Condition) -> Found[Snapshot]:
    return await LISTED.page(ctx, asked, visible)


async def find(ctx: Ctx, snapshot_id: UUID) -> Snapshot | None:
    row = (await ctx.execute(ONE, {"id_": snapshot_id})).one_or_none()
    return None if row is None else Snapshot(**row._mapping)


async def in_pages(ctx: Ctx) -> AsyncIterator[list[Snapshot]]:
    """All, some at a time."""
    async for rows in every_page(ctx, ALL, snapshots.c.id):
        yield [Snapshot(**row._mapping) for row in rows]


async def hold(ctx: Ctx, snapshot_id: UUID) -> Snapshot | None:
    """The row as it is now, which nobody changes until this transaction ends."""
    row = (await ctx.execute(ONE.with_for_update(), {"id_": snapshot_id})).one_or_none()
    return None if row is None else Snapshot(**row._mapping)


async def of_volume(ctx: Ctx, volume_id: UUID) -> list[Snapshot]:
    """Those of one volume, the newest first."""
    return [Snapshot(**row._mapping) for row in await ctx.execute(OF_VOLUME, {"id_": volume_id})]


async def add(ctx: Ctx, snapshot: Snapshot) -> None:
    await ctx.execute(snapshots.insert(), msgspec.structs.asdict(snapshot))


async def change(ctx: Ctx, snapshot_id: UUID, **columns: Any) -> None:
    await ctx.execute(snapshots.update().where(snapshots.c.id == snapshot_id).values(**columns))


async def remove(ctx: Ctx, snapshot_id: UUID) -> None:
    await METADATA.drop(ctx, snapshot_id)
    await ctx.execute(snapshots.delete().where(snapshots.c.id == snapshot_id))


def promised() -> sa.Select[Any]:
    """(host, GiB) of each."""
    return sa.select(snapshots.c.host, snapshots.c.size_gib)


def counted(owners: Owners, type_id: UUID | None = None) -> sa.Select[Any]:
    query = sa.select(sa.func.count()).where(snapshots.c.project_id.in_(owners))
    return query if type_id is None else query.where(snapshots.c.type_id == type_id)


def gigabytes(owners: Owners, type_id: UUID | None = None) -> sa.Select[Any]:
    query = sa.select(sa.func.coalesce(sa.func.sum(snapshots.c.size_gib), 0)).where(snapshots.c.project_id.in_(owners))
    return query if type_id is None else query.where(snapshots.c.type_id == type_id)


async def count_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many these projects have, and the names (or ids) of a few."""
    columns = (snapshots.c.name, snapshots.c.id, sa.func.count().over())
    query = sa.select(*columns).where(snapshots.c.project_id.in_(project_ids))
    rows = (await ctx.execute(query.order_by(snapshots.c.name, snapshots.c.id).limit(5))).all()
    return (rows[0][2] if rows else 0), [row[0] or str(row[1]) for row in rows]


async def undeleted_of(ctx: Ctx, project_ids: Sequence[str], most: int) -> list[Snapshot]:
    left = ALL.where(snapshots.c.project_id.in_(project_ids), snapshots.c.status != "deleting")
    return [Snapshot(**row._mapping) for row in await ctx.execute(left.order_by(snapshots.c.id).limit(most))]


async def hand_over(ctx: Ctx, volume_id: UUID, project_id: str, user_id: str) -> None:
    """All of one volume belong to another project."""
    mine = snapshots.update().where(snapshots.c.volume_id == volume_id)
    await ctx.execute(mine.values(project_id=project_id, user_id=user_id))
