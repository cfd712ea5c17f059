"""The table behind migrations. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.errors import BadRequest, CloudError
from pileus.kernel.filters import Condition
from pileus.kernel.paging import Listing, Page, Sort

migrations = sa.Table(
    "compute_migration",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),  # its id in the API
    sa.Column("id", sa.Uuid, nullable=False, unique=True),  # of the operation; the API's uuid
    sa.Column("server_id", sa.Uuid, sa.ForeignKey("compute_server.id", ondelete="CASCADE"), nullable=False),
    sa.Column("type", Text, nullable=False),  # migration | resize | evacuation | live-migration
    sa.Column("status", Text, nullable=False),
    sa.Column("source", Text, nullable=False),
    sa.Column("dest", Text),  # None until it is known
    sa.Column("old_flavor", Text, nullable=False),
    sa.Column("new_flavor", Text, nullable=False),
    sa.Column("user_id", Text, nullable=False),  # who asked for it
    sa.Column("project_id", Text),
    sa.Column("progress", JSON, nullable=False),  # of a live one: engines.hypervisor.Progress
    sa.Column("hurried", sa.Boolean, nullable=False),
    sa.Column("called_off", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index("compute_migration_server", "server_id"),
    sa.Index("compute_migration_listed", "created_at", "id"),
    sqlite_autoincrement=True,
)
is_evacuated = sa.and_(migrations.c.type == "evacuation", migrations.c.status == "done")
sa.Index("compute_migration_evacuated", migrations.c.source, sqlite_where=is_evacuated, postgresql_where=is_evacuated)
COMPLETE = migrations.update().where(is_evacuated, migrations.c.source == sa.bindparam("host_"))


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """A server on its way to another host, or one that was. Times are seconds since the epoch. `hurried`, `called_off`: what
    was asked of it meanwhile."""

    number: int
    id: UUID
    server_id: UUID
    type: str
    status: str
    source: str
    dest: str | None
    old_flavor: str
    new_flavor: str
    user_id: str
    project_id: str | None
    progress: dict[str, int] = {}
    hurried: bool = False
    called_off: bool = False
    created_at: float
    updated_at: float


def missing(marker: str) -> CloudError:
    return BadRequest(f"Marker {marker[:80]} could not be found.")


LISTING = Listing(
    migrations.c.id,
    {"created_at": migrations.c.created_at},
    default=(Sort("created_at", descending=True),),
    missing=missing,
)


def read(rows: Sequence[sa.Row[Any]]) -> list[Migration]:
    return [Migration(**row._mapping) for row in rows]


async def add(ctx: Ctx, **columns: Any) -> None:
    new = {"progress": {}, "hurried": False, "called_off": False, "created_at": ctx.now(), "updated_at": ctx.now()}
    await ctx.execute(migrations.insert().values(**new, **columns))


async def change(ctx: Ctx, which: Condition, **columns: Any) -> None:
    await ctx.execute(migrations.update().where(which).values(updated_at=ctx.now(), **columns))


async def complete(ctx: Ctx, host: str) -> None:
    await ctx.execute(COMPLETE, {"host_": host, "status": "completed", "updated_at": ctx.now()})


async def find(ctx: Ctx, which: Condition) -> list[Migration]:
    return read((await ctx.execute(sa.select(migrations).where(which).order_by(migrations.c.number))).all())


async def page(
    ctx: Ctx, narrowed: Sequence[Condition], visible: Condition, *, limit: int | None, marker: str | None
) -> tuple[list[Migration], Page]:
    found = await LISTING.page(
        ctx,
        sa.select(migrations).where(*narrowed),
        visible=visible,
        order=LISTING.order(),
        ask=LISTING.ask(limit, marker),
    )
    return read(found.rows), found
