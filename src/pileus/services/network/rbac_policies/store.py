"""The table behind RBAC policies. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata
from pileus.kernel.http import Query
from pileus.services.network.lists import Condition, Field, Found, Listed

EVERYBODY = "*"

policies = sa.Table(
    "network_rbac_policy",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("project_id", Text, nullable=False, index=True),
    sa.Column("object_type", Text, nullable=False),
    sa.Column("object_id", sa.Uuid, nullable=False),
    sa.Column("action", Text, nullable=False),
    sa.Column("target_project", Text, nullable=False),  # EVERYBODY, or the id of a project
    sa.Index("network_rbac_policy_once", "object_type", "object_id", "action", "target_project", unique=True),
    sa.Index("network_rbac_policy_target", "object_type", "action", "target_project"),
)


class RbacPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A row: projects like `target_project` may do `action` with the object."""

    id: UUID
    project_id: str
    object_type: str
    object_id: UUID
    action: str
    target_project: str


ALL = sa.select(*(policies.c[name] for name in RbacPolicy.__struct_fields__))
BY_ID = ALL.where(policies.c.id == sa.bindparam("id_"))
OF_OBJECTS = ALL.where(policies.c.object_type == sa.bindparam("type_"), among(policies.c.object_id, "ids_")).order_by(
    policies.c.id
)


def policy_of(row: Any) -> RbacPolicy:
    return RbacPolicy(**row._mapping)


LISTED = Listed(
    "rbac_policy",
    RbacPolicy,
    ALL,
    policies.c.id,
    filters={
        "project_id": Field(policies.c.project_id),
        "tenant_id": Field(policies.c.project_id),
        "object_type": Field(policies.c.object_type),
        "object_id": Field(policies.c.object_id, "uuid"),
        "action": Field(policies.c.action),
        "target_project": Field(policies.c.target_project),
        "target_tenant": Field(policies.c.target_project),
    },
)


async def page(ctx: Ctx, query: Query, *visible: Condition) -> Found[RbacPolicy]:
    return await LISTED.page(ctx, query, *visible)


async def find(ctx: Ctx, policy_id: UUID, visible: Condition) -> RbacPolicy | None:
    row = (await ctx.execute(BY_ID.where(visible), {"id_": policy_id})).one_or_none()
    return None if row is None else policy_of(row)


async def of_objects(ctx: Ctx, object_type: str, object_ids: Collection[UUID]) -> list[RbacPolicy]:
    """In the order of their ids."""
    return [policy_of(row) for row in await ctx.execute(OF_OBJECTS, {"type_": object_type, "ids_": object_ids})]


async def same(ctx: Ctx, policy: RbacPolicy) -> UUID | None:
    """The policy that says what this one says, if there is one."""
    columns = ("object_type", "object_id", "action", "target_project")
    query = sa.select(policies.c.id).where(*(policies.c[name] == getattr(policy, name) for name in columns))
    return (await ctx.execute(query)).scalar()


async def add(ctx: Ctx, policy: RbacPolicy) -> None:
    await ctx.execute(policies.insert(), msgspec.structs.asdict(policy))


async def change(ctx: Ctx, policy_id: UUID, target_project: str) -> None:
    await ctx.execute(policies.update().where(policies.c.id == policy_id).values(target_project=target_project))


async def remove(ctx: Ctx, policy_id: UUID) -> None:
    await ctx.execute(policies.delete().where(policies.c.id == policy_id))


async def remove_of(ctx: Ctx, object_type: str, object_id: UUID) -> None:
    await ctx.execute(policies.delete().where(policies.c.object_type == object_type, policies.c.object_id == object_id))


def objects_for(object_type: str, action: str, project_id: str | None) -> sa.Select[Any]:
    """The ids of objects with which this project may do that: what stands in an IN."""
    targets = [EVERYBODY] if project_id is None else [EVERYBODY, project_id]
    return sa.select(policies.c.object_id).where(
        policies.c.object_type == object_type, policies.c.action == action, policies.c.target_project.in_(targets)
    )


def count_of(owners: Any) -> sa.Select[Any]:
    return sa.select(sa.func.count()).where(policies.c.project_id.in_(owners))


async def delete_of(ctx: Ctx, project_ids: Sequence[str]) -> int:
    return (await ctx.execute(policies.delete().where(policies.c.project_id.in_(project_ids)))).rowcount


async def names_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many these projects have, and the ids of a few: they have no names."""
    query = sa.select(policies.c.id, sa.func.count().over()).where(policies.c.project_id.in_(project_ids)).limit(5)
    rows = (await ctx.execute(query)).all()
    return (rows[0][1] if rows else 0), [str(row[0]) for row in rows]
