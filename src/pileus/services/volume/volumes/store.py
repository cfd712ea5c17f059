"""The tables behind volumes. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata
from pileus.kernel.filters import Condition, Field
from pileus.kernel.paging import every_page
from pileus.kernel.quota import Owners
from pileus.services.volume.bags import Bag
from pileus.services.volume.lists import Asked, Found, Listed, pairs

volumes = sa.Table(
    "volume_volume",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("project_id", Text, nullable=False),
    sa.Column("user_id", Text, nullable=False),
    sa.Column("name", Text),
    sa.Column("description", Text),
    sa.Column("size_gib", sa.BigInteger, nullable=False),
    sa.Column("target_gib", sa.BigInteger, nullable=False),  # what it grows to; else its size
    sa.Column("status", Text, nullable=False),  # see rules.STATUSES
    sa.Column("previous_status", Text),  # what it goes back to when what is done to it is done
    sa.Column("host", Text, index=True),  # None until one was chosen
    sa.Column("zone", Text, nullable=False),
    sa.Column("type_id", sa.Uuid, nullable=False, index=True),
    sa.Column("snapshot_id", sa.Uuid, index=True),  # what it was made of
    sa.Column("source_volume_id", sa.Uuid, index=True),
    sa.Column("image_id", sa.Uuid),
    sa.Column("filling_id", sa.Uuid, index=True),  # the snapshot of which it is just filled anew
    sa.Column("bootable", sa.Boolean, nullable=False),
    sa.Column("read_only", sa.Boolean),  # None: nobody has said
    sa.Column("multiattach", sa.Boolean, nullable=False),
    sa.Column("cause", Text),  # why it is in error
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double),
    sa.Index("volume_volume_project_ix", "project_id", "created_at", "id"),
    sa.Index("volume_volume_created_ix", "created_at", "id"),
)

METADATA = Bag("volume_metadata")
IMAGE = Bag("volume_image_metadata")


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Times are seconds since the epoch."""

    id: UUID
    project_id: str
    user_id: str
    name: str | None = None
    description: str | None = None
    size_gib: int
    target_gib: int
    status: str = "creating"
    previous_status: str | None = None
    host: str | None = None
    zone: str
    type_id: UUID
    snapshot_id: UUID | None = None
    source_volume_id: UUID | None = None
    image_id: UUID | None = None
    filling_id: UUID | None = None
    bootable: bool = False
    read_only: bool | None = None
    multiattach: bool = False
    cause: str | None = None
    created_at: float = 0.0
    updated_at: float | None = None


COLUMNS = [volumes.c[name] for name in Volume.__struct_fields__]
ALL = sa.select(*COLUMNS)
ONE = ALL.where(volumes.c.id == sa.bindparam("id_"))
HELD = ONE.with_for_update()
BY_IDS = ALL.where(among(volumes.c.id, "ids_"))
ADD, CHANGE = volumes.insert(), volumes.update().where(volumes.c.id == sa.bindparam("id_"))
AVAILABLE = CHANGE.values(status="available", cause=None).returning(volumes.c.project_id)
GROWN = CHANGE.values(size_gib=volumes.c.target_gib)
REMOVE = volumes.delete().where(volumes.c.id == sa.bindparam("id_")).returning(volumes.c.project_id)


def being_made(column: str, origin: sa.BindParameter[UUID]) -> sa.ColumnElement[bool]:
    """Just being made of that volume (`source_volume_id`), or of that snapshot, or filled anew of it."""
    made = sa.and_(volumes.c[column] == origin, volumes.c.status == "creating")
    return sa.or_(made, volumes.c.filling_id == origin)


MADE_OF_SNAPSHOT = sa.select(volumes.c.id).limit(1)
MADE_OF_SNAPSHOT = MADE_OF_SNAPSHOT.where(being_made("snapshot_id", sa.bindparam("id_", type_=sa.Uuid())))

LISTED = Listed(
    Volume,
    ALL,
    volumes.c.id,
    filters={
        "name": Field(volumes.c.name),
        "display_name": Field(volumes.c.name),
        "description": Field(volumes.c.description),
        "status": Field(volumes.c.status),
        "size": Field(volumes.c.size_gib, "integer"),
        "bootable": Field(volumes.c.bootable, "boolean"),
        "availability_zone": Field(volumes.c.zone),
        "created_at": Field(volumes.c.created_at, "time"),
        "updated_at": Field(volumes.c.updated_at, "time"),
        "id": Field(volumes.c.id, "uuid"),
        "host": Field(volumes.c.host),
        "project_id": Field(volumes.c.project_id),
        "user_id": Field(volumes.c.user_id),
        "snapshot_id": Field(volumes.c.snapshot_id, "uuid"),
        "source_volid": Field(volumes.c.source_volume_id, "uuid"),
        "volume_type_id": Field(volumes.c.type_id, "uuid"),
    },
    sorts={
        "name": volumes.c.name,
        "display_name": volumes.c.name,
        "status": volumes.c.status,
        "size": volumes.c.size_gib,
        "bootable": volumes.c.bootable,
        "availability_zone": volumes.c.zone,
        "created_at": volumes.c.created_at,
        "updated_at": volumes.c.updated_at,
        "host": volumes.c.host,
        "project_id": volumes.c.project_id,
    },
    special={
        "metadata": lambda text: METADATA.having(volumes.c.id, pairs(text)),
        "glance_metadata": lambda text: IMAGE.having(volumes.c.id, pairs(text)),
        "group_id": lambda text: sa.false() if text else sa.true(),
        "migration_status": lambda text: sa.false(),
        "consumes_quota": lambda text: (
            sa.true() if text.lower() in {"1", "t", "true", "on", "y", "yes"} else sa.false()
        ),
    },
)


async def page(ctx: Ctx, asked: Asked, visible: Condition) -> Found[Volume]:
    return await LISTED.page(ctx, asked, visible)


async def summary(ctx: Ctx, filters: Mapping[str, Sequence[str]], visible: Condition) -> tuple[int, int]:
    """How many there are, and their GiB together."""
    sums = sa.select(sa.func.count(), sa.func.sum(volumes.c.size_gib))
    row = (await ctx.execute(sums.where(visible, *LISTED.where(filters)))).one()
    return row[0], int(row[1] or 0)


async def metadata_of(ctx: Ctx, filters: Mapping[str, Sequence[str]], visible: Condition) -> dict[str, list[str]]:
    """Every key that some of them carry, with its values."""
    ids = sa.select(volumes.c.id).where(visible, *LISTED.where(filters))
    table = METADATA.table
    found = sa.select(table.c.key, table.c.value).where(table.c.owner_id.in_(ids)).distinct()
    said: dict[str, list[str]] = {}
    for key, value in await ctx.execute(found.order_by(table.c.key, table.c.value)):
        said.setdefault(key, []).append(value)
    return said


async def find(ctx: Ctx, volume_id: UUID) -> Volume | None:
    row = (await ctx.execute(ONE, {"id_": volume_id})).one_or_none()
    return None if row is None else Volume(**row._mapping)


async def by_ids(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, Volume]:
    return {row[0]: Volume(**row._mapping) for row in await ctx.execute(BY_IDS, {"ids_": ids})} if ids else {}


async def in_pages(ctx: Ctx) -> AsyncIterator[list[Volume]]:
    """All, some at a time."""
    query = sa.select(volumes.c.id, *(column for column in COLUMNS if column is not volumes.c.id))
    async for rows in every_page(ctx, query, volumes.c.id):
        yield [Volume(**row._mapping) for row in rows]


async def hold(ctx: Ctx, volume_id: UUID) -> Volume | None:
    """The row as it is now, which nobody changes until this transaction ends."""
    row = (await ctx.execute(HELD, {"id_": volume_id})).one_or_none()
    return None if row is None else Volume(**row._mapping)


async def add(ctx: Ctx, volume: Volume) -> None:
    await ctx.execute(ADD, msgspec.structs.asdict(volume))


async def change(ctx: Ctx, volume_id: UUID, **columns: Any) -> None:
    await ctx.execute(CHANGE, {"id_": volume_id, **columns})


async def make_available(ctx: Ctx, volume_id: UUID) -> str:
    """It is made. Returns whose it is."""
    return str((await ctx.execute(AVAILABLE, {"id_": volume_id, "updated_at": ctx.now()})).scalar_one())


async def take_target_size(ctx: Ctx, volume_id: UUID) -> None:
    """It is as large as it was to become."""
    await ctx.execute(GROWN, {"id_": volume_id})


async def remove(ctx: Ctx, volume_id: UUID) -> str | None:
    """Returns whose it was; None when it is gone already."""
    return (await ctx.execute(REMOVE, {"id_": volume_id})).scalar()


async def any_of_snapshot(ctx: Ctx, snapshot_id: UUID) -> bool:
    """Whether a volume is just being made of this snapshot, or filled anew of it."""
    return (await ctx.execute(MADE_OF_SNAPSHOT, {"id_": snapshot_id})).first() is not None


async def any_of_type(ctx: Ctx, type_id: UUID) -> bool:
    return (await ctx.execute(sa.select(volumes.c.id).where(volumes.c.type_id == type_id).limit(1))).first() is not None


def promised() -> sa.Select[Any]:
    """(host, GiB) of each."""
    return sa.select(volumes.c.host, volumes.c.target_gib)


def counted(owners: Owners, type_id: UUID | None = None) -> sa.Select[Any]:
    query = sa.select(sa.func.count()).where(volumes.c.project_id.in_(owners))
    return query if type_id is None else query.where(volumes.c.type_id == type_id)


def gigabytes(owners: Owners, type_id: UUID | None = None) -> sa.Select[Any]:
    query = sa.select(sa.func.coalesce(sa.func.sum(volumes.c.target_gib), 0)).where(volumes.c.project_id.in_(owners))
    return query if type_id is None else query.where(volumes.c.type_id == type_id)


async def count_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many these projects have, and the names (or ids) of a few."""
    query = sa.select(volumes.c.name, volumes.c.id, sa.func.count().over()).where(volumes.c.project_id.in_(project_ids))
    rows = (await ctx.execute(query.order_by(volumes.c.name, volumes.c.id).limit(5))).all()
    return (rows[0][2] if rows else 0), [row[0] or str(row[1]) for row in rows]


async def undeleted_of(ctx: Ctx, project_ids: Sequence[str], most: int) -> list[Volume]:
    left = ALL.where(volumes.c.project_id.in_(project_ids), volumes.c.status != "deleting")
    return [Volume(**row._mapping) for row in await ctx.execute(left.order_by(volumes.c.id).limit(most))]
