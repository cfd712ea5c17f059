"""The rows behind revocations. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Field, Found, Listed

events = sa.Table(
    "identity_revocation_event",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),  # tokens issued at a lower revision are meant
    sa.Column("audit_id", Text, index=True),
    sa.Column("audit_chain_id", Text, index=True),
    sa.Column("user_id", Text, index=True),
    sa.Column("project_id", Text, index=True),
    sa.Column("domain_id", Text, index=True),
    sa.Column("issued_before", sa.Float, nullable=False),  # seconds since the epoch; shown, decides nothing
    sa.Column("revoked_at", sa.Float, nullable=False, index=True),
    sa.Column("expires_at", sa.Float, nullable=False, index=True),  # by then every token it means has expired
)


class Revocation(msgspec.Struct, frozen=True):
    """What is set must fit for a token to be meant."""

    id: str
    revision: int
    issued_before: float
    revoked_at: float
    expires_at: float
    audit_id: str | None = None
    audit_chain_id: str | None = None
    user_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None


class Bearer(msgspec.Struct, frozen=True, kw_only=True):
    """What of a token a revocation may mean."""

    revision: int  # of Identity, when it was issued
    audit_ids: Sequence[str]  # its own first, that of its chain last
    user_ids: Collection[str]  # who logged in, in whose name, by whose roles
    project_id: str | None = None
    domain_ids: Sequence[str]  # of the user, the project and the scope


ALL = sa.select(*(events.c[name] for name in Revocation.__struct_fields__))
LISTED = Listed(
    Revocation,
    ALL,
    events.c.id,
    filters={"since": Field(events.c.revoked_at, "time", fixed="gte")},
    sorts={"revoked_at": events.c.revoked_at},
)
ADD = events.insert()
FORGET = events.delete().where(events.c.expires_at < sa.bindparam("now"))
MEANS = (
    sa.select(sa.literal(1))
    .where(
        events.c.revision > sa.bindparam("at"),
        sa.or_(
            events.c.audit_id == sa.bindparam("audit_id"),
            events.c.audit_chain_id == sa.bindparam("audit_chain_id"),
            events.c.user_id.in_(sa.bindparam("user_ids", expanding=True)),
            events.c.project_id == sa.bindparam("project_id", type_=Text),
            events.c.domain_id.in_(sa.bindparam("domain_ids", expanding=True)),
        ),
    )
    .limit(1)
)


async def add(ctx: Ctx, revocations: Sequence[Revocation]) -> None:
    await ctx.execute(ADD, [msgspec.structs.asdict(each) for each in revocations])


async def page(ctx: Ctx, query: Query) -> Found[Revocation]:
    return await LISTED.page(ctx, {"sort_key": ["revoked_at"], **query})


async def forget(ctx: Ctx, *, now: float) -> None:
    await ctx.execute(FORGET, {"now": now})


async def means(ctx: Ctx, bearer: Bearer) -> bool:
    params = {
        "at": bearer.revision,
        "audit_id": bearer.audit_ids[0],
        "audit_chain_id": bearer.audit_ids[-1],
        "user_ids": list(bearer.user_ids),
        "project_id": bearer.project_id,
        "domain_ids": list(bearer.domain_ids),
    }
    return (await ctx.execute(MEANS, params)).first() is not None
