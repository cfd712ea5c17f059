"""The table behind floating IPs. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata
from pileus.kernel.http import Query
from pileus.services.network import standard
from pileus.services.network.lists import Condition, Field, Found, Listed
from pileus.services.network.standard import Standard
from pileus.services.network.tags import service as tags

floating_ips = sa.Table(
    "network_floating_ip",
    metadata,
    *standard.columns(),
    sa.Column("floating_network_id", sa.Uuid, nullable=False),
    sa.Column("floating_ip_address", Text, nullable=False),
    sa.Column("floating_port_id", sa.Uuid, nullable=False, unique=True),  # which holds the address outside
    sa.Column("fixed_port_id", sa.Uuid, index=True),
    sa.Column("fixed_ip_address", Text),
    sa.Column("router_id", sa.Uuid, index=True),
    sa.Column("status", Text, nullable=False),  # DOWN | ACTIVE | ERROR
    sa.Column("dns_name", Text, nullable=False),
    sa.Column("dns_domain", Text, nullable=False),
    sa.Index("network_floating_ip_inside", "floating_network_id", "fixed_port_id", "fixed_ip_address", unique=True),
)


class FloatingIp(Standard, frozen=True, kw_only=True):
    """A row."""

    floating_network_id: UUID
    floating_ip_address: str
    floating_port_id: UUID
    fixed_port_id: UUID | None = None
    fixed_ip_address: str | None = None
    router_id: UUID | None = None
    status: str = "DOWN"
    dns_name: str = ""
    dns_domain: str = ""


ALL = sa.select(*(floating_ips.c[name] for name in FloatingIp.__struct_fields__))


LISTED = Listed(
    "floatingip",
    FloatingIp,
    ALL,
    floating_ips.c.id,
    filters={
        **{name: field for name, field in standard.filters(floating_ips).items() if name != "name"},
        "floating_network_id": Field(floating_ips.c.floating_network_id, "uuid"),
        "floating_ip_address": Field(floating_ips.c.floating_ip_address),
        "port_id": Field(floating_ips.c.fixed_port_id, "uuid"),
        "fixed_ip_address": Field(floating_ips.c.fixed_ip_address),
        "router_id": Field(floating_ips.c.router_id, "uuid"),
        "status": Field(floating_ips.c.status),
    },
    more=tags.filters(floating_ips.c.id),
)


async def page(ctx: Ctx, query: Query, *visible: Condition) -> Found[FloatingIp]:
    return await LISTED.page(ctx, query, *visible)


async def find(ctx: Ctx, floating_ip_id: UUID, visible: Condition) -> FloatingIp | None:
    row = (await ctx.execute(ALL.where(floating_ips.c.id == floating_ip_id, visible))).one_or_none()
    return None if row is None else FloatingIp(**row._mapping)


async def hold(ctx: Ctx, ids: Collection[UUID]) -> None:
    """Nobody else changes these rows, or holds them, until the transaction ends."""
    query = sa.select(floating_ips.c.id).where(floating_ips.c.id.in_(list(ids))).order_by(floating_ips.c.id)
    await ctx.hold(query.with_for_update())


async def by(ctx: Ctx, column: str, ids: Collection[UUID]) -> list[FloatingIp]:
    """Those with one of these in that column, by id."""
    return [FloatingIp(**row._mapping) for row in await ctx.execute(_by(column), {"ids_": ids})]


@cache
def _by(column: str) -> sa.Select[Any]:
    return ALL.where(among(floating_ips.c[column], "ids_")).order_by(floating_ips.c.id)


async def stands_for(ctx: Ctx, network_id: UUID, port_id: UUID, address: str) -> UUID | None:
    """The floating IP of that network that stands for that address."""
    place = {"floating_network_id": network_id, "fixed_port_id": port_id, "fixed_ip_address": address}
    query = sa.select(floating_ips.c.id).where(*(floating_ips.c[name] == value for name, value in place.items()))
    return (await ctx.execute(query)).scalar()


async def add(ctx: Ctx, floating_ip: FloatingIp) -> None:
    await ctx.execute(floating_ips.insert(), msgspec.structs.asdict(floating_ip))


async def change(ctx: Ctx, floating_ip_id: UUID, **columns: Any) -> None:
    """Write these columns, and raise the revision."""
    values = {**columns, **standard.touched(ctx, floating_ips)}
    await ctx.execute(floating_ips.update().where(floating_ips.c.id == floating_ip_id).values(**values))


async def mark_active(ctx: Ctx, router_id: UUID, ids: Collection[UUID]) -> None:
    """Those of them that are on that router. That is no change of their owner's."""
    if ids:
        there = sa.and_(floating_ips.c.id.in_(list(ids)), floating_ips.c.router_id == router_id)
        await ctx.execute(floating_ips.update().where(there).values(status="ACTIVE"))


async def on_routers(ctx: Ctx) -> dict[UUID, UUID]:
    """The router of each that stands for something."""
    there = floating_ips.c.router_id.is_not(None)
    found = await ctx.execute(sa.select(floating_ips.c.id, floating_ips.c.router_id).where(there))
    return {row.id: row.router_id for row in found}


async def remove(ctx: Ctx, floating_ip_id: UUID) -> None:
    await ctx.execute(floating_ips.delete().where(floating_ips.c.id == floating_ip_id))


def count_of(owners: Any) -> sa.Select[Any]:
    return sa.select(sa.func.count()).where(floating_ips.c.project_id.in_(owners))


async def names_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many these projects have, and the addresses of a few."""
    query = sa.select(floating_ips.c.floating_ip_address, sa.func.count().over())
    query = query.where(floating_ips.c.project_id.in_(project_ids)).order_by(floating_ips.c.id).limit(5)
    rows = (await ctx.execute(query)).all()
    return (rows[0][1] if rows else 0), [row[0] for row in rows]


async def of_projects(ctx: Ctx, project_ids: Sequence[str], most: int) -> list[FloatingIp]:
    """Some of these projects', by id."""
    query = ALL.where(floating_ips.c.project_id.in_(project_ids)).order_by(floating_ips.c.id).limit(most)
    return [FloatingIp(**row._mapping) for row in await ctx.execute(query)]
