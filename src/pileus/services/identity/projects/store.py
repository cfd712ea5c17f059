"""The table behind projects and domains. Only this noun imports this module.

A domain is a project with `is_domain`, no domain and no parent; a project of the first level has its domain as parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata

projects = sa.Table(
    "identity_project",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("domain_id", Text, sa.ForeignKey("identity_project.id"), index=True),
    sa.Column("parent_id", Text, sa.ForeignKey("identity_project.id"), index=True),
    sa.Column("is_domain", sa.Boolean, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("description", Text, nullable=False),
    sa.Column("options", JSON, nullable=False),  # immutable
    sa.Column("extra", JSON, nullable=False),  # what callers added; shown beside the rest
    sa.Index("identity_project_name_uq", "domain_id", "name", unique=True),
    sa.Index(
        "identity_domain_name_uq",  # two NULLs are not equal, so domains need an index of their own
        "name",
        unique=True,
        sqlite_where=sa.text("is_domain"),
        postgresql_where=sa.text("is_domain"),
    ),
)


class Project(msgspec.Struct, frozen=True):
    id: str
    name: str
    domain_id: str | None
    parent_id: str | None
    is_domain: bool
    enabled: bool
    description: str
    options: dict[str, Any]
    extra: dict[str, Any]


ALL = sa.select(*(projects.c[name] for name in Project.__struct_fields__))
BY_IDS = ALL.where(projects.c.id.in_(sa.bindparam("ids", expanding=True)))
DOMAIN_NAMED = ALL.where(projects.c.is_domain, projects.c.name == sa.bindparam("name"))
NAMED = ALL.where(projects.c.domain_id == sa.bindparam("domain_id"), projects.c.name == sa.bindparam("name"))

_up = (
    sa.select(projects.c.id, projects.c.parent_id)
    .where(projects.c.id == sa.bindparam("project_id"))
    .cte(recursive=True)
)
_parent = projects.alias()
_up = _up.union_all(sa.select(_parent.c.id, _parent.c.parent_id).join(_up, _parent.c.id == _up.c.parent_id))
ANCESTORS = sa.select(_up.c.id).where(_up.c.id != sa.bindparam("project_id"))

_down = sa.select(projects.c.id).where(projects.c.id.in_(sa.bindparam("ids", expanding=True))).cte(recursive=True)
_child = projects.alias()
_down = _down.union_all(sa.select(_child.c.id).join(_down, _child.c.parent_id == _down.c.id))
BELOW = sa.select(_down.c.id).where(_down.c.id.not_in(sa.bindparam("ids", expanding=True)))


async def by_ids(ctx: Ctx, ids: Sequence[str]) -> dict[str, Project]:
    return {row[0]: Project(*row) for row in await ctx.execute(BY_IDS, {"ids": list(ids)})}


async def named(ctx: Ctx, name: str, *, domain_id: str | None) -> Project | None:
    """The project of that name in the domain; without one, the domain of that name."""
    if domain_id is None:
        row = (await ctx.execute(DOMAIN_NAMED, {"name": name})).one_or_none()
    else:
        row = (await ctx.execute(NAMED, {"name": name, "domain_id": domain_id})).one_or_none()
    return None if row is None else Project(*row)


async def list_(ctx: Ctx, columns: Mapping[str, Any], ids: Sequence[str] | None) -> list[Project]:
    query = ALL.where(*(projects.c[name] == value for name, value in columns.items())).order_by(projects.c.id)
    if ids is not None:
        query = query.where(projects.c.id.in_(ids))
    return [Project(*row) for row in await ctx.execute(query)]


async def ancestor_ids(ctx: Ctx, project_id: str) -> list[str]:
    return [row[0] for row in await ctx.execute(ANCESTORS, {"project_id": project_id})]


async def ids_below(ctx: Ctx, ids: Sequence[str]) -> set[str]:
    return {row[0] for row in await ctx.execute(BELOW, {"ids": list(ids)})}


async def has_children(ctx: Ctx, project_id: str) -> bool:
    query = sa.select(projects.c.id).where(projects.c.parent_id == project_id).limit(1)
    return (await ctx.execute(query)).first() is not None


async def has_enabled_children(ctx: Ctx, project_id: str) -> bool:
    query = sa.select(projects.c.id).where(projects.c.parent_id == project_id, projects.c.enabled).limit(1)
    return (await ctx.execute(query)).first() is not None


async def add(ctx: Ctx, project: Project) -> None:
    await ctx.execute(projects.insert().values(**msgspec.structs.asdict(project)))


async def change(ctx: Ctx, project_id: str, **columns: Any) -> None:
    await ctx.execute(projects.update().where(projects.c.id == project_id).values(**columns))


async def delete(ctx: Ctx, project_id: str) -> None:
    await ctx.execute(projects.delete().where(projects.c.id == project_id))
