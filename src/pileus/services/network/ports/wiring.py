"""What a guest is told of its ports, and its host of how they are plugged."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.services.network.networks import service as networks
from pileus.services.network.ports.allocations import Fixed
from pileus.services.network.ports.inside import by_ids
from pileus.services.network.subnets import service as subnets
from pileus.services.network.subnets.service import Subnet


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """An address of a port with all that its subnet says of it."""

    address: str
    version: int
    cidr: str
    prefix: int
    gateway: str | None
    dns: list[str]
    routes: list[dict[str, str]]
    dhcp: bool
    ipv6_address_mode: str | None
    subnet_id: UUID


class Wiring(msgspec.Struct, frozen=True, kw_only=True):
    """A port as whoever plugs it sees it."""

    port_id: UUID
    mac: str
    mtu: int
    network_id: UUID
    network_name: str
    project_id: str
    host: str | None
    up: bool
    fixed: list[Address]
    dns_name: str = ""


async def wiring(ctx: Ctx, port_ids: Collection[UUID]) -> dict[UUID, Wiring]:
    """Of those of these ports that are there."""
    async with ctx.read() as reading:
        ports = await by_ids(reading, port_ids)
        on = await networks.by_ids(reading, {port.network_id for port in ports.values()})
        within = await subnets.by_ids(reading, {each.subnet_id for port in ports.values() for each in port.fixed})
    return {
        port.id: Wiring(
            port_id=port.id,
            mac=port.mac_address,
            mtu=on[port.network_id].mtu,
            network_id=port.network_id,
            network_name=on[port.network_id].name,
            project_id=port.project_id,
            host=port.host,
            up=port.up and port.admin_state_up,
            fixed=[told(each, within[each.subnet_id]) for each in port.fixed if each.subnet_id in within],
            dns_name=port.dns_name,
        )
        for port in ports.values()
        if port.network_id in on
    }


def told(fixed: Fixed, subnet: Subnet) -> Address:
    return Address(
        address=fixed.address,
        version=subnet.ip_version,
        cidr=subnet.cidr,
        prefix=subnet.block.prefixlen,
        gateway=subnet.gateway_ip,
        dns=list(subnet.dns),
        routes=list(subnet.routes),
        dhcp=subnet.enable_dhcp,
        ipv6_address_mode=subnet.ipv6_address_mode,
        subnet_id=subnet.id,
    )
