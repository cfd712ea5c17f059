"""The tables behind trusts. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Field, Found, Listed
from pileus.services.identity.trusts.rules import Trust

trusts = sa.Table(
    "identity_trust",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column(
        "trustor_user_id", Text, sa.ForeignKey("identity_user.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    sa.Column(
        "trustee_user_id", Text, sa.ForeignKey("identity_user.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    sa.Column("project_id", Text, sa.ForeignKey("identity_project.id", ondelete="CASCADE"), index=True),
    sa.Column("impersonation", sa.Boolean, nullable=False),
    sa.Column("expires_at", sa.Float),  # seconds since the epoch
    sa.Column("remaining_uses", sa.BigInteger),  # logins; None: any number
    sa.Column("redelegated_trust_id", Text, sa.ForeignKey("identity_trust.id", ondelete="CASCADE"), index=True),
    sa.Column("redelegation_count", sa.Integer, nullable=False),  # how many more may follow
    sa.Column("extra", JSON, nullable=False),
    sa.Column("deleted_at", sa.Float, index=True),  # stays a while: whoever had to do with it may know that it is gone
)

trust_roles = sa.Table(
    "identity_trust_role",
    metadata,
    sa.Column("trust_id", Text, sa.ForeignKey("identity_trust.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("role_id", Text, primary_key=True),  # stays when the role is deleted: then the trust is worth nothing
)


ALL = sa.select(*(trusts.c[name] for name in Trust.__struct_fields__))
LISTED = Listed(
    Trust,
    ALL,
    trusts.c.id,
    filters={
        "trustor_user_id": Field(trusts.c.trustor_user_id),
        "trustee_user_id": Field(trusts.c.trustee_user_id),
        "project_id": Field(trusts.c.project_id),
        "impersonation": Field(trusts.c.impersonation, "boolean"),
    },
)
BY_ID = ALL.where(trusts.c.id == sa.bindparam("trust_id"))
ROLE_IDS = (
    sa.select(trust_roles.c.role_id)
    .where(trust_roles.c.trust_id == sa.bindparam("trust_id"))
    .order_by(trust_roles.c.role_id)
)
USE = (
    trusts.update()
    .where(trusts.c.id == sa.bindparam("trust_id"), trusts.c.remaining_uses > 0)
    .values(remaining_uses=trusts.c.remaining_uses - 1)
)

_below = sa.select(trusts.c.id).where(trusts.c.id == sa.bindparam("trust_id")).cte(recursive=True)
_child = trusts.alias()
_below = _below.union_all(sa.select(_child.c.id).join(_below, _child.c.redelegated_trust_id == _below.c.id))
DELETE = (
    trusts.update()
    .where(trusts.c.id.in_(sa.select(_below.c.id)), trusts.c.deleted_at.is_(None))
    .values(deleted_at=sa.bindparam("at"))
)
_ended = sa.func.coalesce(trusts.c.deleted_at, trusts.c.expires_at)
PURGE = trusts.delete().where(
    trusts.c.id.in_(
        sa.select(trusts.c.id).where(_ended < sa.bindparam("before")).order_by(_ended).limit(sa.bindparam("batch"))
    )
)


async def get(ctx: Ctx, trust_id: str) -> Trust | None:
    row = (await ctx.execute(BY_ID, {"trust_id": trust_id})).one_or_none()
    return None if row is None else Trust(*row)


async def role_ids(ctx: Ctx, trust_id: str) -> list[str]:
    return [row[0] for row in await ctx.execute(ROLE_IDS, {"trust_id": trust_id})]


async def page(ctx: Ctx, query: Query, columns: dict[str, str]) -> Found[Trust]:
    """Those with these columns that the query string asks for."""
    return await LISTED.page(
        ctx, query, trusts.c.deleted_at.is_(None), *(trusts.c[name] == value for name, value in columns.items())
    )


async def add(ctx: Ctx, trust: Trust, role_ids: Iterable[str]) -> None:
    await ctx.execute(trusts.insert().values(**msgspec.structs.asdict(trust)))
    rows = [{"trust_id": trust.id, "role_id": each} for each in role_ids]
    if rows:
        await ctx.execute(trust_roles.insert(), rows)


async def use(ctx: Ctx, trust_id: str) -> bool:
    """Take one of the uses that are left; False when none is. One statement: of rivals each takes its own."""
    return (await ctx.execute(USE, {"trust_id": trust_id})).rowcount == 1


async def delete(ctx: Ctx, trust_id: str, *, at: float) -> None:
    """With all that were made from it."""
    await ctx.execute(DELETE, {"trust_id": trust_id, "at": at})


async def purge(ctx: Ctx, before: float, batch: int) -> int:
    return (await ctx.execute(PURGE, {"before": before, "batch": batch})).rowcount
