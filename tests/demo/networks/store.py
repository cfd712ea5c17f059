"""The rows behind networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata

networks = sa.Table(
    "demo_network",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("project_id", Text, nullable=False, index=True),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("status", Text, nullable=False),  # BUILD | ACTIVE | ERROR
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Column("wanted_generation", sa.BigInteger, nullable=False),
    sa.Column("done_generation", sa.BigInteger, nullable=False),
)


class Network(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    project_id: str
    size: int
    status: str = "BUILD"
    deleted: bool = False
    wanted_generation: int = 0
    done_generation: int = 0


async def find(ctx: Ctx, network_id: UUID) -> Network | None:
    row = (await ctx.execute(sa.select(networks).where(networks.c.id == network_id))).one_or_none()
    return None if row is None else Network(**row._mapping)


async def add(ctx: Ctx, network: Network) -> None:
    await ctx.execute(networks.insert(), msgspec.structs.asdict(network))


async def change(ctx: Ctx, network_id: UUID, **columns: Any) -> None:
    await ctx.execute(networks.update().where(networks.c.id == network_id).values(**columns))


async def remove(ctx: Ctx, network_id: UUID) -> None:
    await ctx.execute(networks.delete().where(networks.c.id == network_id, networks.c.deleted))


async def count_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many networks these projects have, and the ids of a few: networks have no names."""
    query = sa.select(networks.c.id, sa.func.count().over()).where(networks.c.project_id.in_(project_ids))
    rows = (await ctx.execute(query.limit(5))).all()
    return (rows[0][1] if rows else 0), [str(row[0]) for row in rows]


async def undeleted_of(ctx: Ctx, project_ids: Sequence[str]) -> list[UUID]:
    left = sa.select(networks.c.id).where(networks.c.project_id.in_(project_ids), networks.c.deleted.is_(False))
    return list((await ctx.execute(left.order_by(networks.c.id))).scalars())
