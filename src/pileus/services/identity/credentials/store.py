"""The table behind credentials. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.filters import Condition
from pileus.kernel.http import Query
from pileus.services.identity.credentials.rules import EC2, TOTP
from pileus.services.identity.grounds import Basis
from pileus.services.identity.lists import Field, Found, Listed

credentials = sa.Table(
    "identity_credential",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("user_id", Text, sa.ForeignKey("identity_user.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("project_id", Text, index=True),  # may name what is not there: then it is good for nothing
    sa.Column("type", Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # the blob, sealed with the site key for the place of this row
    sa.Column("extra", JSON, nullable=False),
    sa.Column("basis_kind", Text),  # what the token rested on that made it, and what its tokens will rest on
    sa.Column("basis_id", Text),
    sa.Column("basis_user_id", Text),  # who had logged in
)


class Row(msgspec.Struct, frozen=True):
    id: str
    user_id: str
    project_id: str | None
    type: str
    sealed: bytes
    extra: dict[str, Any]
    basis_kind: str | None = None
    basis_id: str | None = None
    basis_user_id: str | None = None


class Bounds(msgspec.Struct, frozen=True):
    """How far a token reaches that rests on something besides its user."""

    project_id: str | None
    basis: Basis
    user_id: str  # who has logged in


ALL = sa.select(*(credentials.c[name] for name in Row.__struct_fields__))
KIND = sa.func.lower(credentials.c.type)
LISTED = Listed(
    Row,
    ALL,
    credentials.c.id,
    filters={"user_id": Field(credentials.c.user_id), "type": Field(credentials.c.type)},
)


def inside(bounds: Bounds | None) -> Condition:
    """What a caller may have to do with.

    Inside of bounds: what is of the token's project, but nothing that proves more than the token does. A TOTP secret does,
    and so do EC2 keys unless their tokens rest on the same.
    """
    if bounds is None:
        return sa.true()
    same = sa.and_(credentials.c.basis_kind == bounds.basis.kind, credentials.c.basis_id == bounds.basis.id)
    return sa.and_(credentials.c.project_id == bounds.project_id, KIND != TOTP, sa.or_(KIND != EC2, same))


async def get(ctx: Ctx, credential_id: str, bounds: Bounds | None) -> Row | None:
    row = (await ctx.execute(ALL.where(credentials.c.id == credential_id, inside(bounds)))).one_or_none()
    return None if row is None else Row(*row)


async def page(ctx: Ctx, query: Query, bounds: Bounds | None, *, user_id: str | None, ec2: bool) -> Found[Row]:
    visible = [inside(bounds)]
    if user_id is not None:
        visible.append(credentials.c.user_id == user_id)
    if ec2:
        visible.append(KIND == EC2)
    return await LISTED.page(ctx, query, *visible)


async def of_user(ctx: Ctx, user_id: str, type_: str, limit: int) -> list[Row]:
    """The first by id."""
    query = (
        ALL.where(credentials.c.user_id == user_id, credentials.c.type == type_).order_by(credentials.c.id).limit(limit)
    )
    return [Row(*row) for row in await ctx.execute(query)]


async def add(ctx: Ctx, row: Row) -> None:
    await ctx.execute(credentials.insert().values(**msgspec.structs.asdict(row)))


async def change(ctx: Ctx, row: Row) -> None:
    await ctx.execute(credentials.update().where(credentials.c.id == row.id).values(**msgspec.structs.asdict(row)))


async def delete(ctx: Ctx, credential_id: str) -> None:
    await ctx.execute(credentials.delete().where(credentials.c.id == credential_id))


async def forget_projects(ctx: Ctx, ids: Sequence[str]) -> None:
    await ctx.execute(credentials.delete().where(credentials.c.project_id.in_(ids)))
