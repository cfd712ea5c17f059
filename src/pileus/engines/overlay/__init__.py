"""What networking needs of an overlay. `engines.verbs` says what every verb promises.

There is one overlay per cloud: who writes it is one process, served by the agent of one host (`[network] controller`) and
reached like any engine of a host. Every Struct is the whole wish for one thing; `ensure_x` brings the overlay to it, whatever
was there before. What a thing refers to (its network, its groups, its gateway port) may be said later: it takes effect when
it is there. What goes leaves what refers to it as if it had never been said.

A port whose device came up or went down is told as `Change(kind="overlay", verb="port_up" | "port_down", subject=<id>,
answer=Done())`, each time; `ensure_port` answers `Done(facts={"up": ...})` as well, so that a change that got lost costs no more
than the next look.
"""

from __future__ import annotations

from typing import ClassVar, Protocol
from uuid import UUID

import msgspec

from pileus.engines.verbs import Answer


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a wish."""


class Route(Spec, frozen=True, kw_only=True):
    destination: str
    nexthop: str


class Dhcp(Spec, frozen=True, kw_only=True):
    """A subnet, as its ports are told of it."""

    id: UUID
    cidr: str
    gateway: str | None
    dns: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    ipv6_address_mode: str | None = None  # slaac | dhcpv6-stateful | dhcpv6-stateless
    ipv6_ra_mode: str | None = None
    enabled: bool = True


class Network(Spec, frozen=True, kw_only=True):
    """`physical_network` and `vlan` are those of a provider network; without, it lives in tunnels.

    `metadata_address` is an address of the metadata port: the metadata process answers there, and ports are told the way.
    """

    id: UUID
    mtu: int
    physical_network: str | None = None
    vlan: int | None = None
    up: bool = True
    subnets: tuple[Dhcp, ...] = ()
    metadata_address: str | None = None


class Fixed(Spec, frozen=True, kw_only=True):
    subnet_id: UUID
    address: str


class Port(Spec, frozen=True, kw_only=True):
    """`host` is where its device is (to be) plugged. `kind`:

    vif       a device of a guest
    router    the end of a router's leg or gateway; it is up as soon as it is there
    metadata  where the metadata process answers, on every host
    plain     an address that is taken, without a device
    """

    id: UUID
    network_id: UUID
    mac: str
    fixed: tuple[Fixed, ...] = ()
    host: str | None = None
    kind: str = "vif"
    up: bool = True  # as its owner wants it
    secured: bool = True  # no other addresses than its own, and nothing that its groups do not allow
    groups: tuple[UUID, ...] = ()
    allowed_pairs: tuple[tuple[str, str | None], ...] = ()  # address or CIDR, MAC (None: its own)
    dhcp_options: tuple[tuple[str, str], ...] = ()


class Rule(Spec, frozen=True, kw_only=True):
    """What a group lets in (`ingress`) or out. `remote_cidr` and `remote_group` None: anybody."""

    id: UUID
    ingress: bool
    ethertype: str  # IPv4 | IPv6
    protocol: str | None = None  # a number, or a name of the API's; None: any
    port_min: int | None = None  # of ICMP the type
    port_max: int | None = None  # of ICMP the code
    remote_cidr: str | None = None
    remote_group: UUID | None = None


class Group(Spec, frozen=True, kw_only=True):
    id: UUID
    rules: tuple[Rule, ...] = ()
    stateful: bool = True


class Gateway(Spec, frozen=True, kw_only=True):
    """A router's way out."""

    port_id: UUID
    network_id: UUID
    mac: str
    addresses: tuple[str, ...]  # with prefix length: 203.0.113.5/24
    nexthops: tuple[str, ...]  # gateways of the external subnets
    snat: bool = True


class Leg(Spec, frozen=True, kw_only=True):
    """A router's interface in a network."""

    port_id: UUID
    network_id: UUID
    mac: str
    addresses: tuple[str, ...]  # with prefix length
    ra_modes: tuple[str, ...] = ()  # of the IPv6 subnets that it advertises


class FloatingIp(Spec, frozen=True, kw_only=True):
    id: UUID
    external: str
    internal: str
    port_id: UUID
    mac: str | None = None


class Router(Spec, frozen=True, kw_only=True):
    id: UUID
    up: bool = True
    legs: tuple[Leg, ...] = ()
    gateway: Gateway | None = None
    routes: tuple[Route, ...] = ()
    floating: tuple[FloatingIp, ...] = ()


class Place(msgspec.Struct, frozen=True):
    """Where a guest's port is to be plugged, and with which addresses."""

    host: str | None
    addresses: frozenset[str]


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is, whoever made it. `ports`: whether its device is plugged and works. `floating` are of routers.

    `places` are of the ports of the kind vif.
    """

    networks: frozenset[UUID] = frozenset()
    ports: dict[UUID, bool] = {}
    groups: frozenset[UUID] = frozenset()
    routers: frozenset[UUID] = frozenset()
    floating: frozenset[UUID] = frozenset()
    places: dict[UUID, Place] = {}


class Overlay(Protocol):
    """The virtual networks of a cloud."""

    KIND: ClassVar[str] = "overlay"
    VERSION: ClassVar[int] = 1

    async def ensure_network(self, network: Network, *, fence: int) -> Answer:
        """The network is there, with what its ports are told of their subnets."""
        ...

    async def ensure_network_gone(self, network_id: UUID, *, fence: int) -> Answer:
        """The network is not there, and its ports take no effect."""
        ...

    async def ensure_port(self, port: Port, *, fence: int) -> Answer:
        """The port is there. Done says in its facts whether its device works by now: {"up": bool}."""
        ...

    async def ensure_port_gone(self, port_id: UUID, *, fence: int) -> Answer:
        """The port is not there: its addresses may be given to another."""
        ...

    async def ensure_group(self, group: Group, *, fence: int) -> Answer:
        """The ports of the group are filtered by these rules from now on, open connections too."""
        ...

    async def ensure_group_gone(self, group_id: UUID, *, fence: int) -> Answer: ...

    async def ensure_router(self, router: Router, *, fence: int) -> Answer:
        """The router is there, with these legs, this gateway, these routes and floating IPs, and no others."""
        ...

    async def ensure_router_gone(self, router_id: UUID, *, fence: int) -> Answer: ...

    async def cancel(self, subject_id: UUID, verb: str, *, fence: int) -> Answer:
        """The job (subject, verb) does not run any more. Done also when there was none."""
        ...

    async def observe(self) -> Seen:
        """Everything there is."""
        ...

    async def trace(self, source_port: UUID, destination: str, protocol: str, port: int | None) -> list[str]:
        """What the overlay does with such a packet, line by line. Raises NotFound for a port that is not there."""
        ...
