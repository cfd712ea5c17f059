"""The tables behind users. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Sequence
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
    sa.Column("name", Text, nullable=False, index=True),
    sa.Column("domain_id", Text, sa.ForeignKey("identity_project.id"), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("default_project_id", Text, index=True),  # may name what is not there: then it counts for nothing
    sa.Column("options", JSON, nullable=False),
    sa.Column("extra", JSON, nullable=False),  # email, description and whatever else callers added
    sa.Column("made_at", sa.Float, nullable=False),
    sa.Column("last_active_at", sa.Float, nullable=False),  # when it logged in, was made or enabled: right to the day
    sa.Column("password_expires_at", sa.Float),  # of the password that counts: so that a list needs no look at those
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # wrong passwords in a row
    sa.Column("failed_at", sa.Float),
    sa.UniqueConstraint("domain_id", "name", name="identity_user_name_uq"),
    sa.Index("identity_user_domain_id_ix", "domain_id", "id"),  # a domain's users, a page at a time
)

passwords = sa.Table(
    "identity_password",
    metadata,
    sa.Column("user_id", Text, sa.ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),  # the highest is the one that counts
    sa.Column("hash", Text),  # NULL: from then on it had none
    sa.Column("made_at", sa.Float, nullable=False),
    sa.Column("self_service", sa.Boolean, nullable=False),  # chosen by the user, not by an administrator
)

federated = sa.Table(
    "identity_federated_user",
    metadata,
    sa.Column("idp_id", Text, primary_key=True),
    sa.Column("protocol_id", Text, primary_key=True),
    sa.Column("unique_id", Text, primary_key=True),
    sa.Column("user_id", Text, sa.ForeignKey("identity_user.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.ForeignKeyConstraint(
        ["idp_id", "protocol_id"],
        ["identity_federation_protocol.idp_id", "identity_federation_protocol.id"],
        ondelete="CASCADE",
    ),
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
    last_active_at: float
    password_expires_at: float | None = None


class Password(msgspec.Struct, frozen=True):
    ordinal: int
    hash: str | None
    made_at: float
    self_service: bool


class Failures(msgspec.Struct, frozen=True):
    """Wrong passwords in a row, and when the last of them came."""

    count: int = 0
    at: float | None = None


class Identifier(msgspec.Struct, frozen=True):
    """By what an identity provider knows a user."""

    idp_id: str
    protocol_id: str
    unique_id: str


NO_PASSWORD = Password(ordinal=0, hash=None, made_at=0.0, self_service=False)
ALL = sa.select(*(users.c[name] for name in User.__struct_fields__))
LISTED = Listed(
    User,
    ALL,
    users.c.id,
    filters={
        "name": Field(users.c.name),
        "domain_id": Field(users.c.domain_id),
        "enabled": Field(users.c.enabled, "boolean"),
        "password_expires_at": Field(users.c.password_expires_at, "time", spelling="prefix"),
    },
)
BY_ID = ALL.where(users.c.id == sa.bindparam("user_id"))
NAMED = ALL.where(users.c.domain_id == sa.bindparam("domain_id"), users.c.name == sa.bindparam("name"))
PASSWORDS = (
    sa.select(*(passwords.c[name] for name in Password.__struct_fields__))
    .where(passwords.c.user_id == sa.bindparam("user_id"))
    .order_by(passwords.c.ordinal.desc())
    .limit(sa.bindparam("most"))
)
FAILURES = sa.select(users.c.failures, users.c.failed_at).where(users.c.id == sa.bindparam("user_id"))
FEDERATED = (
    sa.select(*(federated.c[name] for name in Identifier.__struct_fields__))
    .where(federated.c.user_id == sa.bindparam("user_id"))
    .order_by(federated.c.idp_id, federated.c.protocol_id, federated.c.unique_id)
)


async def get(ctx: Ctx, user_id: str) -> User | None:
    row = (await ctx.execute(BY_ID, {"user_id": user_id})).one_or_none()
    return None if row is None else User(*row)


async def by_ids(ctx: Ctx, ids: Sequence[str]) -> dict[str, User]:
    return {row[0]: User(*row) for row in await ctx.execute(ALL.where(users.c.id.in_(ids)))}


async def named(ctx: Ctx, name: str, domain_id: str) -> User | None:
    row = (await ctx.execute(NAMED, {"name": name, "domain_id": domain_id})).one_or_none()
    return None if row is None else User(*row)


async def page(ctx: Ctx, query: Query, domain_id: str | None, among: sa.Select[Any] | None) -> Found[User]:
    seen: list[Condition] = [] if domain_id is None else [users.c.domain_id == domain_id]
    if among is not None:
        seen.append(users.c.id.in_(among))
    known = [federated.c[name] == query[name][-1] for name in Identifier.__struct_fields__ if name in query]
    if known:
        seen.append(users.c.id.in_(sa.select(federated.c.user_id).where(*known)))
    return await LISTED.page(ctx, query, *seen)


async def ids_in(ctx: Ctx, domain_id: str) -> list[str]:
    query = sa.select(users.c.id).where(users.c.domain_id == domain_id).order_by(users.c.id)
    return [row[0] for row in await ctx.execute(query)]


async def add(ctx: Ctx, user: User) -> None:
    await ctx.execute(users.insert().values(**msgspec.structs.asdict(user)))


async def change(ctx: Ctx, user_id: str, **columns: Any) -> None:
    await ctx.execute(users.update().where(users.c.id == user_id).values(**columns))


async def forget_defaults(ctx: Ctx, project_ids: Sequence[str]) -> None:
    named = users.c.default_project_id.in_(project_ids)
    await ctx.execute(users.update().where(named).values(default_project_id=None))


async def delete(ctx: Ctx, ids: Sequence[str]) -> None:
    await ctx.execute(users.delete().where(users.c.id.in_(ids)))


# passwords


async def last_passwords(ctx: Ctx, user_id: str, most: int) -> list[Password]:
    """The newest first: that is the one that counts."""
    return [Password(*row) for row in await ctx.execute(PASSWORDS, {"user_id": user_id, "most": most})]


async def password(ctx: Ctx, user_id: str) -> Password:
    found = await last_passwords(ctx, user_id, 1)
    return found[0] if found else NO_PASSWORD


async def set_password(ctx: Ctx, user_id: str, new: Password, *, expires_at: float | None, keep: int) -> None:
    """Make it the one that counts; `keep` of them stay."""
    await ctx.execute(passwords.insert().values(user_id=user_id, **msgspec.structs.asdict(new)))
    old = passwords.c.ordinal <= new.ordinal - keep
    await ctx.execute(passwords.delete().where(passwords.c.user_id == user_id, old))
    await change(ctx, user_id, password_expires_at=expires_at)


async def renew_hash(ctx: Ctx, user_id: str, old: Password, hash_: str) -> None:
    """Of the same password, unless another was set meanwhile under its number."""
    same = passwords.c.user_id == user_id, passwords.c.ordinal == old.ordinal, passwords.c.hash == old.hash
    await ctx.execute(passwords.update().where(*same).values(hash=hash_))


async def failures(ctx: Ctx, user_id: str) -> Failures:
    row = (await ctx.execute(FAILURES, {"user_id": user_id})).one_or_none()
    return Failures() if row is None else Failures(*row)


async def count_failure(ctx: Ctx, user_id: str, *, now: float, most: int, over: float) -> int:
    """One more, unless there are `most` already; those are forgotten when the last was at `over` or before.

    How many there are now; 0 when it was not counted. One statement: of many at once each finds what the others have counted.
    """
    full = users.c.failures >= most
    counted = users.update().where(users.c.id == user_id, sa.or_(sa.not_(full), users.c.failed_at <= over))
    counted = counted.values(failures=sa.case((full, 1), else_=users.c.failures + 1), failed_at=now)
    return (await ctx.execute(counted.returning(users.c.failures))).scalar_one_or_none() or 0


# what identity providers know them by


async def identifiers(ctx: Ctx, user_id: str) -> list[Identifier]:
    return [Identifier(*row) for row in await ctx.execute(FEDERATED, {"user_id": user_id})]


async def identified(ctx: Ctx, one: Identifier) -> str | None:
    """Whom the identity provider means."""
    same = [federated.c[name] == value for name, value in msgspec.structs.asdict(one).items()]
    row = (await ctx.execute(sa.select(federated.c.user_id).where(*same))).one_or_none()
    return None if row is None else str(row[0])


async def set_identifiers(ctx: Ctx, user_id: str, wanted: Sequence[Identifier]) -> None:
    await ctx.execute(federated.delete().where(federated.c.user_id == user_id))
    for one in wanted:
        await ctx.execute(federated.insert().values(user_id=user_id, **msgspec.structs.asdict(one)))
