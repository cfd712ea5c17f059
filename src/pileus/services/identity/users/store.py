"""The tables behind users and passwords. Only this noun imports this module."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Condition, Field, Found, Listed

users = sa.Table(
    "identity_user",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("domain_id", Text, sa.ForeignKey("identity_project.id"), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("default_project_id", Text, index=True),  # may name what is not there: then it counts for nothing
    sa.Column("options", JSON, nullable=False),
    sa.Column("extra", JSON, nullable=False),  # email, description and whatever else callers added
    sa.Column("made_at", sa.Float, nullable=False),
    sa.Column("last_active_at", sa.Float),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # wrong passwords in a row
    sa.Column("failed_at", sa.Float),
    sa.UniqueConstraint("domain_id", "name", name="identity_user_name_uq"),
)

passwords = sa.Table(
    "identity_password",
    metadata,
    sa.Column("user_id", Text, sa.ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),  # the highest is the one that counts
    sa.Column("hash", Text, nullable=False),
    sa.Column("made_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float),
    sa.Column("self_service", sa.Boolean, nullable=False),  # chosen by the user, not by an administrator
)


class User(msgspec.Struct, frozen=True):
    id: str
    name: str
    domain_id: str
    enabled: bool
    default_project_id: str | None
    options: dict[str, Any]
    extra: dict[str, Any]
    made_at: float
    password_expires_at: float | None = None


class Password(msgspec.Struct, frozen=True):
    ordinal: int
    hash: str
    expires_at: float | None


_last = passwords.alias()
_newer = passwords.alias()
ALL = sa.select(
    *(users.c[name] for name in User.__struct_fields__ if name != "password_expires_at"), _last.c.expires_at
).outerjoin_from(
    users,
    _last,
    sa.and_(
        _last.c.user_id == users.c.id,
        _last.c.ordinal
        == sa.select(sa.func.max(_newer.c.ordinal)).where(_newer.c.user_id == users.c.id).scalar_subquery(),
    ),
)
LISTED = Listed(
    User,
    ALL,
    users.c.id,
    filters={
        "name": Field(users.c.name),
        "domain_id": Field(users.c.domain_id),
        "enabled": Field(users.c.enabled, "boolean"),
    },
)
BY_ID = ALL.where(users.c.id == sa.bindparam("user_id"))
NAMED = ALL.where(users.c.domain_id == sa.bindparam("domain_id"), users.c.name == sa.bindparam("name"))
PASSWORD = (
    sa.select(passwords.c.ordinal, passwords.c.hash, passwords.c.expires_at)
    .where(passwords.c.user_id == sa.bindparam("user_id"))
    .order_by(passwords.c.ordinal.desc())
    .limit(1)
)


async def get(ctx: Ctx, user_id: str) -> User | None:
    row = (await ctx.execute(BY_ID, {"user_id": user_id})).one_or_none()
    return None if row is None else User(*row)


async def named(ctx: Ctx, name: str, domain_id: str) -> User | None:
    row = (await ctx.execute(NAMED, {"name": name, "domain_id": domain_id})).one_or_none()
    return None if row is None else User(*row)


async def page(ctx: Ctx, query: Query, domain_id: str | None, among: sa.Select[Any] | None) -> Found[User]:
    seen: list[Condition] = [] if domain_id is None else [users.c.domain_id == domain_id]
    if among is not None:
        seen.append(users.c.id.in_(among))
    return await LISTED.page(ctx, query, *seen)


async def ids_in(ctx: Ctx, domain_id: str) -> list[str]:
    return [row[0] for row in await ctx.execute(sa.select(users.c.id).where(users.c.domain_id == domain_id))]


async def add(ctx: Ctx, user: User) -> None:
    columns = msgspec.structs.asdict(user)
    del columns["password_expires_at"]
    await ctx.execute(users.insert().values(**columns))


async def change(ctx: Ctx, user_id: str, **columns: Any) -> None:
    await ctx.execute(users.update().where(users.c.id == user_id).values(**columns))


async def delete(ctx: Ctx, user_id: str) -> None:
    await ctx.execute(users.delete().where(users.c.id == user_id))


async def password(ctx: Ctx, user_id: str) -> Password | None:
    """The one that counts."""
    row = (await ctx.execute(PASSWORD, {"user_id": user_id})).one_or_none()
    return None if row is None else Password(*row)


async def set_password(ctx: Ctx, user_id: str, hash_: str, *, made_at: float, self_service: bool) -> None:
    last = await password(ctx, user_id)
    row = {
        "user_id": user_id,
        "ordinal": last.ordinal + 1 if last else 1,
        "hash": hash_,
        "made_at": made_at,
        "self_service": self_service,
    }
    await ctx.execute(passwords.insert().values(**row))
