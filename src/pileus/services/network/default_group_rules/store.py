"""The table behind default rules. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, insert_if_new, metadata
from pileus.kernel.http import Query
from pileus.services.network.lists import Condition, Field, Found, Listed
from pileus.services.network.security_group_rules.service import Match

rules = sa.Table(
    "network_default_group_rule",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("direction", Text, nullable=False),
    sa.Column("ethertype", Text, nullable=False),
    sa.Column("protocol", Text),
    sa.Column("port_range_min", sa.Integer),
    sa.Column("port_range_max", sa.Integer),
    sa.Column("remote_ip_prefix", Text),
    sa.Column("remote_group_id", sa.Uuid),
    sa.Column("remote_address_group_id", sa.Uuid),
    sa.Column("of_itself", sa.Boolean, nullable=False),  # its remote group is the group that it becomes a rule of
    sa.Column("in_default", sa.Boolean, nullable=False),  # of the default groups of projects
    sa.Column("in_others", sa.Boolean, nullable=False),
    sa.Column("description", Text, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),  # stays: a table without rows is one that nobody changed yet
)
is_there = rules.c.deleted.is_(False)


class DefaultRule(Match, frozen=True, kw_only=True):
    """A row."""

    id: UUID
    of_itself: bool = False
    in_default: bool = False
    in_others: bool = True
    description: str = ""


def first(n: int, **what: Any) -> DefaultRule:
    return DefaultRule(id=uuid5(UUID(int=0), f"default rule {n}"), in_default=True, **what)


FIRST = (
    first(1, direction="egress", ethertype="IPv4", description="Legacy default SG rule for egress traffic"),
    first(2, direction="egress", ethertype="IPv6", description="Legacy default SG rule for egress traffic"),
    first(3, direction="ingress", ethertype="IPv4", of_itself=True, in_others=False),
    first(4, direction="ingress", ethertype="IPv6", of_itself=True, in_others=False),
)
"""What there is until an administrator changes it."""

ALL = sa.select(*(rules.c[name] for name in DefaultRule.__struct_fields__))
LISTED = Listed(
    "default_security_group_rule",
    DefaultRule,
    ALL.where(is_there),
    rules.c.id,
    filters={
        "direction": Field(rules.c.direction),
        "ethertype": Field(rules.c.ethertype),
        "protocol": Field(rules.c.protocol),
        "port_range_min": Field(rules.c.port_range_min, "integer"),
        "port_range_max": Field(rules.c.port_range_max, "integer"),
        "remote_ip_prefix": Field(rules.c.remote_ip_prefix),
        "remote_address_group_id": Field(rules.c.remote_address_group_id, "uuid"),
        "description": Field(rules.c.description),
        "used_in_default_sg": Field(rules.c.in_default, "boolean"),
        "used_in_non_default_sg": Field(rules.c.in_others, "boolean"),
    },
)


def row_of(rule: DefaultRule) -> dict[str, Any]:
    return {**msgspec.structs.asdict(rule), "deleted": False}


async def is_untouched(ctx: Ctx) -> bool:
    """Whether there are no rows: the rules are the FIRST."""
    return (await ctx.execute(sa.select(rules.c.id).limit(1))).first() is None


async def begin(ctx: Ctx) -> None:
    """In the open transaction that is about to change them: there are rows."""
    if await is_untouched(ctx):
        await ctx.execute(insert_if_new(rules), [row_of(rule) for rule in FIRST])


async def all_(ctx: Ctx) -> Sequence[DefaultRule]:
    found = (await ctx.execute(sa.select(*(rules.c[n] for n in DefaultRule.__struct_fields__), rules.c.deleted))).all()
    there = [DefaultRule(**dict(zip(DefaultRule.__struct_fields__, row, strict=False))) for row in found if not row[-1]]
    return there if found else FIRST


async def find(ctx: Ctx, rule_id: UUID) -> DefaultRule | None:
    return next((rule for rule in await all_(ctx) if rule.id == rule_id), None)


async def page(ctx: Ctx, query: Query, *visible: Condition) -> Found[DefaultRule]:
    return await LISTED.page(ctx, query, *visible)


async def add(ctx: Ctx, several: Sequence[DefaultRule]) -> None:
    await ctx.execute(rules.insert(), [row_of(rule) for rule in several])


async def remove(ctx: Ctx, rule_id: UUID) -> None:
    await ctx.execute(rules.update().where(rules.c.id == rule_id).values(deleted=True))
