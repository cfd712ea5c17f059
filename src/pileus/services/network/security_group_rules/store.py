"""The table behind rules of security groups. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.http import Query
from pileus.services.network.lists import Condition, Field, Found, Listed
from pileus.services.network.security_group_rules.rules import Match, network_of

rules = sa.Table(
    "network_security_group_rule",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("project_id", Text, nullable=False, index=True),
    sa.Column(
        "security_group_id",
        sa.Uuid,
        sa.ForeignKey("network_security_group.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("direction", Text, nullable=False),
    sa.Column("ethertype", Text, nullable=False),
    sa.Column("protocol", Text),
    sa.Column("port_range_min", sa.Integer),
    sa.Column("port_range_max", sa.Integer),
    sa.Column("remote_ip_prefix", Text),
    sa.Column("normalized_cidr", Text),
    sa.Column("remote_group_id", sa.Uuid, sa.ForeignKey("network_security_group.id", ondelete="CASCADE"), index=True),
    sa.Column("remote_address_group_id", sa.Uuid, sa.ForeignKey("network_address_group.id"), index=True),
    sa.Column("description", Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),  # seconds since the epoch
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
)


class Rule(Match, frozen=True, kw_only=True):
    """A row."""

    id: UUID
    project_id: str
    security_group_id: UUID
    description: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0
    revision: int = 0


ALL = sa.select(*(rules.c[name] for name in Rule.__struct_fields__))
BY_ID = ALL.where(rules.c.id == sa.bindparam("id_"))
OF_GROUPS = ALL.where(rules.c.security_group_id.in_(sa.bindparam("ids", expanding=True))).order_by(
    rules.c.created_at, rules.c.id
)


LISTED = Listed(
    "security_group_rule",
    Rule,
    ALL,
    rules.c.id,
    filters={
        "project_id": Field(rules.c.project_id),
        "tenant_id": Field(rules.c.project_id),
        "security_group_id": Field(rules.c.security_group_id, "uuid"),
        "remote_group_id": Field(rules.c.remote_group_id, "uuid"),
        "remote_address_group_id": Field(rules.c.remote_address_group_id, "uuid"),
        "direction": Field(rules.c.direction),
        "ethertype": Field(rules.c.ethertype),
        "protocol": Field(rules.c.protocol),
        "port_range_min": Field(rules.c.port_range_min, "integer"),
        "port_range_max": Field(rules.c.port_range_max, "integer"),
        "remote_ip_prefix": Field(rules.c.remote_ip_prefix),
        "normalized_cidr": Field(rules.c.normalized_cidr),
        "description": Field(rules.c.description),
        "revision_number": Field(rules.c.revision, "integer"),
        "created_at": Field(rules.c.created_at, "time"),
        "updated_at": Field(rules.c.updated_at, "time"),
        "changed_since": Field(rules.c.updated_at, "time", fixed="gte"),
    },
)


async def page(ctx: Ctx, query: Query, *visible: Condition) -> Found[Rule]:
    return await LISTED.page(ctx, query, *visible)


def of_any(groups: sa.Select[Any]) -> Condition:
    """Those of these groups."""
    return rules.c.security_group_id.in_(groups)


def rule_of(row: Sequence[Any]) -> Rule:
    return Rule(**dict(zip(Rule.__struct_fields__, row, strict=True)))


async def find(ctx: Ctx, rule_id: UUID) -> Rule | None:
    row = (await ctx.execute(BY_ID, {"id_": rule_id})).one_or_none()
    return None if row is None else rule_of(row)


async def of_groups(ctx: Ctx, group_ids: Collection[UUID]) -> list[Rule]:
    """Oldest first."""
    return [rule_of(row) for row in await ctx.execute(OF_GROUPS, {"ids": list(group_ids)})]


async def add(ctx: Ctx, several: Sequence[Rule]) -> None:
    rows = [{**msgspec.structs.asdict(rule), "normalized_cidr": network_of(rule.remote_ip_prefix)} for rule in several]
    if rows:
        await ctx.execute(rules.insert(), rows)


async def remove(ctx: Ctx, rule_id: UUID) -> None:
    await ctx.execute(rules.delete().where(rules.c.id == rule_id))


async def remove_of(ctx: Ctx, group_id: UUID) -> None:
    """Those of the group, and those that name it."""
    await ctx.execute(
        rules.delete().where(sa.or_(rules.c.security_group_id == group_id, rules.c.remote_group_id == group_id))
    )


async def naming(ctx: Ctx, column: str, named_id: UUID) -> list[UUID]:
    """The groups with a rule that names that group, or address group."""
    query = sa.select(rules.c.security_group_id).where(rules.c[column] == named_id).distinct()
    return list((await ctx.execute(query.order_by(rules.c.security_group_id))).scalars())


def count_of(owners: Any) -> sa.Select[Any]:
    return sa.select(sa.func.count()).where(rules.c.project_id.in_(owners))
