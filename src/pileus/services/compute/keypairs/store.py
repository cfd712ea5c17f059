"""The table behind key pairs. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.paging import Listing, Page, Sort

keypairs = sa.Table(
    "compute_keypair",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("user_id", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("type", Text, nullable=False),  # ssh | x509
    sa.Column("public_key", Text, nullable=False),
    sa.Column("fingerprint", Text, nullable=False),
    sa.Column("made_at", sa.Float, nullable=False),
    sa.UniqueConstraint("user_id", "name", name="compute_keypair_name_uq"),
    sqlite_autoincrement=True,
)


class Keypair(msgspec.Struct, frozen=True, kw_only=True):
    id: int = 0
    user_id: str
    name: str
    type: str
    public_key: str
    fingerprint: str
    made_at: float


ALL = sa.select(*(keypairs.c[name] for name in Keypair.__struct_fields__))
LISTING = Listing(keypairs.c.name, {"name": keypairs.c.name}, default=(Sort("name"),))


async def find(ctx: Ctx, user_id: str, name: str) -> Keypair | None:
    row = (await ctx.execute(ALL.where(keypairs.c.user_id == user_id, keypairs.c.name == name))).one_or_none()
    return None if row is None else Keypair(**row._mapping)


async def page(ctx: Ctx, user_id: str, limit: int | None, marker: str | None) -> tuple[list[Keypair], Page]:
    mine = keypairs.c.user_id == user_id
    found = await LISTING.page(ctx, ALL, visible=mine, order=LISTING.order(), ask=LISTING.ask(limit, marker))
    return [Keypair(**row._mapping) for row in found.rows], found


async def add(ctx: Ctx, keypair: Keypair) -> None:
    columns = {name: value for name, value in msgspec.structs.asdict(keypair).items() if name != "id"}
    await ctx.execute(keypairs.insert().values(**columns))


async def delete(ctx: Ctx, user_id: str, name: str) -> int:
    """How many rows went: 1, or 0."""
    gone = keypairs.delete().where(keypairs.c.user_id == user_id, keypairs.c.name == name)
    return (await ctx.execute(gone)).rowcount


async def delete_of(ctx: Ctx, user_ids: Sequence[str]) -> None:
    await ctx.execute(keypairs.delete().where(keypairs.c.user_id.in_(user_ids)))


def count_of(user_id: str) -> sa.Select[Any]:
    """A SELECT of how many the user has."""
    return sa.select(sa.func.count()).select_from(keypairs).where(keypairs.c.user_id == user_id)
