"""The tables behind application credentials and access rules. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.application_credentials.rules import AccessRule
from pileus.services.identity.lists import Field, Found, Listed

credentials = sa.Table(
    "identity_application_credential",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("description", Text),
    sa.Column("user_id", Text, sa.ForeignKey("identity_user.id", ondelete="CASCADE"), nullable=False),
    sa.Column("project_id", Text, sa.ForeignKey("identity_project.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("expires_at", sa.Float),  # seconds since the epoch
    sa.Column("unrestricted", sa.Boolean, nullable=False),  # may make and delete others, and trusts
    sa.Column("secret_hash", Text, nullable=False),
    sa.UniqueConstraint("user_id", "name", name="identity_application_credential_name_uq"),
)

credential_roles = sa.Table(
    "identity_application_credential_role",
    metadata,
    sa.Column(
        "credential_id", Text, sa.ForeignKey("identity_application_credential.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("role_id", Text, sa.ForeignKey("identity_role.id", ondelete="CASCADE"), primary_key=True, index=True),
)

access_rules = sa.Table(
    "identity_access_rule",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("user_id", Text, sa.ForeignKey("identity_user.id", ondelete="CASCADE"), nullable=False),
    sa.Column("service", Text, nullable=False),  # its type in the catalogue
    sa.Column("path", Text, nullable=False),
    sa.Column("method", Text, nullable=False),
    sa.UniqueConstraint("user_id", "service", "path", "method", name="identity_access_rule_uq"),
)

credential_rules = sa.Table(
    "identity_application_credential_access_rule",
    metadata,
    sa.Column(
        "credential_id", Text, sa.ForeignKey("identity_application_credential.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),  # the place in the list that was sent
    sa.Column("rule_id", Text, sa.ForeignKey("identity_access_rule.id"), nullable=False, index=True),
)


class Row(msgspec.Struct, frozen=True):
    """An application credential by itself."""

    id: str
    name: str
    description: str | None
    user_id: str
    project_id: str
    expires_at: float | None
    unrestricted: bool

    def ended(self, now: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now


ALL = sa.select(*(credentials.c[name] for name in Row.__struct_fields__))
LISTED = Listed(
    Row,
    ALL,
    credentials.c.id,
    filters={"name": Field(credentials.c.name), "project_id": Field(credentials.c.project_id)},
)
BY_ID = ALL.where(credentials.c.id == sa.bindparam("credential_id"))
NAMED = ALL.where(credentials.c.user_id == sa.bindparam("user_id"), credentials.c.name == sa.bindparam("name"))
SECRET = sa.select(credentials.c.secret_hash).where(credentials.c.id == sa.bindparam("credential_id"))
ROLE_IDS = (
    sa.select(credential_roles.c.credential_id, credential_roles.c.role_id)
    .where(credential_roles.c.credential_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(credential_roles.c.role_id)
)

RULES = sa.select(*(access_rules.c[name] for name in AccessRule.__struct_fields__))
LISTED_RULES = Listed(
    AccessRule,
    RULES,
    access_rules.c.id,
    filters={name: Field(access_rules.c[name]) for name in ("service", "path", "method")},
)
RULE = RULES.where(access_rules.c.user_id == sa.bindparam("user_id"), access_rules.c.id == sa.bindparam("rule_id"))
SAME_RULE = RULES.where(
    access_rules.c.user_id == sa.bindparam("user_id"),
    access_rules.c.service == sa.bindparam("service"),
    access_rules.c.path == sa.bindparam("path"),
    access_rules.c.method == sa.bindparam("method"),
)
RULES_OF = (
    sa.select(credential_rules.c.credential_id, *(access_rules.c[name] for name in AccessRule.__struct_fields__))
    .join_from(credential_rules, access_rules, access_rules.c.id == credential_rules.c.rule_id)
    .where(credential_rules.c.credential_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(credential_rules.c.ordinal)
)


async def get(ctx: Ctx, credential_id: str) -> Row | None:
    row = (await ctx.execute(BY_ID, {"credential_id": credential_id})).one_or_none()
    return None if row is None else Row(*row)


async def named(ctx: Ctx, name: str, user_id: str) -> Row | None:
    row = (await ctx.execute(NAMED, {"name": name, "user_id": user_id})).one_or_none()
    return None if row is None else Row(*row)


async def secret_hash(ctx: Ctx, credential_id: str) -> str | None:
    row = (await ctx.execute(SECRET, {"credential_id": credential_id})).one_or_none()
    return None if row is None else str(row[0])


async def page(ctx: Ctx, query: Query, user_id: str) -> Found[Row]:
    return await LISTED.page(ctx, query, credentials.c.user_id == user_id)


async def role_ids(ctx: Ctx, ids: Sequence[str]) -> list[tuple[str, str]]:
    """(credential, role) for each role of these credentials."""
    return [(row[0], row[1]) for row in await ctx.execute(ROLE_IDS, {"ids": list(ids)})]


async def rules_of(ctx: Ctx, ids: Sequence[str]) -> list[tuple[str, AccessRule]]:
    """(credential, access rule) for each rule of these credentials, as they were sent."""
    return [(row[0], AccessRule(*row[1:])) for row in await ctx.execute(RULES_OF, {"ids": list(ids)})]


async def add(ctx: Ctx, row: Row, secret_hash: str, role_ids: Iterable[str], rule_ids: Iterable[str]) -> None:
    await ctx.execute(credentials.insert().values(**msgspec.structs.asdict(row), secret_hash=secret_hash))
    held = [{"credential_id": row.id, "role_id": each} for each in role_ids]
    await ctx.execute(credential_roles.insert(), held)
    narrowed = [{"credential_id": row.id, "ordinal": n, "rule_id": each} for n, each in enumerate(rule_ids)]
    if narrowed:
        await ctx.execute(credential_rules.insert(), narrowed)


async def delete(ctx: Ctx, credential_id: str) -> None:
    await ctx.execute(credentials.delete().where(credentials.c.id == credential_id))


async def rule(ctx: Ctx, user_id: str, rule_id: str) -> AccessRule | None:
    row = (await ctx.execute(RULE, {"user_id": user_id, "rule_id": rule_id})).one_or_none()
    return None if row is None else AccessRule(*row)


async def same_rule(ctx: Ctx, user_id: str, service: str, path: str, method: str) -> AccessRule | None:
    params = {"user_id": user_id, "service": service, "path": path, "method": method}
    row = (await ctx.execute(SAME_RULE, params)).one_or_none()
    return None if row is None else AccessRule(*row)


async def rule_page(ctx: Ctx, query: Query, user_id: str) -> Found[AccessRule]:
    return await LISTED_RULES.page(ctx, query, access_rules.c.user_id == user_id)


async def add_rule(ctx: Ctx, rule: AccessRule, user_id: str) -> None:
    await ctx.execute(access_rules.insert().values(**msgspec.structs.asdict(rule), user_id=user_id))


async def rule_is_used(ctx: Ctx, rule_id: str) -> bool:
    query = sa.select(sa.literal(1)).where(credential_rules.c.rule_id == rule_id).limit(1)
    return (await ctx.execute(query)).first() is not None


async def delete_rule(ctx: Ctx, rule_id: str) -> None:
    await ctx.execute(access_rules.delete().where(access_rules.c.id == rule_id))
