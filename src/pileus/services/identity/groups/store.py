"""The tables behind groups and their members. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Condition, Field, Found, Listed

groups = sa.Table(
    "identity_group",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("domain_id", Text, sa.ForeignKey("identity_project.id"), nullable=False),
    sa.Column("description", Text),
    sa.Column("extra", JSON, nullable=False),  # what callers added; shown beside the rest
    sa.UniqueConstraint("domain_id", "name", name="identity_group_name_uq"),
)

members = sa.Table(
    "identity_group_member",
    metadata,
    sa.Column("group_id", Text, sa.ForeignKey("identity_group.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", Text, sa.ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True, index=True),
)


class Group(msgspec.Struct, frozen=True):
    id: str
    name: str
    domain_id: str
    description: str | None
    extra: dict[str, Any]


ALL = sa.select(*(groups.c[name] for name in Group.__struct_fields__))
LISTED = Listed(
    Group,
    ALL,
    groups.c.id,
    filters={"name": Field(groups.c.name), "domain_id": Field(groups.c.domain_id)},
)
BY_IDS = ALL.where(groups.c.id.in_(sa.bindparam("ids", expanding=True)))
NAMED = ALL.where(groups.c.domain_id == sa.bindparam("domain_id"), groups.c.name == sa.bindparam("name"))
IN_DOMAIN = sa.select(groups.c.id).where(groups.c.domain_id == sa.bindparam("domain_id"))
PAIR = (members.c.group_id == sa.bindparam("group")) & (members.c.user_id == sa.bindparam("user"))
IS_MEMBER = sa.select(sa.literal(1)).where(PAIR)
LEAVE = members.delete().where(PAIR)
PAIRS = sa.select(members.c.group_id, members.c.user_id).order_by(members.c.group_id, members.c.user_id)


def ids_of(user_id: Any) -> sa.Select[Any]:
    return sa.select(members.c.group_id).where(members.c.user_id == user_id)


def member_ids(group_id: Any) -> sa.Select[Any]:
    return sa.select(members.c.user_id).where(members.c.group_id == group_id)


async def by_ids(ctx: Ctx, ids: Sequence[str]) -> dict[str, Group]:
    return {row[0]: Group(*row) for row in await ctx.execute(BY_IDS, {"ids": list(ids)})}


async def named(ctx: Ctx, name: str, domain_id: str) -> Group | None:
    row = (await ctx.execute(NAMED, {"name": name, "domain_id": domain_id})).one_or_none()
    return None if row is None else Group(*row)


async def page(ctx: Ctx, query: Query, domain_id: str | None, user_id: str | None) -> Found[Group]:
    seen: list[Condition] = [] if domain_id is None else [groups.c.domain_id == domain_id]
    if user_id is not None:
        seen.append(groups.c.id.in_(ids_of(user_id)))
    return await LISTED.page(ctx, query, *seen)


async def ids_in(ctx: Ctx, domain_id: str) -> list[str]:
    return [row[0] for row in await ctx.execute(IN_DOMAIN, {"domain_id": domain_id})]


async def add(ctx: Ctx, group: Group) -> None:
    await ctx.execute(groups.insert().values(**msgspec.structs.asdict(group)))


async def change(ctx: Ctx, group_id: str, **columns: Any) -> None:
    await ctx.execute(groups.update().where(groups.c.id == group_id).values(**columns))


async def delete(ctx: Ctx, group_id: str) -> None:
    await ctx.execute(groups.delete().where(groups.c.id == group_id))


async def is_member(ctx: Ctx, group_id: str, user_id: str) -> bool:
    return (await ctx.execute(IS_MEMBER, {"group": group_id, "user": user_id})).first() is not None


async def members_of(ctx: Ctx, ids: Sequence[str]) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in await ctx.execute(PAIRS.where(members.c.group_id.in_(ids)))]


async def join(ctx: Ctx, group_id: str, user_id: str) -> None:
    await ctx.execute(members.insert().values(group_id=group_id, user_id=user_id))


async def leave(ctx: Ctx, group_id: str, user_id: str) -> bool:
    return (await ctx.execute(LEAVE, {"group": group_id, "user": user_id})).rowcount == 1
