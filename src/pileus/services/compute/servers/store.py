"""The tables behind servers. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Document, Text, among, metadata
from pileus.kernel.paging import every_page
from pileus.services.compute.servers.rules import Fault, Flavor, ImageFacts, Key

servers = sa.Table(
    "compute_server",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("project_id", Text, nullable=False),
    sa.Column("user_id", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("hostname", Text, nullable=False),
    sa.Column("description", Text),
    sa.Column("vm_state", Text, nullable=False),  # rules.STATES
    sa.Column("task_state", Text),  # what is being done with it; None: nothing
    sa.Column("power_state", sa.Integer, nullable=False),  # as the API numbers them: rules.POWERS
    sa.Column("flavor_id", Text, nullable=False),
    sa.Column("flavor", Document(Flavor), nullable=False),  # as it was when the server got it
    sa.Column("old_flavor", Document(Flavor)),  # before a resize that is not confirmed
    sa.Column("vcpus", sa.BigInteger, nullable=False),  # what counts against the quota: during a resize the larger
    sa.Column("memory_mib", sa.BigInteger, nullable=False),
    sa.Column("image_id", sa.Uuid),  # None: it boots from a volume
    sa.Column("image", Document(ImageFacts), nullable=False),  # what was known of it
    sa.Column("key_name", Text),
    sa.Column("key", Document(Key)),
    sa.Column("host", Text),  # None until it is claimed, and again after a failed build
    sa.Column("old_host", Text),  # where it was before a migration that is not confirmed: its guest is there, off
    sa.Column("zone", Text),  # asked for; None: any
    sa.Column("metadata", JSON, nullable=False),
    sa.Column("user_data", sa.LargeBinary),  # base64, as it came, sealed: it often holds passwords
    sa.Column("config_drive", sa.Boolean, nullable=False),
    sa.Column("disk_config", Text, nullable=False),  # AUTO | MANUAL
    sa.Column("hints", JSON, nullable=False),
    sa.Column("group_id", sa.Uuid, index=True),  # of the server group that it was made in
    sa.Column("access_ipv4", Text),
    sa.Column("access_ipv6", Text),
    sa.Column("locked_by", Text),  # owner | admin
    sa.Column("locked_reason", Text),
    sa.Column("reservation_id", Text, nullable=False),
    sa.Column("launch_index", sa.Integer, nullable=False),
    sa.Column("fault", Document(Fault)),
    sa.Column("sealed", sa.LargeBinary),  # the first password of its administrator, and files for its first boot
    sa.Column("edition", sa.Integer, nullable=False),  # raised by each rebuild: the local disks are made anew
    sa.Column("rescue", Document(ImageFacts)),  # the image it is rescued with
    sa.Column("shaper", sa.Uuid),  # the operation that changes the guest's shape just now
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("launched_at", sa.Double),
    sa.Column("deleted_at", sa.Double),
)
not_deleted = servers.c.deleted_at.is_(None)
sa.Index("compute_server_listed", servers.c.project_id, servers.c.created_at, servers.c.id)
sa.Index("compute_server_all", servers.c.created_at, servers.c.id)
sa.Index("compute_server_host", servers.c.host, sqlite_where=not_deleted, postgresql_where=not_deleted)
sa.Index("compute_server_changed", servers.c.updated_at)
gone = servers.c.deleted_at.is_not(None)
sa.Index("compute_server_gone", servers.c.deleted_at, sqlite_where=gone, postgresql_where=gone)

tags = sa.Table(
    "compute_server_tag",
    metadata,
    sa.Column("server_id", sa.Uuid, sa.ForeignKey("compute_server.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("tag", Text, primary_key=True),
    sa.Index("compute_server_tag_tag", "tag"),
)

nics = sa.Table(
    "compute_nic",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # what operations on it are about
    sa.Column("port_id", sa.Uuid, nullable=False, unique=True),
    sa.Column("server_id", sa.Uuid, sa.ForeignKey("compute_server.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("ours", sa.Boolean, nullable=False),  # made for the server, and deleted with it
    sa.Column("plugged", sa.Boolean, nullable=False),  # part of the guest's shape
    sa.Column("tag", Text),
)

devices = sa.Table(
    "compute_block_device",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # of the attachment, too
    sa.Column("server_id", sa.Uuid, sa.ForeignKey("compute_server.id", ondelete="CASCADE"), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("source", Text, nullable=False),  # image | volume | snapshot | blank
    sa.Column("destination", Text, nullable=False),  # local | volume
    sa.Column("source_id", sa.Uuid),  # of the image or snapshot
    sa.Column("volume_id", sa.Uuid, index=True),
    sa.Column("boot_index", sa.Integer),
    sa.Column("name", Text),  # /dev/vda
    sa.Column("size_gib", sa.BigInteger, nullable=False),
    sa.Column("guest_format", Text),  # swap: of that size in MiB
    sa.Column("delete_with_server", sa.Boolean, nullable=False),
    sa.Column("tag", Text),
    sa.Column("volume_type", Text),
    sa.Column("plugged", sa.Boolean, nullable=False),  # part of the guest's shape
    sa.Column("connection", JSON),  # how its host opens it
    sa.Index("compute_block_device_server", "server_id", "volume_id"),  # most have no volume: lists need not read them
)


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Times are seconds since the epoch."""

    id: UUID
    project_id: str
    user_id: str
    name: str
    hostname: str
    description: str | None = None
    vm_state: str = "building"
    task_state: str | None = None
    power_state: int = 0
    flavor_id: str
    flavor: Flavor
    old_flavor: Flavor | None = None
    vcpus: int
    memory_mib: int
    image_id: UUID | None = None
    image: ImageFacts
    key_name: str | None = None
    key: Key | None = None
    host: str | None = None
    old_host: str | None = None
    zone: str | None = None
    metadata: dict[str, str] = {}
    user_data: bytes | None = None
    config_drive: bool = False
    disk_config: str = "MANUAL"
    hints: dict[str, Any] = {}
    group_id: UUID | None = None
    access_ipv4: str | None = None
    access_ipv6: str | None = None
    locked_by: str | None = None
    locked_reason: str | None = None
    reservation_id: str
    launch_index: int = 0
    fault: Fault | None = None
    sealed: bytes | None = None
    edition: int = 0
    rescue: ImageFacts | None = None
    shaper: UUID | None = None
    created_at: float
    updated_at: float
    launched_at: float | None = None
    deleted_at: float | None = None


class NicRow(msgspec.Struct, frozen=True, kw_only=True):
    """A port of a server."""

    id: UUID
    port_id: UUID
    server_id: UUID
    position: int
    ours: bool
    plugged: bool = True
    tag: str | None = None


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A disk of a server: local, or a volume."""

    id: UUID
    server_id: UUID
    position: int
    source: str
    destination: str
    source_id: UUID | None = None
    volume_id: UUID | None = None
    boot_index: int | None = None
    name: str | None = None
    size_gib: int = 0
    guest_format: str | None = None
    delete_with_server: bool = True
    tag: str | None = None
    volume_type: str | None = None
    plugged: bool = True
    connection: dict[str, Any] | None = None


ALL = sa.select(*(servers.c[name] for name in Server.__struct_fields__))
ONE = ALL.where(servers.c.id == sa.bindparam("id_"))
THERE = ONE.where(not_deleted)
HELD = THERE.with_for_update()
BY_IDS = ALL.where(among(servers.c.id, "ids_"), not_deleted)
ADD, CHANGE = servers.insert(), servers.update().where(servers.c.id == sa.bindparam("id_"))
TAGS = sa.select(tags.c.server_id, tags.c.tag).where(among(tags.c.server_id, "ids_")).order_by(tags.c.tag)
NICS = sa.select(nics).where(among(nics.c.server_id, "ids_"))
NICS = NICS.order_by(nics.c.server_id, nics.c.position, nics.c.port_id)
DEVICES = sa.select(devices).where(among(devices.c.server_id, "ids_"))
DEVICES = DEVICES.order_by(devices.c.server_id, devices.c.position, devices.c.id)
TAKEN = sa.select(nics.c.port_id).where(among(nics.c.port_id, "ids_"))
NICS_AT = sa.select(nics).where(among(nics.c.port_id, "ids_")).order_by(nics.c.id)
DOCUMENTS = {column.name for column in servers.c if isinstance(column.type, Document)}


def read(row: sa.Row[Any]) -> Server:
    return Server(**dict(zip(Server.__struct_fields__, row, strict=False)))


async def find(ctx: Ctx, server_id: UUID) -> Server | None:
    """A server that is not deleted."""
    row = (await ctx.execute(THERE, {"id_": server_id})).one_or_none()
    return None if row is None else read(row)


async def hold(ctx: Ctx, server_id: UUID) -> Server | None:
    """As `find`, and nobody changes the row until this transaction ends."""
    row = (await ctx.execute(HELD, {"id_": server_id})).one_or_none()
    return None if row is None else read(row)


async def find_any(ctx: Ctx, server_id: UUID) -> Server | None:
    """A deleted one, too."""
    row = (await ctx.execute(ONE, {"id_": server_id})).one_or_none()
    return None if row is None else read(row)


async def by_ids(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, Server]:
    rows = await ctx.execute(BY_IDS, {"ids_": ids})
    return {row.id: read(row) for row in rows}


async def in_pages(ctx: Ctx) -> AsyncIterator[list[Server]]:
    """All that are not deleted, some at a time."""
    async for rows in every_page(ctx, ALL.where(not_deleted), servers.c.id):
        yield [read(row) for row in rows]


async def add(ctx: Ctx, rows: Sequence[Server]) -> None:
    await ctx.execute(ADD, [msgspec.structs.asdict(row) for row in rows])


async def change(ctx: Ctx, server_id: UUID, **columns: Any) -> None:
    """Write these columns, and when."""
    values = {name: sa.null() if name in DOCUMENTS and value is None else value for name, value in columns.items()}
    if any(isinstance(value, sa.ClauseElement) for value in values.values()):
        await ctx.execute(CHANGE.values(**values), {"id_": server_id, "updated_at": ctx.now()})
    else:
        await ctx.execute(CHANGE, {"id_": server_id, "updated_at": ctx.now(), **values})


async def take_shape(ctx: Ctx, server_id: UUID, operation_id: UUID) -> bool:
    """Whether this operation alone may say the guest's shape, from now until `leave_shape`."""
    free = sa.or_(servers.c.shaper.is_(None), servers.c.shaper == operation_id)
    taken = servers.update().where(servers.c.id == server_id, free).values(shaper=operation_id)
    return (await ctx.execute(taken)).rowcount == 1


async def leave_shape(ctx: Ctx, server_id: UUID, operation_id: UUID) -> None:
    mine = sa.and_(servers.c.id == server_id, servers.c.shaper == operation_id)
    await ctx.execute(servers.update().where(mine).values(shaper=None))


# tags


async def tags_of(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = {}
    for server_id, tag in await ctx.execute(TAGS, {"ids_": ids}):
        found.setdefault(server_id, []).append(tag)
    return found


async def add_tags(ctx: Ctx, server_id: UUID, names: Iterable[str]) -> None:
    rows = [{"server_id": server_id, "tag": name} for name in names]
    if rows:
        await ctx.execute(tags.insert(), rows)


async def drop_tags(ctx: Ctx, server_id: UUID, *names: str) -> int:
    """These, or all."""
    which = tags.delete().where(tags.c.server_id == server_id)
    return (await ctx.execute(which.where(tags.c.tag.in_(names)) if names else which)).rowcount


# NICs


async def nics_of(ctx: Ctx, ids: Collection[UUID]) -> list[NicRow]:
    return [NicRow(**row._mapping) for row in await ctx.execute(NICS, {"ids_": ids})]


def with_a_port_in(port_ids: sa.Select[Any]) -> sa.ColumnElement[bool]:
    """The servers with one of these ports."""
    return servers.c.id.in_(sa.select(nics.c.server_id).where(nics.c.port_id.in_(port_ids)))


async def ports_taken(ctx: Ctx, port_ids: Collection[UUID]) -> list[UUID]:
    """Those of these ports that are a server's."""
    return list((await ctx.execute(TAKEN, {"ids_": port_ids})).scalars())


async def owner_of_port(ctx: Ctx, port_id: UUID) -> UUID | None:
    return (await ctx.execute(sa.select(nics.c.server_id).where(nics.c.port_id == port_id))).scalar()


async def nics_at(ctx: Ctx, port_ids: Collection[UUID]) -> list[NicRow]:
    """The interfaces that these ports are, in the order in which subjects are locked."""
    return [NicRow(**row._mapping) for row in await ctx.execute(NICS_AT, {"ids_": port_ids})]


async def add_nics(ctx: Ctx, rows: Sequence[NicRow]) -> None:
    if rows:
        await ctx.execute(nics.insert(), [msgspec.structs.asdict(row) for row in rows])


async def nic(ctx: Ctx, nic_id: UUID) -> NicRow | None:
    row = (await ctx.execute(sa.select(nics).where(nics.c.id == nic_id))).one_or_none()
    return None if row is None else NicRow(**row._mapping)


async def change_nic(ctx: Ctx, nic_id: UUID, **columns: Any) -> None:
    await ctx.execute(nics.update().where(nics.c.id == nic_id).values(**columns))


async def drop_nic(ctx: Ctx, nic_id: UUID) -> None:
    await ctx.execute(nics.delete().where(nics.c.id == nic_id))


async def drop_nics(ctx: Ctx, server_id: UUID) -> None:
    await ctx.execute(nics.delete().where(nics.c.server_id == server_id))


# block devices


async def devices_of(ctx: Ctx, ids: Collection[UUID]) -> list[Device]:
    return [Device(**row._mapping) for row in await ctx.execute(DEVICES, {"ids_": ids})]


async def device(ctx: Ctx, device_id: UUID) -> Device | None:
    row = (await ctx.execute(sa.select(devices).where(devices.c.id == device_id))).one_or_none()
    return None if row is None else Device(**row._mapping)


async def devices_at(ctx: Ctx, volume_id: UUID) -> list[Device]:
    """Those that the volume is to guests, of servers that are not deleted."""
    query = sa.select(devices).join(servers, servers.c.id == devices.c.server_id)
    query = query.where(devices.c.volume_id == volume_id, devices.c.plugged, not_deleted).order_by(devices.c.id)
    return [Device(**row._mapping) for row in await ctx.execute(query)]


async def add_devices(ctx: Ctx, rows: Sequence[Device]) -> None:
    if rows:
        await ctx.execute(devices.insert(), [msgspec.structs.asdict(row) for row in rows])


async def change_device(ctx: Ctx, device_id: UUID, **columns: Any) -> None:
    await ctx.execute(devices.update().where(devices.c.id == device_id).values(**columns))


async def drop_device(ctx: Ctx, device_id: UUID) -> None:
    await ctx.execute(devices.delete().where(devices.c.id == device_id))


async def volumes_in_pages(ctx: Ctx) -> AsyncIterator[list[tuple[Device, bool]]]:
    """The devices that are volumes, of deleted servers too, some at a time, and whether their server is there."""
    there = not_deleted.label("there")
    query = sa.select(devices, there).join(servers, servers.c.id == devices.c.server_id)
    query = query.where(devices.c.destination == "volume", devices.c.volume_id.is_not(None))
    async for rows in every_page(ctx, query, devices.c.id):
        yield [(Device(**{c.name: row._mapping[c] for c in devices.c}), bool(row.there)) for row in rows]
