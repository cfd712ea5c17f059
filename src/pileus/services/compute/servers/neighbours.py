"""What servers ask of images, networks and volumes: the one place that knows how those services are asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.filters import Condition
from pileus.services.compute.servers.rules import ImageFacts
from pileus.services.compute.servers.wanted import WantedNic


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """An address of a NIC, with all that a guest has to know to use it."""

    address: str
    subnet_id: UUID
    cidr: str
    gateway: str | None = None
    dns: Sequence[str] = ()
    routes: Sequence[tuple[str, str]] = ()


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """A port, as its server sees it."""

    port_id: UUID
    network_id: UUID
    network_name: str
    mac: str
    mtu: int
    fixed: Sequence[Fixed] = ()
    floating: Mapping[str, str] = {}  # floating address by the fixed one behind
    groups: Sequence[str] = ()  # names of security groups
    status: str = "ACTIVE"


async def image(ctx: Ctx, image_id: UUID) -> ImageFacts:
    """An image that the caller may boot from. Raises BadRequest."""
    return ImageFacts(id=image_id, disk_format="qcow2")


async def transfer(ctx: Ctx, image_id: UUID) -> str:
    """A path from which a host may fetch the image's bytes, once."""
    return ""


async def plan_nics(ctx: Ctx, wanted: tuple[WantedNic, ...] | str | None) -> tuple[WantedNic, ...]:
    """The NICs that were asked for, or those that a project's only network gives. Raises BadRequest, Conflict."""
    if isinstance(wanted, tuple) and wanted:
        raise BadRequest("Network could not be found.")
    return ()


async def make_port(ctx: Ctx, nic: WantedNic, server_id: UUID, groups: Sequence[str] | None) -> UUID:
    """A port for the server in a network; or one that is there, taken. In an open transaction."""
    raise NotImplementedError


async def bind_ports(ctx: Ctx, port_ids: Collection[UUID], server_id: UUID, host: str | None) -> None:
    """Say where the server is; None: nowhere. In an open transaction."""


async def leave_ports(ctx: Ctx, ours: Collection[UUID], others: Collection[UUID]) -> None:
    """Delete those that were made for a server, and free the others. In an open transaction; may be repeated."""


async def wires(ctx: Ctx, port_ids: Collection[UUID]) -> dict[UUID, Wire]:
    """What these ports are to their servers."""
    return {}


async def volume_facts(ctx: Ctx, volume_ids: Collection[UUID]) -> dict[UUID, Any]:
    return {}


async def zone_of(ctx: Ctx, server: Any) -> str:
    """The availability zone of the server's host; without one, the one that was asked for."""
    return server.zone or "nova"


async def places(ctx: Ctx, hosts: Collection[str]) -> dict[str, tuple[str, str]]:
    """The availability zone of each host, and how it is: UP, DOWN, MAINTENANCE or UNKNOWN."""
    return {name: ("nova", "UP") for name in hosts}


def with_addresses(ctx: Ctx, server_id: sa.ColumnElement[UUID], patterns: Mapping[int, str]) -> list[Condition]:
    """The servers with a fixed address of that version that matches."""
    return []
