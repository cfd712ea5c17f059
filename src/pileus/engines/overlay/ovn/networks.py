"""Networks as logical switches: DHCP per subnet, and the way out to a provider's network. Pure."""

from __future__ import annotations

import hashlib
from ipaddress import ip_network
from itertools import islice
from uuid import UUID

import msgspec

from pileus.engines.overlay import Dhcp, Network
from pileus.engines.overlay.ovn import names
from pileus.engines.overlay.ovn.draft import Ref, Row

LEASE_S = 43_200
METADATA = "169.254.169.254"


def switch(network_id: UUID, network: Network | None = None) -> Row:
    """The switch of a network; without its wish a place where its ports can wait for it."""
    ids = {} if network is None else {names.WISH: msgspec.json.encode(network).decode()}
    columns = {"name": str(network_id), "other_config": {"mcast_snoop": "false"}}
    return Row("Logical_Switch", names.network(network_id), columns, ids)


def switch_ref(network_id: UUID) -> Ref:
    return Ref("Logical_Switch", names.network(network_id))


def rows(network: Network) -> list[Row]:
    """Everything of a network but its ports."""
    found = [switch(network.id, network)]
    if network.physical_network is not None:
        found.append(way_out(network, network.physical_network))
    return found + [dhcp_row(network, subnet) for subnet in network.subnets if options(network, subnet)]


def way_out(network: Network, physical_network: str) -> Row:
    columns = {
        "name": f"provider-{network.id}",
        "type": "localnet",
        "addresses": ["unknown"],
        "options": {"network_name": physical_network},
        "tag": network.vlan,
    }
    key = f"{names.network(network.id)}/localnet"
    return Row("Logical_Switch_Port", key, columns, within=switch_ref(network.id))


def dhcp_row(network: Network, subnet: Dhcp) -> Row:
    columns = {"cidr": subnet.cidr, "options": options(network, subnet)}
    return Row("DHCP_Options", names.dhcp(network.id, subnet.id), columns)


def options(network: Network, subnet: Dhcp) -> dict[str, str]:
    """What a subnet's ports are told; nothing where there is no DHCP."""
    if not subnet.enabled:
        return {}
    return options_v6(subnet) if ":" in subnet.cidr else options_v4(network, subnet)


def options_v4(network: Network, subnet: Dhcp) -> dict[str, str]:
    server = subnet.gateway or network.metadata_address or str(next(ip_network(subnet.cidr).hosts()))
    told = {
        "server_id": server,
        "server_mac": server_mac(subnet.id),
        "lease_time": str(LEASE_S),
        "mtu": str(network.mtu),
    }
    if subnet.gateway:
        told["router"] = subnet.gateway
    if subnet.dns:
        told["dns_server"] = braced(subnet.dns)
    if ways := static_routes(network, subnet):
        told["classless_static_route"] = braced(ways)
    return told


def static_routes(network: Network, subnet: Dhcp) -> list[str]:
    """Who is told routes by option 121 does not look at the router of option 3: it must be among them."""
    ways = [f"{route.destination},{route.nexthop}" for route in subnet.routes]
    if network.metadata_address:
        ways.insert(0, f"{METADATA}/32,{network.metadata_address}")
    if ways and subnet.gateway:
        ways.append(f"0.0.0.0/0,{subnet.gateway}")
    return ways


def options_v6(subnet: Dhcp) -> dict[str, str]:
    """Nothing for slaac: there the router says all."""
    if subnet.ipv6_address_mode not in ("dhcpv6-stateful", "dhcpv6-stateless"):
        return {}
    told = {"server_id": server_mac(subnet.id)}
    if subnet.dns:
        told["dns_server"] = braced(subnet.dns)
    if subnet.ipv6_address_mode == "dhcpv6-stateless":
        told["dhcpv6_stateless"] = "true"
    return told


def server_mac(subnet_id: UUID) -> str:
    """A unicast address of local choice that stays the same for a subnet."""
    digest = hashlib.sha256(subnet_id.bytes).digest()
    return ":".join(f"{octet:02x}" for octet in (0xFA, 0x16, 0x3E, *islice(digest, 3)))


def braced(values: object) -> str:
    return "{" + ", ".join(values) + "}"  # type: ignore[arg-type]
