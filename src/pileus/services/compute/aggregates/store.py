"""The tables behind aggregates. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, among, metadata
from pileus.kernel.filters import Condition

aggregates = sa.Table(
    "compute_aggregate",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("uuid", Text, nullable=False, unique=True),  # Placement's name for it
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("metadata", JSON, nullable=False),
    sa.Column("made_at", sa.Float, nullable=False),
    sa.Column("changed_at", sa.Float),
    sqlite_autoincrement=True,
)

members = sa.Table(
    "compute_aggregate_host",
    metadata,
    sa.Column(
        "aggregate_id",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        sa.ForeignKey("compute_aggregate.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("host", Text, primary_key=True, index=True),
)


class Aggregate(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    uuid: str
    name: str
    metadata: dict[str, str]
    made_at: float
    changed_at: float | None = None
    hosts: tuple[str, ...] = ()

    @property
    def zone(self) -> str | None:
        """The availability zone that it makes of its hosts."""
        return self.metadata.get("availability_zone")


ALL = sa.select(*(aggregates.c[name] for name in Aggregate.__struct_fields__ if name != "hosts"))
METADATA = (
    sa.select(members.c.host, aggregates.c.metadata)
    .join_from(members, aggregates)
    .where(among(members.c.host, "hosts_"))
    .order_by(aggregates.c.id)
)


async def list_(ctx: Ctx, *which: Condition) -> list[Aggregate]:
    """In the order in which they were made, each with its hosts, by name."""
    rows = (await ctx.execute(ALL.where(*which).order_by(aggregates.c.id))).all()
    query = sa.select(members.c.aggregate_id, members.c.host).order_by(members.c.host)
    if which:
        query = query.where(members.c.aggregate_id.in_([row.id for row in rows]))
    hosts: dict[int, list[str]] = {}
    for aggregate_id, host in await ctx.execute(query):
        hosts.setdefault(aggregate_id, []).append(host)
    return [Aggregate(**row._mapping, hosts=tuple(hosts.get(row.id, ()))) for row in rows]


async def metadata_at(ctx: Ctx, hosts: Collection[str]) -> list[tuple[str, dict[str, str]]]:
    """Each of these hosts with the metadata of each aggregate that it is in, in the order in which those were made."""
    return [(host, said) for host, said in await ctx.execute(METADATA, {"hosts_": hosts})]


def with_any_of(hosts: Collection[str]) -> Condition:
    return aggregates.c.id.in_(sa.select(members.c.aggregate_id).where(members.c.host.in_(hosts)))


async def add(ctx: Ctx, **columns: Any) -> int:
    """Its id."""
    inserted = aggregates.insert().values(**columns).returning(aggregates.c.id)
    return int((await ctx.execute(inserted)).scalar_one())


async def change(ctx: Ctx, id_: int, **columns: Any) -> None:
    await ctx.execute(aggregates.update().where(aggregates.c.id == id_).values(**columns))


async def remove(ctx: Ctx, id_: int) -> None:
    await ctx.execute(aggregates.delete().where(aggregates.c.id == id_))


async def add_host(ctx: Ctx, id_: int, host: str) -> None:
    await ctx.execute(members.insert().values(aggregate_id=id_, host=host))


async def remove_host(ctx: Ctx, id_: int, host: str) -> None:
    await ctx.execute(members.delete().where(members.c.aggregate_id == id_, members.c.host == host))


async def forget_host(ctx: Ctx, host: str) -> None:
    await ctx.execute(members.delete().where(members.c.host == host))
