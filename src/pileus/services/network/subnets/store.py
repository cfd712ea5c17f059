"""The table behind subnets. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, among, metadata
from pileus.kernel.http import Query
from pileus.kernel.quota import Owners, Used
from pileus.services.network import standard
from pileus.services.network.addresses import Block, Pool
from pileus.services.network.lists import Condition, Field, Found, Listed
from pileus.services.network.standard import Standard
from pileus.services.network.tags import service as tags

subnets = sa.Table(
    "network_subnet",
    metadata,
    *standard.columns(),
    sa.Column("network_id", sa.Uuid, nullable=False, index=True),
    sa.Column("ip_version", sa.Integer, nullable=False),
    sa.Column("cidr", Text, nullable=False),
    sa.Column("gateway_ip", Text),
    sa.Column("enable_dhcp", sa.Boolean, nullable=False),
    sa.Column("ipv6_ra_mode", Text),
    sa.Column("ipv6_address_mode", Text),
    sa.Column("subnetpool_id", sa.Uuid, index=True),
    sa.Column("pools", JSON, nullable=False),  # [[first, last], ...] as addresses
    sa.Column("dns", JSON, nullable=False),
    sa.Column("routes", JSON, nullable=False),
    sa.Column("service_types", JSON, nullable=False),
    sa.Column("dns_publish_fixed_ip", sa.Boolean, nullable=False),
)


class Subnet(Standard, frozen=True, kw_only=True, dict=True):
    """A row."""

    network_id: UUID
    ip_version: int
    cidr: str
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    subnetpool_id: UUID | None = None
    pools: list[list[str]] = msgspec.field(default_factory=list)
    dns: list[str] = msgspec.field(default_factory=list)
    routes: list[dict[str, str]] = msgspec.field(default_factory=list)
    service_types: list[str] = msgspec.field(default_factory=list)
    dns_publish_fixed_ip: bool = False

    @cached_property
    def block(self) -> Block:
        return ip_network(self.cidr)

    @property
    def automatic(self) -> bool:
        """Whether ports give themselves their addresses here: SLAAC."""
        return self.ipv6_address_mode in ("slaac", "dhcpv6-stateless")

    @cached_property
    def ranges(self) -> list[Pool]:
        """The allocation pools as numbers, in order."""
        net = type(self.block.network_address)
        return sorted((int(net(first)), int(net(last))) for first, last in self.pools)


ALL = sa.select(*(subnets.c[name] for name in Subnet.__struct_fields__))
OF_NETWORKS = ALL.where(among(subnets.c.network_id, "ids_")).order_by(subnets.c.created_at, subnets.c.id)
BY_IDS = ALL.where(among(subnets.c.id, "ids_"))
LISTED = Listed(
    "subnet",
    Subnet,
    ALL,
    subnets.c.id,
    filters={
        **standard.filters(subnets),
        "network_id": Field(subnets.c.network_id, "uuid"),
        "ip_version": Field(subnets.c.ip_version, "integer"),
        "cidr": Field(subnets.c.cidr),
        "gateway_ip": Field(subnets.c.gateway_ip),
        "enable_dhcp": Field(subnets.c.enable_dhcp, "boolean"),
        "ipv6_ra_mode": Field(subnets.c.ipv6_ra_mode),
        "ipv6_address_mode": Field(subnets.c.ipv6_address_mode),
        "subnetpool_id": Field(subnets.c.subnetpool_id, "uuid"),
    },
    more={**tags.filters(subnets.c.id)},
)


async def find(ctx: Ctx, subnet_id: UUID, *visible: Condition) -> Subnet | None:
    row = (await ctx.execute(ALL.where(subnets.c.id == subnet_id, *visible))).one_or_none()
    return None if row is None else Subnet(**row._mapping)


async def by_ids(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, Subnet]:
    rows = await ctx.execute(BY_IDS, {"ids_": ids}) if ids else ()
    return {row.id: Subnet(**row._mapping) for row in rows}


async def of_networks(ctx: Ctx, network_ids: Collection[UUID]) -> dict[UUID, list[Subnet]]:
    """The subnets of each, the oldest first; no entry for one without."""
    found: dict[UUID, list[Subnet]] = {}
    if network_ids:
        for row in await ctx.execute(OF_NETWORKS, {"ids_": network_ids}):
            found.setdefault(row.network_id, []).append(Subnet(**row._mapping))
    return found


def every_id() -> sa.Select[tuple[UUID]]:
    """What stands in an IN."""
    return sa.select(subnets.c.id)


async def page(ctx: Ctx, query: Query, *visible: Condition) -> Found[Subnet]:
    return await LISTED.page(ctx, query, *visible)


async def add(ctx: Ctx, new: Sequence[Subnet]) -> None:
    await ctx.execute(subnets.insert(), [msgspec.structs.asdict(subnet) for subnet in new])


async def change(ctx: Ctx, subnet_id: UUID, **columns: Any) -> None:
    if columns:  # a request may change tags alone, or nothing
        await ctx.execute(subnets.update().where(subnets.c.id == subnet_id).values(**columns))


async def touch(ctx: Ctx, subnet_id: UUID) -> None:
    await change(ctx, subnet_id, **standard.touched(ctx, subnets))


async def remove(ctx: Ctx, ids: Collection[UUID]) -> None:
    await ctx.execute(subnets.delete().where(subnets.c.id.in_(list(ids))))


def ids_of(*conditions: Condition) -> sa.Select[tuple[UUID]]:
    """The ids of those that meet these: what stands in an IN."""
    return sa.select(subnets.c.id).where(*conditions)


def count_of(owners: Owners) -> Used:
    return sa.select(sa.func.count()).where(subnets.c.project_id.in_(owners))


async def names_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    return await standard.names_of(ctx, subnets, project_ids)


async def of_projects(ctx: Ctx, project_ids: Sequence[str], most: int) -> list[Subnet]:
    query = ALL.where(subnets.c.project_id.in_(project_ids)).order_by(subnets.c.id).limit(most)
    return [Subnet(**row._mapping) for row in await ctx.execute(query)]
