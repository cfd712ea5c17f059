"""The tables behind ports and their addresses. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from operator import itemgetter
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, among, metadata, narrowed
from pileus.kernel.db.given import Given, apart, gathered
from pileus.kernel.filters import contains
from pileus.kernel.http import Query
from pileus.kernel.paging import every_page, one_by_one
from pileus.kernel.quota import Owners, Used
from pileus.services.network import standard
from pileus.services.network.lists import Condition, Field, Found, Listed
from pileus.services.network.ports.allocations import HELD, Fixed, allocations, hold
from pileus.services.network.ports.rules import FLOATING
from pileus.services.network.standard import Standard
from pileus.services.network.tags import service as tags

ports = sa.Table(
    "network_port",
    metadata,
    *standard.columns(),
    sa.Column("network_id", sa.Uuid, nullable=False, index=True),
    sa.Column("mac_address", Text, nullable=False),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("device_id", Text, nullable=False, index=True),
    sa.Column("device_owner", Text, nullable=False),
    sa.Column("host", Text, index=True),  # where it is bound
    sa.Column("vnic_type", Text, nullable=False),
    sa.Column("profile", JSON, nullable=False),
    sa.Column("port_security", sa.Boolean, nullable=False),
    sa.Column("address_pairs", JSON, nullable=False),
    sa.Column("dhcp_options", JSON, nullable=False),
    sa.Column("dns_name", Text, nullable=False),
    sa.Column("dns_domain", Text, nullable=False),
    sa.Column("up", sa.Boolean, nullable=False),  # the overlay said so: its device works
    sa.Column("cause", Text),  # why the overlay has it not: its status is ERROR
    sa.Column("deleted", sa.Boolean, nullable=False),  # gone for everybody; the overlay may still have it
    sa.Column("wanted_generation", sa.BigInteger, nullable=False),
    sa.Column("done_generation", sa.BigInteger, nullable=False),
    sa.Index(
        "network_port_mac_uq",
        "network_id",
        "mac_address",
        unique=True,
        sqlite_where=sa.text("NOT deleted"),
        postgresql_where=sa.text("NOT deleted"),
    ),
)

members = sa.Table(
    "network_port_group",
    metadata,
    sa.Column("port_id", sa.Uuid, primary_key=True),
    sa.Column("group_id", sa.Uuid, primary_key=True),
    sa.Index("network_port_group_group_ix", "group_id"),
)
LIVE = ports.c.deleted.is_(False)


class Port(Standard, frozen=True, kw_only=True):
    """A row."""

    network_id: UUID
    mac_address: str
    admin_state_up: bool = True
    device_id: str = ""
    device_owner: str = ""
    host: str | None = None
    vnic_type: str = "normal"
    profile: dict[str, Any] = msgspec.field(default_factory=dict)
    port_security: bool = True
    address_pairs: list[dict[str, str]] = msgspec.field(default_factory=list)
    dhcp_options: list[dict[str, Any]] = msgspec.field(default_factory=list)
    dns_name: str = ""
    dns_domain: str = ""
    up: bool = False
    cause: str | None = None
    deleted: bool = False
    wanted_generation: int = 1
    done_generation: int = 0
    fixed: list[Fixed] = msgspec.field(default_factory=list)
    groups: list[UUID] = msgspec.field(default_factory=list)

    @property
    def status(self) -> str:
        known = "ERROR" if self.cause is not None else "ACTIVE" if self.up and self.admin_state_up else "DOWN"
        return known if self.device_owner != FLOATING else "N/A"


COLUMNS = tuple(name for name in Port.__struct_fields__ if name not in ("fixed", "groups"))
ALL = sa.select(*(ports.c[name] for name in COLUMNS))
BY_ID = ALL.where(ports.c.id == sa.bindparam("id_"))
OLDEST_FIRST = ALL.where(LIVE).order_by(ports.c.created_at, ports.c.id)
OF_DEVICES = OLDEST_FIRST.where(among(ports.c.device_id, "devices_"))
OF_OWNERS = OLDEST_FIRST.where(among(ports.c.network_id, "networks_"), among(ports.c.device_owner, "owners_"))
BY_IDS = OLDEST_FIRST.where(among(ports.c.id, "ids_"))
THERE = BY_ID.where(ports.c.deleted.is_(False))
FIXED = (
    sa.select(allocations.c.port_id, allocations.c.subnet_id, allocations.c.address)
    .where(HELD, among(allocations.c.port_id, "ids_"))
    .order_by(allocations.c.ordinal)
)
_GIVEN = Given(*(ports.c[name] for name in COLUMNS))
_ADDRESS = sa.cast(allocations.c.ordinal, sa.Text) + " " + sa.cast(allocations.c.subnet_id, sa.Text) + " "
PARTS = (  # its addresses, its groups
    gathered(_ADDRESS + allocations.c.address, HELD, allocations.c.port_id == ports.c.id),
    gathered(sa.cast(members.c.group_id, sa.Text), members.c.port_id == ports.c.id),
)
GIVEN = sa.select(*_GIVEN.columns, *PARTS, tags.gathered_of(ports.c.id))
GIVEN_BY_ID = GIVEN.where(ports.c.id == sa.bindparam("id_"))
STATE = sa.select(ports.c.up, ports.c.cause, ports.c.project_id).where(ports.c.id == sa.bindparam("id_"))
GROUPS = sa.select(members).where(among(members.c.port_id, "ids_")).order_by(members.c.group_id)
ADD, JOIN = ports.insert(), members.insert()
CHANGE = ports.update().where(among(ports.c.id, "ids_"))
TOUCH = CHANGE.values(revision=ports.c.revision + 1)
LOCK = sa.select(ports.c.id).where(among(ports.c.id, "ids_")).order_by(ports.c.id).with_for_update()
REMOVE = ports.delete().where(ports.c.id == sa.bindparam("id_"), ports.c.deleted)
FREE = allocations.delete().where(allocations.c.port_id == sa.bindparam("id_"))
LEAVE = members.delete().where(among(members.c.port_id, "ids_"))
MACS = sa.select(ports.c.mac_address).where(
    ports.c.network_id == sa.bindparam("network_"), among(ports.c.mac_address, "macs_"), ports.c.deleted.is_(False)
)
STATUS = sa.case(
    (ports.c.device_owner == FLOATING, "N/A"),
    (ports.c.cause.is_not(None), "ERROR"),
    (sa.and_(ports.c.up, ports.c.admin_state_up), "ACTIVE"),
    else_="DOWN",
)


def holding(*conditions: Condition) -> Condition:
    """The ports with an address like this."""
    return ports.c.id.in_(sa.select(allocations.c.port_id).where(HELD, *conditions))


def by_fixed(values: Sequence[str]) -> Condition:
    """`fixed_ips=ip_address=10.0.0.3`, `subnet_id=…`, `ip_address_substr=…`; of each kind any, of several kinds all."""
    known = {
        "ip_address": lambda words: holding(allocations.c.address.in_(words)),
        "ip_address_substr": lambda words: holding(sa.or_(*(contains(allocations.c.address, word) for word in words))),
        "subnet_id": lambda words: holding(sa.cast(allocations.c.subnet_id, sa.Uuid).in_(words)),
    }
    asked: dict[str, list[Any]] = {}
    for value in values:
        kind, _, word = value.partition("=")
        if kind in known:
            asked.setdefault(kind, []).append(word)
    if "subnet_id" in asked:
        asked["subnet_id"] = [found for word in asked["subnet_id"] if (found := uuid_or_none(word)) is not None]
    return sa.and_(sa.true(), *(known[kind](words) for kind, words in asked.items()))


def by_group(values: Sequence[str]) -> Condition:
    """`security_groups=…`, again and again: any of them."""
    ids = [found for value in values for word in value.split(",") if (found := uuid_or_none(word)) is not None]
    return ports.c.id.in_(sa.select(members.c.port_id).where(members.c.group_id.in_(ids)))


def uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


LISTED = Listed(
    "port",
    Port,
    ALL,
    ports.c.id,
    filters={
        **standard.filters(ports),
        "network_id": Field(ports.c.network_id, "uuid"),
        "mac_address": Field(ports.c.mac_address),
        "admin_state_up": Field(ports.c.admin_state_up, "boolean"),
        "device_id": Field(ports.c.device_id),
        "device_owner": Field(ports.c.device_owner),
        "binding:host_id": Field(sa.func.coalesce(ports.c.host, "")),
        "binding:vnic_type": Field(ports.c.vnic_type),
        "port_security_enabled": Field(ports.c.port_security, "boolean"),
        "dns_name": Field(ports.c.dns_name),
    },
    more={
        "status": lambda values: STATUS.in_(values),
        "fixed_ips": by_fixed,
        "security_groups": by_group,
        **tags.filters(ports.c.id),
    },
    sorts=(
        "name",
        "network_id",
        "mac_address",
        "admin_state_up",
        "device_id",
        "device_owner",
        "tenant_id",
        "project_id",
        "created_at",
        "updated_at",
    ),
)


async def whole(ctx: Ctx, bare: Sequence[Port]) -> list[Port]:
    """These ports, just read, with their addresses and groups."""
    found = {port.id: port for port in bare}
    if found:
        for port_id, subnet_id, address in await ctx.execute(FIXED, {"ids_": found}):
            found[port_id].fixed.append(Fixed(subnet_id, address))
        for port_id, group_id in await ctx.execute(GROUPS, {"ids_": found}):
            found[port_id].groups.append(group_id)
    return list(found.values())


async def listed(ctx: Ctx, *conditions: Condition, most: int | None = None) -> list[Port]:
    """Those that are not deleted and meet these, the oldest first."""
    return await found_by(ctx, OLDEST_FIRST.where(*conditions).limit(most))


async def found_by(ctx: Ctx, statement: sa.Select[Any], given: dict[str, Any] | None = None) -> list[Port]:
    """What a statement of `OLDEST_FIRST` finds."""
    return await whole(ctx, [Port(**row._mapping) for row in await ctx.execute(statement, given)])


async def by_ids(ctx: Ctx, port_ids: Collection[UUID]) -> list[Port]:
    """Those of these that are not deleted, the oldest first."""
    return await found_by(ctx, BY_IDS, {"ids_": port_ids})


async def find(ctx: Ctx, port_id: UUID, *visible: Condition) -> Port | None:
    rows = await ctx.execute(narrowed(THERE, *visible), {"id_": port_id})
    found = await whole(ctx, [Port(**row._mapping) for row in rows])
    return found[0] if found else None


async def row_of(ctx: Ctx, port_id: UUID) -> Port | None:
    """One that may be deleted."""
    row = (await ctx.execute(GIVEN_BY_ID, {"id_": port_id})).one_or_none()
    return None if row is None else read(row)[0]


async def state_of(ctx: Ctx, port_id: UUID) -> Any:
    """Its `up`, `cause` and `project_id`, also of one that is deleted; None when there is none."""
    return (await ctx.execute(STATE, {"id_": port_id})).one_or_none()


async def page(ctx: Ctx, query: Query, *visible: Condition) -> Found[tuple[Any, ...]]:
    """Rows of `GIVEN`, of which `read` makes ports."""
    return await LISTED.given(ctx, GIVEN, query, LIVE, *visible)


kind_of: Callable[[tuple[Any, ...]], tuple[str, Any, str]] = itemgetter(
    *map(COLUMNS.index, ("project_id", "network_id", "device_owner"))
)
"""Of a row of `GIVEN`: its project, its network as it is given, its device's owner."""


def read(row: Sequence[Any]) -> tuple[Port, list[str]]:
    """The port that a row of `GIVEN` is, and its tags."""
    *_, addresses, groups, words = row
    fixed = [Fixed(UUID(subnet_id), address) for _, subnet_id, address in held_of(addresses)]
    return Port(**_GIVEN.read(row), fixed=fixed, groups=[UUID(each) for each in apart(groups)]), apart(words)


def held_of(addresses: str | None) -> list[list[str]]:
    """Of each address that was gathered its place among them, its subnet, itself."""
    return sorted((each.split(" ") for each in apart(addresses)), key=lambda each: int(each[0]))


async def add(ctx: Ctx, new: Sequence[Port]) -> None:
    rows = [{name: getattr(port, name) for name in COLUMNS} for port in new]
    await ctx.execute(ADD, rows)
    await hold(ctx, [(port.id, port.fixed) for port in new])
    await join(ctx, [(port.id, group_id) for port in new for group_id in port.groups])


async def change(ctx: Ctx, port_ids: Collection[UUID], **columns: Any) -> None:
    await ctx.execute(CHANGE, {"ids_": port_ids, **columns})


async def hold_rows(ctx: Ctx, port_ids: Collection[UUID]) -> None:
    """Nobody else changes these ports until the transaction ends."""
    await ctx.hold(LOCK, {"ids_": port_ids})


async def touch(ctx: Ctx, port_id: UUID) -> None:
    await ctx.execute(TOUCH, {"ids_": [port_id], "updated_at": ctx.now()})


async def remove(ctx: Ctx, port_id: UUID) -> None:
    """The row of one that is deleted, and all that it held."""
    await ctx.execute(REMOVE, {"id_": port_id})
    await ctx.execute(FREE, {"id_": port_id})


def _others_address() -> sa.Exists:
    mine, theirs = allocations.alias(), allocations.alias()
    me = sa.bindparam("id_", type_=sa.Uuid)
    same = sa.and_(theirs.c.subnet_id == mine.c.subnet_id, theirs.c.place == mine.c.place)
    held = sa.exists().where(mine.c.port_id == me, mine.c.released.is_(None))
    return held.where(same, theirs.c.port_id != me, theirs.c.released.is_not(None))


def _others_mac() -> sa.Exists:
    mine, theirs = ports.alias(), ports.alias()
    me = sa.bindparam("id_", type_=sa.Uuid)
    same = sa.and_(theirs.c.network_id == mine.c.network_id, theirs.c.mac_address == mine.c.mac_address)
    return sa.exists().where(mine.c.id == me, same, theirs.c.deleted, theirs.c.id != me)


MUST_WAIT = sa.select(sa.or_(_others_address(), _others_mac()))


async def must_wait(ctx: Ctx, port_id: UUID) -> bool:
    """Whether the overlay may still have an address of this port, or its MAC address, on a port that had it before."""
    return bool((await ctx.execute(MUST_WAIT, {"id_": port_id})).scalar())


async def macs_among(ctx: Ctx, network_id: UUID, macs: Collection[str]) -> set[str]:
    """Those of these that are in use on the network."""
    return set((await ctx.execute(MACS, {"network_": network_id, "macs_": macs})).scalars())


async def join(ctx: Ctx, rows: Sequence[tuple[UUID, UUID]]) -> None:
    if rows:
        await ctx.execute(JOIN, [{"port_id": port_id, "group_id": group_id} for port_id, group_id in rows])


async def leave(ctx: Ctx, port_ids: Collection[UUID]) -> None:
    await ctx.execute(LEAVE, {"ids_": port_ids})


def in_groups(group_ids: Collection[UUID]) -> Condition:
    return ports.c.id.in_(sa.select(members.c.port_id).where(members.c.group_id.in_(list(group_ids))))


def count_of(owners: Owners) -> Used:
    return sa.select(sa.func.count()).where(ports.c.project_id.in_(owners), LIVE)


async def in_pages(ctx: Ctx, *conditions: Condition) -> AsyncIterator[list[Port]]:
    """All that are not deleted and meet these, some at a time."""
    query = sa.select(ports.c.id, *(ports.c[name] for name in COLUMNS if name != "id")).where(LIVE, *conditions)
    async for rows in every_page(ctx, query, ports.c.id):
        yield await whole(ctx, [Port(**row._mapping) for row in rows])


async def devices(ctx: Ctx) -> dict[UUID, bool]:
    """Of all that are not deleted: whether their device works, as the rows say."""
    query = sa.select(ports.c.id, ports.c.up).where(LIVE)
    return {port_id: up async for port_id, up in one_by_one(every_page(ctx, query, ports.c.id))}


async def astray(ctx: Ctx, subnet_ids: sa.Select[Any]) -> AsyncIterator[Sequence[sa.Row[Any]]]:
    """Ports (id, an address, how many) with addresses that are out of use, or in none of these subnets, or of no port."""
    there = sa.select(ports.c.id).where(LIVE)
    off = sa.or_(~HELD, allocations.c.subnet_id.not_in(subnet_ids), allocations.c.port_id.not_in(there))
    columns = (allocations.c.port_id, sa.func.min(allocations.c.address), sa.func.count())
    query = sa.select(*columns).where(off).group_by(allocations.c.port_id)
    async for rows in every_page(ctx, query, allocations.c.port_id):
        yield rows


async def projects_on(ctx: Ctx, network_id: UUID) -> set[str]:
    """Whose ports are on the network."""
    query = sa.select(ports.c.project_id).where(ports.c.network_id == network_id, LIVE).distinct()
    return set((await ctx.execute(query)).scalars())


async def names_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many these projects have, and the names of a few."""
    return await standard.names_of(ctx, ports, project_ids, LIVE)
