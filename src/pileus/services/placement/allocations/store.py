"""The tables behind allocations. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata, one_of

consumers = sa.Table(
    "placement_consumer",
    metadata,
    sa.Column("id", Text, primary_key=True),  # a UUID: of a server, of a migration
    sa.Column("project_id", Text, nullable=False),
    sa.Column("user_id", Text, nullable=False),
    sa.Column("consumer_type", Text),  # None: made before 1.38
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Index("placement_consumer_owner_ix", "project_id", "user_id"),
)
allocations = sa.Table(
    "placement_allocation",
    metadata,
    sa.Column("consumer_id", Text, sa.ForeignKey("placement_consumer.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("provider_id", Text, primary_key=True),
    sa.Column("resource_class", Text, primary_key=True),
    sa.Column("used", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),  # seconds since the epoch
    sa.ForeignKeyConstraint(
        ["provider_id", "resource_class"],
        ["placement_inventory.provider_id", "placement_inventory.resource_class"],
        onupdate="CASCADE",
    ),
    sa.Index("placement_allocation_place_ix", "provider_id", "resource_class", "used"),
)


class Consumer(msgspec.Struct, frozen=True):
    id: str
    project_id: str
    user_id: str
    consumer_type: str | None
    generation: int


class Allocation(msgspec.Struct, frozen=True):
    consumer_id: str
    provider_id: str
    resource_class: str
    used: int
    created_at: float


CONSUMERS = sa.select(*(consumers.c[name] for name in Consumer.__struct_fields__))
ALLOCATIONS = sa.select(*(allocations.c[name] for name in Allocation.__struct_fields__)).order_by(
    allocations.c.consumer_id, allocations.c.provider_id, allocations.c.resource_class
)
CONSUMERS_BY_IDS = CONSUMERS.where(among(consumers.c.id, "ids_"))
OF_CONSUMERS = ALLOCATIONS.where(among(allocations.c.consumer_id, "ids_"))
CLEAR = allocations.delete().where(among(allocations.c.consumer_id, "ids_"))
REMOVE = consumers.delete().where(among(consumers.c.id, "ids_"))
ADD, ADD_CONSUMER = allocations.insert(), consumers.insert()
CHANGE_CONSUMER = consumers.update().where(consumers.c.id == sa.bindparam("id_"))
USED = sa.select(
    allocations.c.provider_id, allocations.c.resource_class, sa.func.sum(allocations.c.used).label("used")
).group_by(allocations.c.provider_id, allocations.c.resource_class)


async def by_ids(ctx: Ctx, ids: Collection[str]) -> dict[str, Consumer]:
    found = await ctx.execute(CONSUMERS_BY_IDS, {"ids_": ids})
    return {row[0]: Consumer(*row) for row in found}


async def of_consumers(ctx: Ctx, ids: Collection[str]) -> list[Allocation]:
    found = await ctx.execute(OF_CONSUMERS, {"ids_": ids})
    return [Allocation(*row) for row in found]


async def of_provider(ctx: Ctx, provider_id: str) -> list[Allocation]:
    return [Allocation(*row) for row in await ctx.execute(ALLOCATIONS.where(allocations.c.provider_id == provider_id))]


async def consumers_of(ctx: Ctx, provider_id: str) -> dict[str, Consumer]:
    users = sa.select(allocations.c.consumer_id).where(allocations.c.provider_id == provider_id)
    return {row[0]: Consumer(*row) for row in await ctx.execute(CONSUMERS.where(consumers.c.id.in_(users)))}


async def used(ctx: Ctx, provider_ids: Collection[str] | None, without: Collection[str] = ()) -> Sequence[sa.Row[Any]]:
    """(provider, class, how much is used of it), where something is; of everybody, if None. `without`: by others than these."""
    query = USED if provider_ids is None else USED.where(one_of(allocations.c.provider_id, provider_ids))
    if without:
        query = query.where(~one_of(allocations.c.consumer_id, without))
    return (await ctx.execute(query)).all()


async def used_by(ctx: Ctx, project_id: str, user_id: str | None) -> Sequence[sa.Row[Any]]:
    """(type of consumers, class, how much they use)."""
    query = (
        sa.select(consumers.c.consumer_type, allocations.c.resource_class, sa.func.sum(allocations.c.used))
        .join(allocations, allocations.c.consumer_id == consumers.c.id)
        .where(*_owned(project_id, user_id))
        .group_by(consumers.c.consumer_type, allocations.c.resource_class)
        .order_by(consumers.c.consumer_type, allocations.c.resource_class)
    )
    return (await ctx.execute(query)).all()


async def count_by(ctx: Ctx, project_id: str, user_id: str | None) -> Sequence[sa.Row[Any]]:
    """(type of consumers, how many). One that uses nothing has no row."""
    query = sa.select(consumers.c.consumer_type, sa.func.count()).where(*_owned(project_id, user_id))
    return (await ctx.execute(query.group_by(consumers.c.consumer_type))).all()


def _owned(project_id: str, user_id: str | None) -> list[sa.ColumnElement[bool]]:
    owned = [consumers.c.project_id == project_id]
    return owned if user_id is None else [*owned, consumers.c.user_id == user_id]


async def save(ctx: Ctx, consumer: Consumer, *, new: bool) -> None:
    values = msgspec.structs.asdict(consumer)
    if new:
        await ctx.execute(ADD_CONSUMER, values)
    else:
        await ctx.execute(CHANGE_CONSUMER, {"id_": consumer.id, **values})


async def clear(ctx: Ctx, ids: Collection[str]) -> None:
    """What these use is free again."""
    await ctx.execute(CLEAR, {"ids_": ids})


async def remove(ctx: Ctx, ids: Collection[str]) -> None:
    """These are no consumers any more."""
    await ctx.execute(REMOVE, {"ids_": ids})


async def add(ctx: Ctx, rows: Iterable[Allocation]) -> None:
    await ctx.execute(ADD, [msgspec.structs.asdict(each) for each in rows])
