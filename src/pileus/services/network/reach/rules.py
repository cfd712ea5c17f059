"""Whether packets get to a port, decided from what is known of it: each thing on their way, with yes, no or unknown.

Nothing is asked here. `Scene` holds all that counts; what is None in it is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from uuid import UUID

import msgspec

from pileus.services.network.security_group_rules.service import Match, number


class Finding(msgspec.Struct, frozen=True):
    """One thing on the way. `mends`: what would let packets pass, if it does not."""

    what: str
    passes: bool | None
    why: str
    mends: str | None = None


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent. No source: from somewhere outside. `groups`: those of the port that sends it."""

    source: str | None = None
    protocol: str | None = None
    port: int | None = None
    groups: frozenset[UUID] = frozenset()


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """A router on one of the port's subnets."""

    router_id: str
    up: bool
    addresses: tuple[str, ...]
    cidrs: tuple[str, ...]  # of all subnets that the router is in, but the external ones
    external: str | None  # the network of its gateway
    snat: bool = True


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """A floating IP that stands for an address of the port."""

    address: str
    inside: str
    router_id: str | None
    active: bool


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A port, and what is around it."""

    port_id: str
    network_id: str
    port_up: bool
    network_up: bool
    external: bool  # its network is one itself
    status: str
    host: str | None
    owner: str
    addresses: tuple[str, ...]
    cidrs: tuple[str, ...]  # of the subnets of its network
    secured: bool
    groups: Mapping[UUID, Sequence[Match]]
    lists: Mapping[UUID, Sequence[str]] = {}  # address groups
    legs: tuple[Leg, ...] = ()
    floating: tuple[Outside, ...] = ()


def findings(scene: Scene, packet: Packet) -> list[Finding]:
    """Everything on the way, from the far end to the port."""
    return [*_way(scene, packet), *_port(scene), *_groups(scene, packet)]


def verdict(found: Iterable[Finding]) -> bool | None:
    """No if anything is in the way; yes if nothing is; None if something is not known."""
    outcomes = [each.passes for each in found]
    if False in outcomes:
        return False
    return None if None in outcomes else True


# The port itself


def _port(scene: Scene) -> Iterator[Finding]:
    if not scene.network_up:
        yield Finding(
            "network", False, f"network {scene.network_id} is administratively down", "set its admin_state_up"
        )
    if not scene.addresses:
        yield Finding("address", False, "the port has no address", "give it a fixed IP")
    if not scene.port_up:
        yield Finding("port", False, "the port is administratively down", "set its admin_state_up")
    elif scene.owner.startswith("network:"):
        yield Finding("port", True, f"the port is the network's own ({scene.owner})")
    elif not scene.host:
        yield Finding(
            "binding", False, "the port is bound to no host: nothing is plugged into it", "attach it to a server"
        )
    elif scene.status != "ACTIVE":
        why = f"the port is {scene.status} on host {scene.host}: its device is not plugged, or does not work"
        yield Finding("binding", False, why, "see whether the server runs, and the host's agent")
    else:
        yield Finding("port", True, f"the port is up on host {scene.host}")


# The groups


def _groups(scene: Scene, packet: Packet) -> Iterator[Finding]:
    if not scene.secured:
        yield Finding("port security", True, "the port has no port security: nothing is filtered")
        return
    if not scene.groups:
        yield Finding("security groups", False, "the port is in no security group: nothing is let in", "add it to one")
        return
    for group_id, rules in scene.groups.items():
        for rule in rules:
            if lets_in(rule, packet, scene):
                yield Finding("security groups", True, f"group {group_id} lets in {said(rule)}")
                return
    names = ", ".join(map(str, scene.groups))
    yield Finding("security groups", False, f"no rule of {names} lets it in", "add an ingress rule to one of them")


def lets_in(rule: Match, packet: Packet, scene: Scene) -> bool:
    """Whether the rule lets such a packet in. What the packet leaves open is what the rule asks for."""
    if rule.direction != "ingress" or rule.ethertype not in families(scene, packet):
        return False
    if rule.protocol is not None and packet.protocol is not None and number(rule.protocol) != number(packet.protocol):
        return False
    if rule.protocol is not None and packet.protocol is None:
        return False
    low, high = rule.port_range_min, rule.port_range_max
    if low is not None and (packet.port is None or not low <= packet.port <= (low if high is None else high)):
        return False
    return _from_there(rule, packet, scene)


def _from_there(rule: Match, packet: Packet, scene: Scene) -> bool:
    if rule.remote_group_id is not None:
        return rule.remote_group_id in packet.groups
    prefixes = [rule.remote_ip_prefix] if rule.remote_ip_prefix else []
    if rule.remote_address_group_id is not None:
        prefixes = list(scene.lists.get(rule.remote_address_group_id, ()))
    elif not prefixes:
        return True
    if packet.source is None:
        return any(ip_network(prefix, strict=False).prefixlen == 0 for prefix in prefixes)
    return within(packet.source, prefixes)


def families(scene: Scene, packet: Packet) -> set[str]:
    """Which kinds of addresses the packet may have."""
    there = {f"IPv{ip_address(each).version}" for each in scene.addresses}
    return there if packet.source is None else there & {f"IPv{ip_address(packet.source).version}"}


def within(address: str, cidrs: Iterable[str]) -> bool:
    """Whether the address is in one of these networks."""
    there = ip_address(address)
    return any(there in ip_network(cidr, strict=False) for cidr in cidrs)


def said(rule: Match) -> str:
    """A rule in words: tcp 22 from 10.0.0.0/8."""
    ports = ""
    if rule.port_range_min is not None:
        ends = (rule.port_range_min, rule.port_range_max)
        ports = f" {ends[0]}" if ends[1] in (None, ends[0]) else f" {ends[0]}-{ends[1]}"
    remote = rule.remote_ip_prefix or rule.remote_group_id or rule.remote_address_group_id or "everywhere"
    return f"{rule.protocol or 'everything'}{ports} ({rule.ethertype}) from {remote}"


# The way to its network


def _way(scene: Scene, packet: Packet) -> Iterator[Finding]:
    """Over its own network, through a router from another one, or from outside through a floating IP."""
    if packet.source is not None and within(packet.source, scene.cidrs):
        yield Finding("way", True, "source and port are on one network")
    elif scene.external:
        yield Finding("way", True, "the port is on an external network itself")
    elif not scene.legs:
        why = f"no router is on network {scene.network_id}"
        yield Finding("router", False, why, "add one of its subnets to a router")
    elif packet.source is not None and (leg := _between(scene, packet.source)) is not None:
        yield from _up(leg)
        yield Finding("router", True, f"router {leg.router_id} is on both networks")
    else:
        yield from _from_outside(scene)


def _between(scene: Scene, source: str) -> Leg | None:
    return next((leg for leg in scene.legs if within(source, leg.cidrs)), None)


def _up(leg: Leg) -> Iterator[Finding]:
    if not leg.up:
        why = f"router {leg.router_id} is administratively down"
        yield Finding("router", False, why, "set its admin_state_up")


def _from_outside(scene: Scene) -> Iterator[Finding]:
    gateways = [leg for leg in scene.legs if leg.external is not None]
    if not gateways:
        routers = ", ".join(sorted({leg.router_id for leg in scene.legs}))
        why = f"router {routers} has no gateway to an external network"
        yield Finding("gateway", False, why, "set its external gateway")
        return
    for outside in scene.floating:
        leg = next((each for each in gateways if each.router_id == outside.router_id), None)
        if leg is None:
            why = f"floating IP {outside.address} is on no router of this network"
            yield Finding("floating IP", False, why, "associate it again")
            continue
        yield from _up(leg)
        why = f"floating IP {outside.address} stands for {outside.inside} on router {outside.router_id}"
        yield Finding("floating IP", outside.active or None, why if outside.active else f"{why}, but is not active yet")
        return
    yield from _without_floating_ip(scene, gateways)


def _without_floating_ip(scene: Scene, gateways: Sequence[Leg]) -> Iterator[Finding]:
    """IPv6, and whatever is not translated, is routed; who is outside must know the way."""
    open_leg = next((leg for leg in gateways if not leg.snat), None)
    if open_leg is None and any(ip_address(each).version == 6 for each in scene.addresses):
        open_leg = gateways[0]
    if open_leg is None:
        yield Finding("floating IP", False, "no floating IP stands for an address of the port", "associate one with it")
        return
    yield from _up(open_leg)
    why = f"router {open_leg.router_id} does not translate: whether its neighbours route to it is not known here"
    yield Finding("gateway", None, why)
