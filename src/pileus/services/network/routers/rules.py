"""What a router may be connected to, and which routes it may have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec

from pileus.kernel.errors import BadRequest
from pileus.services.network.addresses import read_address, wrong


class Route(msgspec.Struct, frozen=True, order=True):
    """Packets for `destination` (a CIDR) go to `nexthop`."""

    destination: str
    nexthop: str


class Reached(msgspec.Struct, frozen=True):
    """A subnet that a router is, or would be, connected to."""

    id: str
    cidr: str


def bad_router(message: str) -> BadRequest:
    """How Networking says that a router can't have that."""
    return BadRequest(f"Bad router request: {message}.", type="BadRequest")


def check_apart(known: Iterable[Reached], new: Iterable[Reached]) -> None:
    """A router is connected to a subnet once, and to no two that overlap. Raises BadRequest."""
    before, coming = list(known), list(new)
    for subnet in coming:
        for other in before:
            if other.id == subnet.id:
                raise bad_router(f"Router already has a port on subnet {subnet.id}")
            if overlap(other.cidr, subnet.cidr):
                raise bad_router(
                    f"Cidr {subnet.cidr} of subnet {subnet.id} overlaps with cidr {other.cidr} of subnet {other.id}"
                )
        before.append(subnet)


def overlap(one: str, other: str) -> bool:
    """Whether two networks share an address."""
    a, b = ip_network(one), ip_network(other)
    return a.version == b.version and a.overlaps(b)


# Routes


def read_route(destination: str, nexthop: str) -> Route:
    """Raises BadRequest for what is no network, or no address."""
    try:
        network = ip_network(destination)
        if "/" not in destination or "%" in destination or network.is_loopback:
            raise ValueError(destination)
    except ValueError:
        raise wrong("routes", f"'{destination[:80]}' is not a valid CIDR.") from None
    hop = read_address(nexthop, "routes")
    if hop.version != network.version:
        raise wrong("routes", f"'{nexthop[:80]}' is of another IP version than '{destination[:80]}'.")
    return Route(str(network), str(hop))


def read_routes(several: Iterable[tuple[str, str]]) -> tuple[Route, ...]:
    """Raises BadRequest, also for one that is there twice."""
    routes = [read_route(*each) for each in several]
    for n, route in enumerate(routes):
        if route in routes[:n]:
            raise wrong("routes", f"Duplicate hostroute '{route.destination}'.")
    return tuple(routes)


def check_routes(routes: Sequence[Route], cidrs: Collection[str], own: Collection[str]) -> None:
    """Each next hop is in a network that the router is in, and is not the router. Raises BadRequest."""
    networks = [ip_network(cidr) for cidr in cidrs]
    addresses = {ip_address(each) for each in own}
    for route in routes:
        hop = ip_address(route.nexthop)
        if not any(hop in network for network in networks):
            raise bad_routes(routes, "the nexthop is not connected with router")
        if hop in addresses:
            raise bad_routes(routes, "the nexthop is used by router")


def bad_routes(routes: Sequence[Route], reason: str) -> BadRequest:
    said = [msgspec.structs.asdict(route) for route in routes[:10]]
    return BadRequest(f"Invalid format for routes: {said}, {reason}", type="InvalidRoutes")


def uses(routes: Iterable[Route], cidr: str) -> bool:
    """Whether a next hop is in that network."""
    network = ip_network(cidr)
    return any(ip_address(route.nexthop) in network for route in routes)


def added(old: Sequence[Route], new: Sequence[Route]) -> tuple[Route, ...]:
    """Both, each once, in the order in which they came."""
    return tuple(dict.fromkeys([*old, *new]))


def removed(old: Sequence[Route], gone: Collection[Route]) -> tuple[Route, ...]:
    """Without those; one that is not there is no error."""
    return tuple(route for route in old if route not in gone)


def with_prefix(address: str, cidr: str) -> str:
    """203.0.113.5/24, for an address of that network."""
    return f"{address}/{cidr.rpartition('/')[2]}"


def differs(now: Collection[tuple[str, str]], wanted: Sequence[dict[str, Any]]) -> bool:
    """Whether a gateway's (subnet, address) pairs are to be others than they are. Nothing wanted: they stay."""
    if not wanted:
        return False
    subnets = {each["subnet_id"] for each in wanted if each.get("subnet_id")}
    addresses = {each["ip_address"] for each in wanted if each.get("ip_address")}
    return subnets != {subnet for subnet, _ in now} or addresses != {address for _, address in now}
