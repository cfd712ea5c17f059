"""The tables behind security groups: the groups, and which ports are in them. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import among, insert_if_new, metadata
from pileus.kernel.filters import Condition
from pileus.kernel.http import Query
from pileus.services.network import standard
from pileus.services.network.lists import Field, Found, Listed
from pileus.services.network.standard import Standard
from pileus.services.network.tags import service as tags

groups = sa.Table(
    "network_security_group",
    metadata,
    *standard.columns(),
    sa.Column("stateful", sa.Boolean, nullable=False),
    sa.Column("is_default", sa.Boolean, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),  # and not yet gone from the overlay
    sa.Column("wanted_generation", sa.BigInteger, nullable=False),
    sa.Column("done_generation", sa.BigInteger, nullable=False),
)
ANY = sa.true()
is_there = groups.c.deleted.is_(False)
is_the_default = sa.and_(groups.c.is_default, is_there)
sa.Index(
    "network_security_group_default",
    groups.c.project_id,
    unique=True,
    sqlite_where=is_the_default,
    postgresql_where=is_the_default,
)


class SecurityGroup(Standard, frozen=True, kw_only=True):
    """A row."""

    stateful: bool = True
    is_default: bool = False
    deleted: bool = False


ALL = sa.select(*(groups.c[name] for name in SecurityGroup.__struct_fields__))
THERE = ALL.where(is_there)
BY_IDS = THERE.where(among(groups.c.id, "ids_"))
BY_ID = ALL.where(groups.c.id == sa.bindparam("id_"))
DEFAULT_OF = sa.select(groups.c.id).where(groups.c.project_id == sa.bindparam("project_"), is_the_default)


def group_of(row: Sequence[Any]) -> SecurityGroup:
    return SecurityGroup(**dict(zip(SecurityGroup.__struct_fields__, row, strict=True)))


LISTED = Listed(
    "security_group",
    SecurityGroup,
    THERE,
    groups.c.id,
    filters={**standard.filters(groups), "stateful": Field(groups.c.stateful, "boolean")},
    more=tags.filters(groups.c.id),
    sorts=("name", "tenant_id", "project_id", "created_at", "updated_at"),
)


async def page(ctx: Ctx, query: Query, *visible: Condition) -> Found[SecurityGroup]:
    return await LISTED.page(ctx, query, *visible)


async def defaults_of(ctx: Ctx, project_ids: Collection[str]) -> list[SecurityGroup]:
    """The default groups of these projects."""
    query = ALL.where(groups.c.project_id.in_(list(project_ids)), is_the_default).order_by(groups.c.id)
    return [SecurityGroup(**row._mapping) for row in await ctx.execute(query)]


def ids_of_those(condition: Condition) -> sa.Select[Any]:
    """The ids of the groups that meet this: what stands in an IN."""
    return sa.select(groups.c.id).where(condition)


async def find(ctx: Ctx, group_id: UUID, visible: Condition = is_there) -> SecurityGroup | None:
    row = (await ctx.execute(BY_ID.where(visible), {"id_": group_id})).one_or_none()
    return None if row is None else group_of(row)


async def by_ids(ctx: Ctx, ids: Collection[UUID], visible: Condition = is_there) -> dict[UUID, SecurityGroup]:
    """Those that are there, and not deleted."""
    query = BY_IDS if visible is is_there else BY_IDS.where(visible)
    return {row[0]: group_of(row) for row in await ctx.execute(query, {"ids_": ids})}


async def hold(ctx: Ctx, ids: Collection[UUID]) -> None:
    """Nobody else changes these rows, or holds them, until the transaction ends."""
    if ids:
        query = sa.select(groups.c.id).where(groups.c.id.in_(list(ids))).order_by(groups.c.id)
        await ctx.hold(query.with_for_update())


async def default_of(ctx: Ctx, project_id: str) -> UUID | None:
    return (await ctx.execute(DEFAULT_OF, {"project_": project_id})).scalar()


async def add(ctx: Ctx, group: SecurityGroup) -> None:
    row = {**msgspec.structs.asdict(group), "wanted_generation": 0, "done_generation": 0}
    await ctx.execute(groups.insert(), row)


CLAIM_DEFAULT = insert_if_new(groups)


async def claim_default(ctx: Ctx, group: SecurityGroup) -> bool:
    """Add the default group of a project; False when it has one: of rivals one gets True, the others see its row."""
    row = {**msgspec.structs.asdict(group), "wanted_generation": 0, "done_generation": 0}
    return bool((await ctx.execute(CLAIM_DEFAULT, row)).rowcount)


async def change(ctx: Ctx, group_id: UUID, **columns: Any) -> None:
    """Write these columns, and raise the revision."""
    values = {**columns, **standard.touched(ctx, groups)}
    await ctx.execute(groups.update().where(groups.c.id == group_id).values(**values))


async def remove(ctx: Ctx, group_id: UUID) -> None:
    """One that was deleted."""
    await ctx.execute(groups.delete().where(groups.c.id == group_id, groups.c.deleted))


async def every_project(ctx: Ctx) -> dict[UUID, str]:
    """Whose each is, of all that are not deleted."""
    return await standard.every_project(ctx, groups, is_there)


def count_of(owners: Any) -> sa.Select[Any]:
    return sa.select(sa.func.count()).where(groups.c.project_id.in_(owners), is_there)


async def names_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many these projects have, and the names of a few.

    But for the default ones, which nobody made and which go with the project.
    """
    return await standard.names_of(ctx, groups, project_ids, groups.c.is_default.is_(False), is_there)


async def ids_of(ctx: Ctx, project_ids: Sequence[str]) -> list[UUID]:
    mine = (groups.c.project_id.in_(project_ids), groups.c.is_default.is_(False))
    query = sa.select(groups.c.id).where(*mine, is_there)
    return list((await ctx.execute(query.order_by(groups.c.id))).scalars())
