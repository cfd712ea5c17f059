"""The tables behind flavors. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.filters import Condition
from pileus.kernel.paging import Listing, Page, Sort

flavors = sa.Table(
    "compute_flavor",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("memory_mib", sa.BigInteger, nullable=False),
    sa.Column("vcpus", sa.BigInteger, nullable=False),
    sa.Column("disk_gib", sa.BigInteger, nullable=False),
    sa.Column("ephemeral_gib", sa.BigInteger, nullable=False),
    sa.Column("swap_mib", sa.BigInteger, nullable=False),
    sa.Column("rxtx_factor", sa.Float, nullable=False),  # kept and shown; it has no effect, as in Nova
    sa.Column("is_public", sa.Boolean, nullable=False),
    sa.Column("description", Text),
    sa.Column("extra_specs", JSON, nullable=False),
    sa.Column("made_at", sa.Float, nullable=False),
    sa.Column("changed_at", sa.Float),
)

access = sa.Table(
    "compute_flavor_access",
    metadata,
    sa.Column("flavor_id", Text, sa.ForeignKey("compute_flavor.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("project_id", Text, primary_key=True, index=True),
)


class Flavor(msgspec.Struct, frozen=True, kw_only=True):
    """A row: all that a server remembers of it, too."""

    id: str
    name: str
    memory_mib: int
    vcpus: int
    disk_gib: int
    ephemeral_gib: int = 0
    swap_mib: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    description: str | None = None
    extra_specs: dict[str, str] = {}
    made_at: float = 0.0
    changed_at: float | None = None


ALL = sa.select(*(flavors.c[name] for name in Flavor.__struct_fields__))
KEYS = {
    "id": flavors.c.id,
    "flavorid": flavors.c.id,
    "name": flavors.c.name,
    "memory_mb": flavors.c.memory_mib,
    "vcpus": flavors.c.vcpus,
    "root_gb": flavors.c.disk_gib,
    "ephemeral_gb": flavors.c.ephemeral_gib,
    "swap": flavors.c.swap_mib,
    "rxtx_factor": flavors.c.rxtx_factor,
    "is_public": flavors.c.is_public,
    "description": flavors.c.description,
    "created_at": flavors.c.made_at,
    "updated_at": flavors.c.changed_at,
    "disabled": flavors.c.id,  # all are alike in these two
    "vcpu_weight": flavors.c.id,
}
LISTING = Listing(flavors.c.id, KEYS)


def read(row: sa.Row[Any]) -> Flavor:
    return Flavor(**row._mapping)


def seen_by(project_id: str | None) -> Condition:
    """Those that a project may use."""
    given = sa.select(access.c.flavor_id).where(access.c.project_id == (project_id or ""))
    return sa.or_(flavors.c.is_public, flavors.c.id.in_(given))


async def find(ctx: Ctx, flavor_id: str, *visible: Condition) -> Flavor | None:
    row = (await ctx.execute(ALL.where(flavors.c.id == flavor_id, *visible))).one_or_none()
    return None if row is None else read(row)


async def by_ids(ctx: Ctx, ids: Collection[str]) -> dict[str, Flavor]:
    return {row.id: read(row) for row in await ctx.execute(ALL.where(flavors.c.id.in_(ids)))}


async def named(ctx: Ctx, name: str) -> Flavor | None:
    row = (await ctx.execute(ALL.where(flavors.c.name == name))).one_or_none()
    return None if row is None else read(row)


async def page(
    ctx: Ctx, visible: Condition, asked: Mapping[str, Any], sort: Sort, limit: int | None, marker: str | None
) -> tuple[list[Flavor], Page]:
    rows = ALL
    if "is_public" in asked:
        rows = rows.where(flavors.c.is_public == asked["is_public"])
    if "min_memory_mib" in asked:
        rows = rows.where(flavors.c.memory_mib >= sa.literal(asked["min_memory_mib"], sa.BigInteger()))
    if "min_disk_gib" in asked:
        rows = rows.where(flavors.c.disk_gib >= sa.literal(asked["min_disk_gib"], sa.BigInteger()))
    if "name" in asked:
        rows = rows.where(flavors.c.name == asked["name"])
    ask, order = LISTING.ask(limit, marker), LISTING.order([sort])
    found = await LISTING.page(ctx, rows, visible=visible, order=order, ask=ask)
    return [read(row) for row in found.rows], found


async def add(ctx: Ctx, rows: Sequence[Flavor]) -> None:
    await ctx.execute(flavors.insert(), [msgspec.structs.asdict(flavor) for flavor in rows])


async def change(ctx: Ctx, flavor_id: str, **columns: Any) -> None:
    await ctx.execute(flavors.update().where(flavors.c.id == flavor_id).values(**columns))


async def delete(ctx: Ctx, flavor_id: str) -> None:
    await ctx.execute(flavors.delete().where(flavors.c.id == flavor_id))


# who may use those that are not public


async def given_to(ctx: Ctx, flavor_id: str) -> list[str]:
    query = sa.select(access.c.project_id).where(access.c.flavor_id == flavor_id).order_by(access.c.project_id)
    return list((await ctx.execute(query)).scalars())


async def give(ctx: Ctx, flavor_id: str, project_id: str) -> None:
    await ctx.execute(access.insert().values(flavor_id=flavor_id, project_id=project_id))


async def take(ctx: Ctx, flavor_id: str, project_id: str) -> int:
    """How many rows went: 1, or 0."""
    gone = access.delete().where(access.c.flavor_id == flavor_id, access.c.project_id == project_id)
    return (await ctx.execute(gone)).rowcount


async def forget_projects(ctx: Ctx, project_ids: Sequence[str]) -> None:
    await ctx.execute(access.delete().where(access.c.project_id.in_(project_ids)))
