"""The tables behind security groups: the groups, and which ports are in them. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.filters import Condition

groups = sa.Table(
    "network_security_group",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("project_id", Text, nullable=False, index=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("description", Text, nullable=False),
    sa.Column("stateful", sa.Boolean, nullable=False),
    sa.Column("is_default", sa.Boolean, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),  # and not yet gone from the overlay
    sa.Column("created_at", sa.Double, nullable=False),  # seconds since the epoch
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("revision_number", sa.BigInteger, nullable=False),
    sa.Column("wanted_generation", sa.BigInteger, nullable=False),
    sa.Column("done_generation", sa.BigInteger, nullable=False),
)
is_there = groups.c.deleted.is_(False)
is_the_default = sa.and_(groups.c.is_default, is_there)
sa.Index(
    "network_security_group_default",
    groups.c.project_id,
    unique=True,
    sqlite_where=is_the_default,
    postgresql_where=is_the_default,
)

members = sa.Table(
    "network_security_group_member",
    metadata,
    sa.Column("port_id", sa.Uuid, primary_key=True),
    sa.Column("security_group_id", sa.Uuid, sa.ForeignKey("network_security_group.id"), primary_key=True, index=True),
    sa.Column("project_id", Text, nullable=False),  # the port's
)


class SecurityGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A row."""

    id: UUID
    project_id: str
    name: str
    description: str = ""
    stateful: bool = True
    is_default: bool = False
    deleted: bool = False
    created_at: float = 0.0
    updated_at: float = 0.0
    revision_number: int = 0


ALL = sa.select(*(groups.c[name] for name in SecurityGroup.__struct_fields__))
THERE = ALL.where(is_there)
BY_ID = ALL.where(groups.c.id == sa.bindparam("id_"))
DEFAULT_OF = sa.select(groups.c.id).where(groups.c.project_id == sa.bindparam("project_"), is_the_default)
OF_PORTS = (
    sa.select(members.c.port_id, groups.c.id, groups.c.name)
    .join(groups, groups.c.id == members.c.security_group_id)
    .where(members.c.port_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(members.c.port_id, groups.c.id)
)


def group_of(row: Sequence[Any]) -> SecurityGroup:
    return SecurityGroup(**dict(zip(SecurityGroup.__struct_fields__, row, strict=True)))


async def find(ctx: Ctx, group_id: UUID, visible: Condition = is_there) -> SecurityGroup | None:
    row = (await ctx.execute(BY_ID.where(visible), {"id_": group_id})).one_or_none()
    return None if row is None else group_of(row)


async def by_ids(ctx: Ctx, ids: Collection[UUID], visible: Condition = is_there) -> dict[UUID, SecurityGroup]:
    """Those that are there, and not deleted."""
    query = THERE.where(groups.c.id.in_(list(ids)), visible)
    return {row[0]: group_of(row) for row in await ctx.execute(query)}


async def default_of(ctx: Ctx, project_id: str) -> UUID | None:
    return (await ctx.execute(DEFAULT_OF, {"project_": project_id})).scalar()


async def add(ctx: Ctx, group: SecurityGroup) -> None:
    row = {**msgspec.structs.asdict(group), "wanted_generation": 0, "done_generation": 0}
    await ctx.execute(groups.insert(), row)


async def change(ctx: Ctx, group_id: UUID, **columns: Any) -> None:
    """Write these columns, and raise the revision."""
    values = {**columns, "updated_at": ctx.now(), "revision_number": groups.c.revision_number + 1}
    await ctx.execute(groups.update().where(groups.c.id == group_id).values(**values))


async def remove(ctx: Ctx, group_id: UUID) -> None:
    """One that was deleted."""
    await ctx.execute(groups.delete().where(groups.c.id == group_id, groups.c.deleted))


def count_of(owners: Any) -> sa.Select[Any]:
    return sa.select(sa.func.count()).where(groups.c.project_id.in_(owners), is_there)


async def names_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many rows these projects have, also of what is on its way out, and the names of a few."""
    query = sa.select(groups.c.name, sa.func.count().over()).where(groups.c.project_id.in_(project_ids))
    rows = (await ctx.execute(query.order_by(groups.c.name).limit(5))).all()
    return (rows[0][1] if rows else 0), [row[0] for row in rows]


async def ids_of(ctx: Ctx, project_ids: Sequence[str]) -> list[UUID]:
    query = sa.select(groups.c.id).where(groups.c.project_id.in_(project_ids), is_there, ~has_members())
    return list((await ctx.execute(query.order_by(groups.c.id))).scalars())


# Members


def has_members() -> sa.ColumnElement[bool]:
    return sa.exists().where(members.c.security_group_id == groups.c.id)


async def is_used(ctx: Ctx, group_id: UUID) -> bool:
    query = sa.select(members.c.port_id).where(members.c.security_group_id == group_id).limit(1)
    return (await ctx.execute(query)).first() is not None


async def of_ports(ctx: Ctx, port_ids: Iterable[UUID]) -> Sequence[sa.Row[Any]]:
    """(port, group, name of the group), in order."""
    return (await ctx.execute(OF_PORTS, {"ids": list(port_ids)})).all()


async def join(ctx: Ctx, port_id: UUID, project_id: str, group_ids: Collection[UUID]) -> None:
    if group_ids:
        port = {"port_id": port_id, "project_id": project_id}
        rows = [{**port, "security_group_id": group_id} for group_id in group_ids]
        await ctx.execute(members.insert(), rows)


async def leave(ctx: Ctx, port_id: UUID, group_ids: Collection[UUID]) -> None:
    if group_ids:
        mine = sa.and_(members.c.port_id == port_id, members.c.security_group_id.in_(list(group_ids)))
        await ctx.execute(members.delete().where(mine))


async def users(ctx: Ctx, group_id: UUID) -> set[str]:
    """The projects with a port in the group."""
    query = sa.select(members.c.project_id).where(members.c.security_group_id == group_id).distinct()
    return set((await ctx.execute(query)).scalars())


def in_groups(group_ids: Sequence[UUID]) -> sa.Select[Any]:
    """The ids of ports that are in one of these groups: what stands in an IN."""
    return sa.select(members.c.port_id).where(members.c.security_group_id.in_(list(group_ids)))
