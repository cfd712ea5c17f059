"""The tables behind projects, domains and their tags. Only this noun imports this module.

A domain is a project with `is_domain`, no domain and no parent; a project of the first level has its domain as parent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.filters import Condition
from pileus.kernel.http import Query
from pileus.services.identity.lists import Field, Found, Listed

projects = sa.Table(
    "identity_project",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("domain_id", Text, sa.ForeignKey("identity_project.id"), index=True),
    sa.Column("parent_id", Text, sa.ForeignKey("identity_project.id"), index=True),
    sa.Column("is_domain", sa.Boolean, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("description", Text),
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

tags = sa.Table(
    "identity_project_tag",
    metadata,
    sa.Column("project_id", Text, sa.ForeignKey("identity_project.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", Text, primary_key=True, index=True),
)


class TagList(sa.types.UserDefinedType[list[str]]):
    """The tags of a project, which have no comma, out of one text."""

    cache_ok = True

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[str | None], list[str]]:
        return lambda text: sorted(text.split(",")) if text else []


class Project(msgspec.Struct, frozen=True):
    id: str
    name: str
    domain_id: str | None
    parent_id: str | None
    is_domain: bool
    enabled: bool
    description: str | None
    options: dict[str, Any]
    extra: dict[str, Any]
    tags: list[str] = []


_tags = sa.select(sa.func.aggregate_strings(tags.c.name, ",")).where(tags.c.project_id == projects.c.id)
ALL = sa.select(
    *(projects.c[name] for name in Project.__struct_fields__ if name != "tags"),
    sa.type_coerce(_tags.scalar_subquery(), TagList).label("tags"),
)
LISTED = Listed(
    Project,
    ALL,
    projects.c.id,
    filters={
        "name": Field(projects.c.name),
        "domain_id": Field(projects.c.domain_id),
        "parent_id": Field(projects.c.parent_id),
        "enabled": Field(projects.c.enabled, "boolean"),
        "is_domain": Field(projects.c.is_domain, "boolean"),
    },
)
DOMAINS = Listed(
    Project,
    ALL.where(projects.c.is_domain),
    projects.c.id,
    filters={"name": Field(projects.c.name), "enabled": Field(projects.c.enabled, "boolean")},
)
BY_IDS = ALL.where(projects.c.id.in_(sa.bindparam("ids", expanding=True)))
DOMAIN_NAMED = ALL.where(projects.c.is_domain, projects.c.name == sa.bindparam("name"))
NAMED = ALL.where(projects.c.domain_id == sa.bindparam("domain_id"), projects.c.name == sa.bindparam("name"))

_domain = projects.alias()
ENABLED = projects.c.enabled & projects.c.domain_id.in_(sa.select(_domain.c.id).where(_domain.c.enabled))
"""A project that is, and its domain."""

_up = (
    sa.select(projects.c.id, projects.c.parent_id, sa.literal(0).label("height"))
    .where(projects.c.id == sa.bindparam("project_id"))
    .cte(recursive=True)
)
_parent = projects.alias()
_up = _up.union_all(
    sa.select(_parent.c.id, _parent.c.parent_id, _up.c.height + 1).join(_up, _parent.c.id == _up.c.parent_id)
)
ANCESTORS = sa.select(_up.c.id).where(_up.c.height > 0).order_by(_up.c.height)

_down = (
    sa.select(projects.c.id, sa.literal(0).label("depth"))
    .where(projects.c.id.in_(sa.bindparam("ids", expanding=True)))
    .cte(recursive=True)
)
_child = projects.alias()
_down = _down.union_all(sa.select(_child.c.id, _down.c.depth + 1).join(_down, _child.c.parent_id == _down.c.id))
BELOW = (
    sa.select(_down.c.id)
    .where(_down.c.id.not_in(sa.bindparam("ids", expanding=True)))
    .order_by(_down.c.depth, _down.c.id)
)
_each = (
    sa.select(projects.c.parent_id.label("above_id"), projects.c.id)
    .where(projects.c.parent_id.in_(sa.bindparam("ids", expanding=True)))
    .cte(recursive=True)
)
_grandchild = projects.alias()
_each = _each.union_all(
    sa.select(_each.c.above_id, _grandchild.c.id).join(_each, _grandchild.c.parent_id == _each.c.id)
)
BELOW_EACH = sa.select(_each.c.above_id, _each.c.id)
CHILDREN = sa.select(projects.c.id).where(projects.c.parent_id == sa.bindparam("project_id")).limit(1)


async def by_ids(ctx: Ctx, ids: Sequence[str]) -> dict[str, Project]:
    return {row[0]: Project(*row) for row in await ctx.execute(BY_IDS, {"ids": list(ids)})}


async def named(ctx: Ctx, name: str, *, domain_id: str | None) -> Project | None:
    """The project of that name in the domain; without one, the domain of that name."""
    if domain_id is None:
        row = (await ctx.execute(DOMAIN_NAMED, {"name": name})).one_or_none()
    else:
        row = (await ctx.execute(NAMED, {"name": name, "domain_id": domain_id})).one_or_none()
    return None if row is None else Project(*row)


async def page(ctx: Ctx, query: Query, visible: Mapping[str, Any]) -> Found[Project]:
    """Those that the query string asks for, of those with the columns in `visible`."""
    seen = [projects.c[name] == value for name, value in visible.items()]
    return await LISTED.page(ctx, query, *seen, narrowed=list(tagged(query)))


async def is_enabled(ctx: Ctx, project_id: str) -> bool:
    """Whether there is such a project, enabled, in a domain that is enabled."""
    query = sa.select(projects.c.id).where(projects.c.id == project_id, ENABLED)
    return (await ctx.execute(query)).first() is not None


async def page_among(ctx: Ctx, query: Query, ids: sa.Select[Any], *, enabled: bool = False) -> Found[Project]:
    """The projects that the query string asks for, of those whose ids this gives; `enabled`: and that are, with their domain."""
    seen = [projects.c.id.in_(ids), *([ENABLED] if enabled else [])]
    return await LISTED.page(ctx, {"is_domain": ["false"], **query}, *seen, narrowed=list(tagged(query)))


async def domains_page(ctx: Ctx, query: Query, domain_id: str | None) -> Found[Project]:
    return await DOMAINS.page(ctx, query, *([] if domain_id is None else [projects.c.id == domain_id]))


async def domains_among(ctx: Ctx, query: Query, ids: sa.Select[Any]) -> Found[Project]:
    """The enabled domains that the query string asks for, of those whose ids this gives."""
    return await DOMAINS.page(ctx, query, projects.c.id.in_(ids), projects.c.enabled)


def tagged(query: Query) -> Iterable[Condition]:
    """The conditions that the filters by tags put: `tags` has all of them, `tags-any` one of them, `not-` neither."""
    for name in ("tags", "tags-any", "not-tags", "not-tags-any"):
        for value in query.get(name, ()):
            wanted = set(value.split(","))
            having = sa.select(tags.c.project_id).where(tags.c.name.in_(wanted))
            if not name.endswith("any"):
                having = having.group_by(tags.c.project_id).having(sa.func.count() == len(wanted))
            yield projects.c.id.not_in(having) if name.startswith("not-") else projects.c.id.in_(having)


async def ancestor_ids(ctx: Ctx, project_id: str) -> list[str]:
    """The nearest first."""
    return [row[0] for row in await ctx.execute(ANCESTORS, {"project_id": project_id})]


async def ids_below(ctx: Ctx, ids: Sequence[str]) -> list[str]:
    """Level by level: what stands later has no parent that stands later still."""
    return [row[0] for row in await ctx.execute(BELOW, {"ids": list(ids)})]


def subtree_ids(project_id: str) -> sa.Select[tuple[str]]:
    """A SELECT of the ids of a project or domain and all below, for an IN."""
    down = sa.select(projects.c.id).where(projects.c.id == project_id).cte(recursive=True)
    child = projects.alias()
    return sa.select(down.union_all(sa.select(child.c.id).join(down, child.c.parent_id == down.c.id)).c.id)


async def below_each(ctx: Ctx, ids: Collection[str]) -> dict[str, list[str]]:
    """The ids of all below each of these, at any depth, if there are any."""
    found: dict[str, list[str]] = {}
    for above_id, id_ in await ctx.execute(BELOW_EACH, {"ids": sorted(ids)}):
        found.setdefault(above_id, []).append(id_)
    return found


def below_ids(ids: sa.Select[Any]) -> sa.Select[Any]:
    """A SELECT of the ids of all below those whose ids this gives, for an IN."""
    found = sa.select(projects.c.id).where(projects.c.parent_id.in_(ids)).cte(recursive=True)
    below = projects.alias()
    return sa.select(found.union(sa.select(below.c.id).join(found, below.c.parent_id == found.c.id)).c.id)


def ids_in(domain_id: Any) -> sa.Select[Any]:
    """A SELECT of the ids of a domain's projects, for an IN."""
    return sa.select(projects.c.id).where(projects.c.domain_id == domain_id)


async def has_children(ctx: Ctx, project_id: str) -> bool:
    return (await ctx.execute(CHILDREN, {"project_id": project_id})).first() is not None


async def has_enabled_children(ctx: Ctx, project_id: str) -> bool:
    return (await ctx.execute(CHILDREN.where(projects.c.enabled), {"project_id": project_id})).first() is not None


async def immutable_below(ctx: Ctx, project_id: str) -> str | None:
    """The id of a project below that one that is immutable."""
    immutable = projects.c.options["immutable"].as_boolean()
    query = sa.select(projects.c.id).where(projects.c.id.in_(BELOW), immutable).limit(1)
    return (await ctx.execute(query, {"ids": [project_id]})).scalar()


async def lock(ctx: Ctx, ids: Sequence[str]) -> None:
    """Wait for those who hold one of them, and let nobody hold one until this transaction ends."""
    await ctx.hold(sa.select(projects.c.id).where(projects.c.id.in_(ids)).with_for_update())


HOLD = sa.select(projects.c.enabled).where(projects.c.id == sa.bindparam("id_")).with_for_update(read=True)


async def hold(ctx: Ctx, project_id: str) -> bool:
    """Let nobody disable or delete the project until this transaction ends. False when it is not there, or disabled."""
    return bool((await ctx.execute(HOLD, {"id_": project_id})).scalar())


async def disable(ctx: Ctx, ids: Sequence[str]) -> list[str]:
    """Those of them that were enabled."""
    enabled = projects.update().where(projects.c.id.in_(ids), projects.c.enabled).values(enabled=False)
    return [row[0] for row in await ctx.execute(enabled.returning(projects.c.id))]


async def add(ctx: Ctx, project: Project) -> None:
    columns = msgspec.structs.asdict(project)
    del columns["tags"]
    await ctx.execute(projects.insert().values(**columns))
    await _add_tags(ctx, project.id, project.tags)


async def change(ctx: Ctx, project_id: str, columns: Mapping[str, Any]) -> None:
    """Write these columns; `tags` are all of them."""
    own = {name: value for name, value in columns.items() if name != "tags"}
    if own:
        await ctx.execute(projects.update().where(projects.c.id == project_id).values(**own))
    if "tags" in columns:
        await ctx.execute(tags.delete().where(tags.c.project_id == project_id))
        await _add_tags(ctx, project_id, columns["tags"])


async def _add_tags(ctx: Ctx, project_id: str, names: Sequence[str]) -> None:
    if names:
        await ctx.execute(tags.insert(), [{"project_id": project_id, "name": name} for name in names])


async def delete(ctx: Ctx, ids: Sequence[str]) -> None:
    await ctx.execute(projects.delete().where(projects.c.id.in_(ids)))
