"""The table behind networks. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata, narrowed
from pileus.kernel.http import Query
from pileus.kernel.quota import Owners, Used
from pileus.services.network import standard
from pileus.services.network.lists import Condition, Field, Found, Listed
from pileus.services.network.standard import Standard
from pileus.services.network.tags import service as tags

networks = sa.Table(
    "network_network",
    metadata,
    *standard.columns(),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("shared", sa.Boolean, nullable=False),
    sa.Column("external", sa.Boolean, nullable=False),
    sa.Column("is_default", sa.Boolean, nullable=False),
    sa.Column("port_security", sa.Boolean, nullable=False),
    sa.Column("mtu", sa.Integer, nullable=False),
    sa.Column("network_type", Text, nullable=False),  # geneve | flat | vlan
    sa.Column("physical_network", Text),
    sa.Column("segmentation_id", sa.Integer),
    sa.Column("dns_domain", Text, nullable=False),
    sa.Column("cause", Text),  # why the overlay has it not: its status is ERROR
    sa.Column("deleted", sa.Boolean, nullable=False),  # gone for everybody; the overlay may still have it
    sa.Column("wanted_generation", sa.BigInteger, nullable=False),
    sa.Column("done_generation", sa.BigInteger, nullable=False),
)
# constants in words, not as parameters: else the planner does not see that a question asks for this
PHYSICAL = sa.func.coalesce(networks.c.physical_network, sa.literal_column("''"))
SEGMENT = sa.func.coalesce(networks.c.segmentation_id, sa.literal_column("0"))
sa.Index("network_network_segment_uq", networks.c.network_type, PHYSICAL, SEGMENT, unique=True)
Hold = Literal["stays", "mine", "goes"]
HOLDS: dict[Hold, Any] = {
    "stays": {"read": True, "key_share": True},  # others may change it meanwhile
    "mine": {"key_share": True},  # others may only rely on it
    "goes": {},
}
LIVE = networks.c.deleted.is_(False)


class Network(Standard, frozen=True, kw_only=True):
    """A row."""

    admin_state_up: bool = True
    shared: bool = False
    external: bool = False
    is_default: bool = False
    port_security: bool = True
    mtu: int
    network_type: str
    physical_network: str | None = None
    segmentation_id: int | None = None
    dns_domain: str = ""
    cause: str | None = None
    deleted: bool = False
    wanted_generation: int = 1
    done_generation: int = 0

    @property
    def status(self) -> str:
        return "ACTIVE" if self.cause is None else "ERROR"


ALL = sa.select(*(networks.c[name] for name in Network.__struct_fields__))
BY_ID = ALL.where(networks.c.id == sa.bindparam("id_"))
THERE = BY_ID.where(LIVE)
BY_IDS = ALL.where(among(networks.c.id, "ids_"), LIVE)
LOCKED: dict[Hold, Any] = {how: BY_IDS.order_by(networks.c.id).with_for_update(**HOLDS[how]) for how in HOLDS}
ADD, CHANGE = networks.insert(), networks.update().where(networks.c.id == sa.bindparam("id_"))
TOUCH = CHANGE.values(revision=networks.c.revision + 1)
REMOVE = networks.delete().where(networks.c.id == sa.bindparam("id_"), networks.c.deleted)
LAST_TUNNEL = (
    sa.select(SEGMENT)
    .where(networks.c.network_type == sa.bindparam("kind_"), sa.literal_column("''") == PHYSICAL)
    .order_by(SEGMENT.desc())
    .limit(sa.literal_column("1"))
)
STATUS = sa.case((networks.c.cause.is_(None), "ACTIVE"), else_="ERROR")
LISTED = Listed(
    "network",
    Network,
    ALL,
    networks.c.id,
    filters={
        **standard.filters(networks),
        "admin_state_up": Field(networks.c.admin_state_up, "boolean"),
        "shared": Field(networks.c.shared, "boolean"),
        "router:external": Field(networks.c.external, "boolean"),
        "is_default": Field(networks.c.is_default, "boolean"),
        "port_security_enabled": Field(networks.c.port_security, "boolean"),
        "mtu": Field(networks.c.mtu, "integer"),
        "provider:network_type": Field(networks.c.network_type),
        "provider:physical_network": Field(networks.c.physical_network),
        "provider:segmentation_id": Field(networks.c.segmentation_id, "integer"),
    },
    more={"status": lambda values: STATUS.in_(values), **tags.filters(networks.c.id)},
    sorts=("name", "admin_state_up", "tenant_id", "project_id", "mtu", "created_at", "updated_at"),
)


async def find(ctx: Ctx, network_id: UUID, *visible: Condition) -> Network | None:
    """One that is not deleted."""
    row = (await ctx.execute(narrowed(THERE, *visible), {"id_": network_id})).one_or_none()
    return None if row is None else Network(**row._mapping)


async def hold(ctx: Ctx, ids: Collection[UUID], *visible: Condition, how: Hold) -> dict[UUID, Network]:
    """As `by_ids`, for those who rely on them until the transaction ends."""
    rows = await ctx.execute(narrowed(LOCKED[how], *visible), {"ids_": ids})
    return {row.id: Network(**row._mapping) for row in rows}


async def row_of(ctx: Ctx, network_id: UUID) -> Network | None:
    """One that may be deleted."""
    row = (await ctx.execute(BY_ID, {"id_": network_id})).one_or_none()
    return None if row is None else Network(**row._mapping)


async def by_ids(ctx: Ctx, ids: Collection[UUID], *visible: Condition) -> dict[UUID, Network]:
    rows = await ctx.execute(narrowed(BY_IDS, *visible), {"ids_": ids}) if ids else ()
    return {row.id: Network(**row._mapping) for row in rows}


async def page(ctx: Ctx, query: Query, *visible: Condition) -> Found[Network]:
    return await LISTED.page(ctx, query, LIVE, *visible)


async def add(ctx: Ctx, new: Sequence[Network]) -> None:
    await ctx.execute(ADD, [msgspec.structs.asdict(network) for network in new])


async def change(ctx: Ctx, network_id: UUID, **columns: Any) -> None:
    if columns:  # a request may change tags alone, or nothing
        await ctx.execute(CHANGE, {"id_": network_id, **columns})


async def touch(ctx: Ctx, network_id: UUID) -> None:
    await ctx.execute(TOUCH, {"id_": network_id, "updated_at": ctx.now()})


async def remove(ctx: Ctx, network_id: UUID) -> None:
    await ctx.execute(REMOVE, {"id_": network_id})


async def on_segment(ctx: Ctx, kind: str, physical_network: str | None, segmentation_id: int | None) -> UUID | None:
    """The network that is on this segment, if there is one; also one whose end the overlay has not seen yet."""
    query = sa.select(networks.c.id).where(networks.c.network_type == kind)
    for column, value in (("physical_network", physical_network), ("segmentation_id", segmentation_id)):
        query = query.where(networks.c[column].is_(None) if value is None else networks.c[column] == value)
    return (await ctx.execute(query)).scalar()


async def segments(ctx: Ctx, kind: str, physical_network: str | None, after: int, most: int) -> list[int]:
    """The numbers in use behind one, in order."""
    same: Condition = networks.c.physical_network.is_(None)
    if physical_network is not None:
        same = networks.c.physical_network == physical_network
    number = networks.c.segmentation_id
    query = sa.select(number).where(networks.c.network_type == kind, same, number > after).order_by(number).limit(most)
    return list((await ctx.execute(query)).scalars())


async def last_tunnel(ctx: Ctx, kind: str) -> int:
    """The highest number of this kind, of networks that are on no physical one."""
    return (await ctx.execute(LAST_TUNNEL, {"kind_": kind})).scalar() or 0


async def every_project(ctx: Ctx) -> dict[UUID, str]:
    """Whose each is, of all that are not deleted."""
    return await standard.every_project(ctx, networks, LIVE)


def ids_of(*conditions: Condition) -> sa.Select[tuple[UUID]]:
    """The ids of those that are not deleted: what stands in an IN."""
    return sa.select(networks.c.id).where(LIVE, *conditions)


def count_of(owners: Owners) -> Used:
    return sa.select(sa.func.count()).where(networks.c.project_id.in_(owners), LIVE)


async def names_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many these projects have, and the names of a few."""
    return await standard.names_of(ctx, networks, project_ids, LIVE)


async def undeleted_of(ctx: Ctx, project_ids: Sequence[str], most: int) -> list[Network]:
    query = (
        ALL.where(networks.c.project_id.in_(project_ids), LIVE).order_by(networks.c.id).limit(most).with_for_update()
    )
    return [Network(**row._mapping) for row in await ctx.execute(query)]
