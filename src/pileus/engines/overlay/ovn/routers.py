"""Routers as logical routers: legs, the gateway and the hosts that may carry it, NAT, routes. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_interface
from uuid import UUID

import msgspec

from pileus.engines.overlay import FloatingIp, Gateway, Leg, Network, Router
from pileus.engines.overlay.ovn import names
from pileus.engines.overlay.ovn.draft import Ref, Row
from pileus.engines.overlay.ovn.ports import first_v4

GATEWAYS = 5  # as many as OVN's own tools take: more hosts would only watch each other
EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
ADDRESS_MODES = {"slaac": "slaac", "dhcpv6-stateful": "dhcpv6_stateful", "dhcpv6-stateless": "dhcpv6_stateless"}


@dataclass(frozen=True)
class Surroundings:
    """What a router depends on beside its wish: networks as they are by now, hosts and the physical networks they reach."""

    networks: Mapping[UUID, Network] = field(default_factory=dict)
    reach: Mapping[str, Collection[str]] = field(default_factory=dict)


def router_ref(router_id: UUID) -> Ref:
    return Ref("Logical_Router", names.router(router_id))


def rows(router: Router, around: Surroundings) -> Iterator[Row]:
    """Everything of a router."""
    columns = {
        "name": str(router.id),
        "enabled": router.up,
        "options": {"always_learn_from_arp_request": "false", "dynamic_neigh_routers": "true"},
    }
    wish = {names.WISH: msgspec.json.encode(router).decode()}
    yield Row("Logical_Router", names.router(router.id), columns, wish)
    for leg in router.legs:
        yield leg_row(router, leg, around.networks.get(leg.network_id))
    if router.gateway is not None:
        yield from gateway_rows(router, router.gateway, around)
    for floating in router.floating:
        yield floating_row(router, floating)
    for number, route in enumerate(sorted(router.routes, key=lambda r: (r.destination, r.nexthop))):
        yield route_row(router, f"route/{number}", {"ip_prefix": route.destination, "nexthop": route.nexthop})


def leg_row(router: Router, leg: Leg, network: Network | None) -> Row:
    options = mtu(network)
    if network is not None and network.physical_network is not None and router.gateway is not None:
        options["reside-on-redirect-chassis"] = "true"  # else each host would speak with the router's MAC on the wire
    columns = {
        "name": names.router_port(leg.port_id),
        "mac": leg.mac,
        "networks": leg.addresses,
        "options": options,
        "ipv6_ra_configs": advertisements(leg, network),
    }
    key = f"{names.router(router.id)}/leg/{leg.port_id}"
    return Row("Logical_Router_Port", key, columns, within=router_ref(router.id))


def mtu(network: Network | None) -> dict[str, str]:
    """Who sends what is too long for the way is told so."""
    return {} if network is None else {"gateway_mtu": str(network.mtu)}


def advertisements(leg: Leg, network: Network | None) -> dict[str, str]:
    """What hosts on the leg learn of their IPv6 addresses."""
    modes = [ADDRESS_MODES[mode] for mode in leg.ra_modes if mode in ADDRESS_MODES]
    if not modes:
        return {}
    told = {"address_mode": modes[0], "send_periodic": "true"}
    if network is not None:
        told["mtu"] = str(network.mtu)
        servers = [dns for subnet in network.subnets for dns in subnet.dns if ":" in subnet.cidr and ":" in dns]
        told |= {"rdnss": servers[0]} if servers else {}
    return told


def gateway_rows(router: Router, gateway: Gateway, around: Surroundings) -> Iterator[Row]:
    network = around.networks.get(gateway.network_id)
    key = f"{names.router(router.id)}/gateway"
    name = names.router_port(gateway.port_id)
    columns = {"name": name, "mac": gateway.mac, "networks": gateway.addresses, "options": mtu(network)}
    yield Row("Logical_Router_Port", key, columns, within=router_ref(router.id))
    for priority, host in enumerate(carriers(router.id, network, around.reach), start=1):
        chassis = {"name": f"{name}_{host}", "chassis_name": host, "priority": priority}
        yield Row("Gateway_Chassis", f"{key}/chassis/{host}", chassis, within=Ref("Logical_Router_Port", key))
    for nexthop in gateway.nexthops:
        version = 6 if ":" in nexthop else 4
        out = {"ip_prefix": EVERYWHERE[version], "nexthop": nexthop, "output_port": name}
        yield route_row(router, f"default/{version}", out)
    external = first_v4(gateway.addresses)
    if gateway.snat and external is not None:
        yield from snat_rows(router, external.split("/")[0])


def carriers(router_id: UUID, network: Network | None, reach: Mapping[str, Collection[str]]) -> list[str]:
    """The hosts that may carry the gateway, the first choice last.

    Each router has an order of its own, in which a host that comes or goes moves no other.
    """
    if network is None:
        return []
    able = [h for h, there in reach.items() if network.physical_network is None or network.physical_network in there]
    return sorted(able, key=lambda host: hashlib.sha256(f"{router_id} {host}".encode()).digest())[-GATEWAYS:]


def snat_rows(router: Router, external: str) -> Iterator[Row]:
    for leg in router.legs:
        for address in leg.addresses:
            if ":" not in address:
                inside = str(ip_interface(address).network)
                columns = {"type": "snat", "external_ip": external, "logical_ip": inside}
                key = f"{names.router(router.id)}/snat/{leg.port_id}/{inside}"
                yield Row("NAT", key, columns, within=router_ref(router.id))


def floating_row(router: Router, floating: FloatingIp) -> Row:
    """With a MAC the guest's own host carries it, else the gateway's."""
    columns = {
        "type": "dnat_and_snat",
        "external_ip": floating.external,
        "logical_ip": floating.internal,
        "external_mac": floating.mac,
        "logical_port": str(floating.port_id) if floating.mac else None,
    }
    key = f"{names.router(router.id)}/floating/{floating.id}"
    return Row("NAT", key, columns, within=router_ref(router.id))


def route_row(router: Router, what: str, columns: Mapping[str, str]) -> Row:
    key = f"{names.router(router.id)}/{what}"
    wanted = {"output_port": None, **columns}
    return Row("Logical_Router_Static_Route", key, wanted, within=router_ref(router.id))
