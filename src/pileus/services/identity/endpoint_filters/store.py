"""The tables behind endpoint filters. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Field, Found, Listed

groups = sa.Table(
    "identity_endpoint_group",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("description", Text),
    sa.Column("filters", JSON, nullable=False),  # rules.matches
)


def shares(name: str, column: str, of: str) -> sa.Table:
    """A table that says what a project is given of something."""
    return sa.Table(
        name,
        metadata,
        sa.Column("project_id", Text, sa.ForeignKey("identity_project.id", ondelete="CASCADE"), primary_key=True),
        sa.Column(column, Text, sa.ForeignKey(of, ondelete="CASCADE"), primary_key=True, index=True),
    )


project_endpoints = shares("identity_project_endpoint", "endpoint_id", "identity_endpoint.id")
project_groups = shares("identity_project_endpoint_group", "group_id", "identity_endpoint_group.id")


class Group(msgspec.Struct, frozen=True):
    id: str
    name: str
    description: str | None
    filters: dict[str, Any]


ALL = sa.select(*(groups.c[name] for name in Group.__struct_fields__))
BY_ID = ALL.where(groups.c.id == sa.bindparam("group_id"))
OF_PROJECT = ALL.join(project_groups, project_groups.c.group_id == groups.c.id).where(
    project_groups.c.project_id == sa.bindparam("project_id")
)
ANY = sa.select(
    sa.exists(sa.select(project_endpoints.c.project_id)) | sa.exists(sa.select(project_groups.c.project_id))
)
LISTED = Listed(Group, ALL, groups.c.id, filters={"name": Field(groups.c.name)})


async def page(ctx: Ctx, query: Query) -> Found[Group]:
    """The groups that the query string asks for. Raises BadRequest."""
    return await LISTED.page(ctx, query)


async def get(ctx: Ctx, group_id: str) -> Group | None:
    row = (await ctx.execute(BY_ID, {"group_id": group_id})).one_or_none()
    return None if row is None else Group(*row)


async def groups_of(ctx: Ctx, project_id: str) -> list[Group]:
    """By id."""
    rows = await ctx.execute(OF_PROJECT.order_by(groups.c.id), {"project_id": project_id})
    return [Group(*row) for row in rows]


async def add(ctx: Ctx, group: Group) -> None:
    await ctx.execute(groups.insert().values(**msgspec.structs.asdict(group)))


async def change(ctx: Ctx, group_id: str, columns: Mapping[str, Any]) -> None:
    await ctx.execute(groups.update().where(groups.c.id == group_id).values(**columns))


async def delete(ctx: Ctx, group_id: str) -> None:
    await ctx.execute(groups.delete().where(groups.c.id == group_id))


async def any_share(ctx: Ctx) -> bool:
    """Whether any project is given anything."""
    return bool((await ctx.execute(ANY)).scalar_one())


async def has(ctx: Ctx, table: sa.Table, row: Mapping[str, str]) -> bool:
    query = sa.select(table.c.project_id).where(*(table.c[name] == value for name, value in row.items()))
    return (await ctx.execute(query)).first() is not None


async def endpoint_ids_of(ctx: Ctx, project_id: str) -> set[str]:
    query = sa.select(project_endpoints.c.endpoint_id).where(project_endpoints.c.project_id == project_id)
    return {row[0] for row in await ctx.execute(query)}


async def project_ids_with(ctx: Ctx, table: sa.Table, column: str, thing_id: str) -> list[str]:
    """Sorted."""
    query = sa.select(table.c.project_id).where(table.c[column] == thing_id).order_by(table.c.project_id)
    return [row[0] for row in await ctx.execute(query)]


async def share(ctx: Ctx, table: sa.Table, row: Mapping[str, str]) -> None:
    await ctx.execute(table.insert().values(**row))


async def unshare(ctx: Ctx, table: sa.Table, row: Mapping[str, str]) -> None:
    await ctx.execute(table.delete().where(*(table.c[name] == value for name, value in row.items())))
