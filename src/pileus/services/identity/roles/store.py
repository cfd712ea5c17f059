"""The tables behind roles and implied roles. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Field, Found, Listed

roles = sa.Table(
    "identity_role",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("domain_id", Text, sa.ForeignKey("identity_project.id"), index=True),  # None: known in every domain
    sa.Column("description", Text),
    sa.Column("options", JSON, nullable=False),
    sa.Column("extra", JSON, nullable=False),
    sa.Index("identity_role_domain_name_uq", "domain_id", "name", unique=True),
    sa.Index(
        "identity_role_name_uq",  # two NULLs are not equal, so global roles need an index of their own
        "name",
        unique=True,
        sqlite_where=sa.text("domain_id IS NULL"),
        postgresql_where=sa.text("domain_id IS NULL"),
    ),
)

implied_roles = sa.Table(
    "identity_implied_role",
    metadata,
    sa.Column("prior_id", Text, sa.ForeignKey("identity_role.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("implied_id", Text, sa.ForeignKey("identity_role.id", ondelete="CASCADE"), primary_key=True, index=True),
)


class Role(msgspec.Struct, frozen=True):
    id: str
    name: str
    domain_id: str | None
    description: str | None
    options: dict[str, Any]
    extra: dict[str, Any]


ALL = sa.select(*(roles.c[name] for name in Role.__struct_fields__))
LISTED = Listed(
    Role,
    ALL,
    roles.c.id,
    filters={"name": Field(roles.c.name), "domain_id": Field(roles.c.domain_id)},
)
BY_IDS = ALL.where(roles.c.id.in_(sa.bindparam("ids", expanding=True))).order_by(roles.c.id)
IMPLIED = sa.select(implied_roles.c.prior_id, implied_roles.c.implied_id).order_by(
    implied_roles.c.prior_id, implied_roles.c.implied_id
)
PAIR = (implied_roles.c.prior_id == sa.bindparam("prior")) & (implied_roles.c.implied_id == sa.bindparam("implied"))
IMPLIES = sa.select(sa.literal(1)).where(PAIR)
IMPLY_NO_LONGER = implied_roles.delete().where(PAIR)


async def list_(ctx: Ctx, columns: Mapping[str, Any]) -> list[Role]:
    query = ALL.where(*(roles.c[name] == value for name, value in columns.items())).order_by(roles.c.id)
    return [Role(*row) for row in await ctx.execute(query)]


async def by_ids(ctx: Ctx, ids: Sequence[str]) -> list[Role]:
    return [Role(*row) for row in await ctx.execute(BY_IDS, {"ids": list(ids)})]


async def page(ctx: Ctx, query: Query, domain_id: str | None) -> Found[Role]:
    asked = {name: values for name, values in query.items() if name != "domain_id"}
    return await LISTED.page(ctx, asked, roles.c.domain_id == domain_id)


async def add(ctx: Ctx, role: Role) -> None:
    await ctx.execute(roles.insert().values(**msgspec.structs.asdict(role)))


async def change(ctx: Ctx, role_id: str, **columns: Any) -> None:
    await ctx.execute(roles.update().where(roles.c.id == role_id).values(**columns))


async def delete(ctx: Ctx, role_id: str) -> None:
    await ctx.execute(roles.delete().where(roles.c.id == role_id))


async def delete_of(ctx: Ctx, domain_id: str) -> None:
    await ctx.execute(roles.delete().where(roles.c.domain_id == domain_id))


async def implied(ctx: Ctx) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in await ctx.execute(IMPLIED)]


async def implies(ctx: Ctx, prior_id: str, implied_id: str) -> bool:
    return (await ctx.execute(IMPLIES, {"prior": prior_id, "implied": implied_id})).first() is not None


async def imply(ctx: Ctx, prior_id: str, implied_id: str) -> None:
    await ctx.execute(implied_roles.insert().values(prior_id=prior_id, implied_id=implied_id))


async def imply_no_longer(ctx: Ctx, prior_id: str, implied_id: str) -> bool:
    return (await ctx.execute(IMPLY_NO_LONGER, {"prior": prior_id, "implied": implied_id})).rowcount == 1
