"""Ports as logical switch ports. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from uuid import UUID

import msgspec

from pileus.engines.overlay import Network, Place, Port
from pileus.engines.overlay.ovn import names, networks
from pileus.engines.overlay.ovn.dhcp_options import extra
from pileus.engines.overlay.ovn.draft import Ref, Row
from pileus.engines.overlay.ovn.replica import Columns

NOWHERE = "-"  # no host is called so: a device of that name may be plugged anywhere, and stays dead
TYPES = {"router": "router", "metadata": "localport"}


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a port's wish depends on its network. Kept in the row, which is copied to every host: so no more than that."""

    id: UUID
    network_id: UUID
    subnets: tuple[UUID, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    up: bool = True

    @classmethod
    def of(cls, port: Port) -> Told:
        """The addresses' subnets in their order: of several the first tells its options."""
        subnets = tuple(dict.fromkeys(fixed.subnet_id for fixed in port.fixed))
        return cls(port.id, port.network_id, subnets if port.kind == "vif" else (), port.dhcp_options, port.up)


def port_ref(port_id: UUID) -> Ref:
    return Ref("Logical_Switch_Port", names.port(port_id))


def rows(port: Port, network: Network | None, *, gateway: bool = False) -> list[Row]:
    """The port's rows, on the network as it is by now. `gateway`: a router's way out."""
    columns = {
        "name": str(port.id),
        "type": TYPES.get(port.kind, ""),
        "addresses": addresses(port),
        "port_security": security(port) if port.secured and port.kind == "vif" else [],
        "options": options(port, gateway=gateway),
    }
    return with_network(columns, Told.of(port), network)


def with_network(columns: Mapping[str, object], told: Told, network: Network | None) -> list[Row]:
    """The rows of a port, with what its network adds to these columns."""
    more = dhcp_rows(told, network)
    v4, v6 = dhcp(told, network, of_its_own=bool(more))
    columns = {**columns, "enabled": told.up and network is not None and network.up}
    columns |= {"dhcpv4_options": v4, "dhcpv6_options": v6}
    ids = {names.WISH: msgspec.json.encode(told).decode()}
    row = Row("Logical_Switch_Port", names.port(told.id), columns, ids, within=networks.switch_ref(told.network_id))
    return [*more, row]


def addresses(port: Port) -> list[str]:
    """A port that nothing is plugged into has none: OVN would answer for them."""
    if port.kind == "router":
        return ["router"]
    if port.kind == "plain":
        return []
    own = [" ".join([port.mac, *(fixed.address for fixed in port.fixed)])]
    other = {mac for _, mac in port.allowed_pairs if mac and mac != port.mac}
    return [*own, *sorted(other), *([] if port.secured or port.kind == "metadata" else ["unknown"])]


def security(port: Port) -> list[str]:
    """Who may send: the port's own addresses and the pairs it was allowed, by MAC."""
    allowed = {port.mac: [fixed.address for fixed in port.fixed]}
    for address, mac in port.allowed_pairs:
        allowed.setdefault(mac or port.mac, []).append(address)
    return [" ".join([mac, *dict.fromkeys(each)]) for mac, each in allowed.items()]


def options(port: Port, *, gateway: bool) -> dict[str, str]:
    if port.kind == "router":
        return router_options(port.id, gateway=gateway)
    return {"requested-chassis": port.host or NOWHERE} if port.kind == "vif" else {}


def place_of(row: Columns) -> Place | None:
    """What `options` and `addresses` have said of a guest's port; None of another."""
    said = row.get("options")
    host = said.get("requested-chassis") if isinstance(said, dict) else None
    if host is None:
        return None
    own = frozenset(word for line in row.get("addresses", ()) for word in str(line).split(" ")[1:])
    return Place(None if host == NOWHERE else host, own)


def router_options(port_id: UUID, *, gateway: bool) -> dict[str, str]:
    """Where the other side is. At a gateway the network is told by whom its floating addresses are reached."""
    return {"router-port": names.router_port(port_id), **({"nat-addresses": "router"} if gateway else {})}


def dhcp(told: Told, network: Network | None, *, of_its_own: bool) -> tuple[Ref | None, Ref | None]:
    """Which DHCP options hold for the port, IPv4 and IPv6."""
    if network is None:
        return None, None
    served = {s.id: s.cidr for s in network.subnets if networks.options(network, s)}
    first: dict[bool, Ref] = {}
    for subnet_id in told.subnets:
        if subnet_id in served:
            ref = Ref("DHCP_Options", names.dhcp(network.id, subnet_id))
            first.setdefault(":" in served[subnet_id], ref)
    own = Ref("DHCP_Options", own_dhcp(told.id))
    return own if of_its_own else first.get(False), first.get(True)


def own_dhcp(port_id: UUID) -> str:
    return f"{names.port(port_id)}/dhcp"


def dhcp_rows(told: Told, network: Network | None) -> list[Row]:
    """DHCP options of the port's own, on top of its subnet's."""
    more = extra(told.options)
    if network is None or not more:
        return []
    for subnet in network.subnets:
        if subnet.id in told.subnets and ":" not in subnet.cidr and (base := networks.options(network, subnet)):
            return [Row("DHCP_Options", own_dhcp(told.id), {"cidr": subnet.cidr, "options": {**base, **more}})]
    return []


def first_v4(values: Sequence[str]) -> str | None:
    """The first address that is one of IPv4."""
    return next((value for value in values if ip_address(value.split("/")[0]).version == 4), None)
