"""The table behind role assignments. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.services.identity.assignments.rules import Holding, Key
from pileus.services.identity.groups import service as groups
from pileus.services.identity.lists import Condition
from pileus.services.identity.projects import service as projects

assignments = sa.Table(
    "identity_assignment",
    metadata,
    sa.Column("actor_id", Text, primary_key=True),
    sa.Column("target_id", Text, primary_key=True),
    sa.Column("inherited", sa.Boolean, primary_key=True),  # not on the target itself, but on all below it
    sa.Column("role_id", Text, sa.ForeignKey("identity_role.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("actor", Text, nullable=False),  # user | group
    sa.Column("target", Text, nullable=False),  # project | domain | system: then the target's id is `system`
    sa.Index("identity_assignment_target_id_ix", "target_id"),
)


class Assignment(msgspec.Struct, frozen=True):
    actor_id: str
    target_id: str
    role_id: str
    inherited: bool
    actor: str
    target: str


ALL = sa.select(*(assignments.c[name] for name in Assignment.__struct_fields__))


def held_by(user_id: Any) -> Condition:
    """What was granted to a user, or to one of its groups."""
    return sa.or_(assignments.c.actor_id == user_id, assignments.c.actor_id.in_(groups.ids_of(user_id)))


HELD = held_by(sa.bindparam("user_id"))

KEY = (assignments.c.actor_id, assignments.c.target_id, assignments.c.inherited)
HOLDINGS = (
    sa.select(*KEY, assignments.c.actor, assignments.c.target, sa.func.aggregate_strings(assignments.c.role_id, ","))
    .group_by(*KEY, assignments.c.actor, assignments.c.target)
    .order_by(*KEY)
)
ON_TARGET = sa.select(assignments.c.role_id).where(
    HELD,
    sa.or_(
        sa.and_(assignments.c.target_id == sa.bindparam("target_id"), assignments.c.inherited.is_(False)),
        sa.and_(
            assignments.c.target_id.in_(sa.bindparam("above_ids", expanding=True)), assignments.c.inherited.is_(True)
        ),
    ),
)


async def role_ids(ctx: Ctx, user_id: str, target_id: str, above_ids: Sequence[str]) -> set[str]:
    params = {"user_id": user_id, "target_id": target_id, "above_ids": list(above_ids)}
    return {row[0] for row in await ctx.execute(ON_TARGET, params)}


def places_of(user_id: str, target: str, idle_role_ids: Sequence[str]) -> sa.Select[Any]:
    """The ids of the projects, of the domains, or of the system, where a user has a role that is not idle."""
    held = sa.select(assignments.c.target_id).where(held_by(user_id), assignments.c.role_id.not_in(idle_role_ids))
    own = held.where(assignments.c.target == target, assignments.c.inherited.is_(False))
    if target != "project":
        return own
    below = projects.below_ids(held.where(assignments.c.inherited.is_(True)))
    return sa.select(sa.union(own, below).subquery())


async def ids(ctx: Ctx, query: sa.Select[Any]) -> set[str]:
    return {row[0] for row in await ctx.execute(query)}


async def list_(ctx: Ctx, columns: Mapping[str, Any]) -> list[Assignment]:
    query = ALL.where(*(assignments.c[name] == value for name, value in columns.items()))
    order = query.order_by(*(assignments.c[name] for name in ("actor_id", "target_id", "role_id", "inherited")))
    return [Assignment(*row) for row in await ctx.execute(order)]


def on(domain_id: str, project_ids: sa.Select[Any]) -> Condition:
    """What was granted on the domain, or on one of the projects."""
    return (assignments.c.target_id == domain_id) | assignments.c.target_id.in_(project_ids)


async def holdings(
    ctx: Ctx, where: Sequence[Condition], *, since: Key | None, strictly: bool, limit: int
) -> list[Holding]:
    """In the order of their keys, from `since` on; `strictly`: after it."""
    query = HOLDINGS.where(*where).limit(limit)
    if since is not None:
        bound = sa.tuple_(*(sa.bindparam(None, value, column.type) for value, column in zip(since, KEY, strict=True)))
        query = query.where(sa.tuple_(*KEY) > bound if strictly else sa.tuple_(*KEY) >= bound)
    return [Holding._make((*row[:5], tuple(row[5].split(",")))) for row in await ctx.execute(query)]


async def add(ctx: Ctx, assignment: Assignment) -> None:
    await ctx.execute(assignments.insert().values(**msgspec.structs.asdict(assignment)))


async def delete(ctx: Ctx, columns: Mapping[str, Any]) -> int:
    """How many there were."""
    query = assignments.delete().where(*(assignments.c[n] == value for n, value in columns.items()))
    return (await ctx.execute(query)).rowcount


async def delete_of_actors(ctx: Ctx, ids: Sequence[str]) -> None:
    await ctx.execute(assignments.delete().where(assignments.c.actor_id.in_(ids)))


async def delete_of_targets(ctx: Ctx, ids: Sequence[str]) -> None:
    await ctx.execute(assignments.delete().where(assignments.c.target_id.in_(ids)))
