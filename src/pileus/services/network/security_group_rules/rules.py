"""What a rule of a security group may say, the form in which it is kept, and when two say the same.

Errors carry the `type` by which Networking's clients know them.
"""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec.structs import replace

from pileus.kernel.errors import BadRequest

ETHERTYPES = ("IPv4", "IPv6")
DIRECTIONS = ("ingress", "egress")
EVERYWHERE = frozenset({None, "0.0.0.0/0", "::/0"})
PORT_MIN, PORT_MAX = 1, 65535
PROTOCOLS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "hopopt": 0,
    "icmp": 1,
    "icmpv6": 58,
    "igmp": 2,
    "ip": 0,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
"""The protocols that have a name, and their numbers."""

WITH_PORTS = ("dccp", "sctp", "tcp", "udp", "udplite")
PORT_NUMBERS = frozenset(PROTOCOLS[name] for name in WITH_PORTS)
ICMP, ICMPV6 = PROTOCOLS["icmp"], PROTOCOLS["ipv6-icmp"]
ONLY_IPV6 = frozenset(PROTOCOLS[name] for name in PROTOCOLS if "v6" in name)


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule lets through. None matches everything; of ICMP the ports are type and code."""

    direction: str
    ethertype: str = "IPv4"
    protocol: str | None = None  # a name in lower case, or a number
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: UUID | None = None
    remote_address_group_id: UUID | None = None


M = TypeVar("M", bound=Match)


def number(protocol: str | None) -> int | None:
    """The protocol's number; None for any."""
    if protocol is None:
        return None
    return PROTOCOLS[protocol] if protocol in PROTOCOLS else int(protocol)


# What a client may write


def read_protocol(value: str | int | None) -> str | None:
    """A name in any case or a number of 8 bits, as text; `any` is None. Raises BadRequest."""
    if value is None:
        return None
    text = str(value).lower()
    if text == "any":
        return None
    if text in PROTOCOLS:
        return text
    if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255:
        return str(int(text))
    known = ", ".join(["any", *sorted(PROTOCOLS)])
    raise BadRequest(
        f"Security group rule protocol {str(value)[:80]} not supported. Only protocol values {known} and integer "
        "representations [0 to 255] are supported.",
        type="SecurityGroupRuleInvalidProtocol",
    )


def read_port(value: str | int | None) -> int | None:
    """A number from 0 to 65535, also as text. Raises BadRequest."""
    if value is None:
        return None
    text = str(value)
    if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= PORT_MAX:
        return int(text)
    raise bad_port(text[:80])


def bad_port(value: Any) -> BadRequest:
    return BadRequest(f"Invalid value for port {value}", type="SecurityGroupInvalidPortValue")


def read_ethertype(value: str) -> str:
    """IPv4 or IPv6, in any case. Raises BadRequest."""
    for known in ETHERTYPES:
        if value.lower() == known.lower():
            return known
    raise BadRequest(
        f"Security group rule for ethertype '{value[:80]}' not supported. Allowed values are {list(ETHERTYPES)}.",
        type="SecurityGroupRuleInvalidEtherType",
    )


def read_prefix(value: str | None) -> str | None:
    """An address or a CIDR, with the length of its prefix; host bits stay as they were said. Raises BadRequest."""
    if not value:
        return None
    try:
        if "%" in value:
            raise ValueError(value)
        return str(ip_interface(value).with_prefixlen)
    except ValueError:
        raise BadRequest(f"Invalid CIDR {value[:80]} given as IP prefix.", type="InvalidCIDR") from None


def network_of(prefix: str | None) -> str | None:
    """The network in which a prefix lies: 10.0.0.0/24 for 10.0.0.5/24."""
    return None if prefix is None else str(ip_interface(prefix).network)


# What of it is a rule


def normalised(match: M) -> M:
    """The form in which a rule is kept. Raises BadRequest for what can match nothing, or contradicts itself."""
    match = _canonical(match)
    _check_ports(match)
    _check_prefix(match)
    if number(match.protocol) in ONLY_IPV6 and match.ethertype == "IPv4":
        raise BadRequest(
            f"Invalid ethertype {match.ethertype} for protocol {match.protocol}.",
            type="SecurityGroupEthertypeConflictWithProtocol",
        )
    remotes = (match.remote_ip_prefix, match.remote_group_id, match.remote_address_group_id)
    if sum(remote is not None for remote in remotes) > 1:
        raise BadRequest(
            "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
            type="SecurityGroupMultipleRemoteEntites",
        )
    return match


def _canonical(match: M) -> M:
    """ICMP of IPv6 by its own name and number; the whole range of ports is no range."""
    if match.ethertype == "IPv6":
        icmp = {"icmp": "ipv6-icmp", "icmpv6": "ipv6-icmp", "1": str(ICMPV6)}
        match = replace(match, protocol=icmp.get(match.protocol or "", match.protocol))
    if (match.port_range_min, match.port_range_max) == (PORT_MIN, PORT_MAX):
        match = replace(match, port_range_min=None, port_range_max=None)
    return match


def _check_ports(match: Match) -> None:
    low, high = match.port_range_min, match.port_range_max
    if low is None and high is None:
        return
    if match.protocol is None:
        raise BadRequest(
            "Must also specify protocol if port range is given.", type="SecurityGroupProtocolRequiredWithPorts"
        )
    protocol = number(match.protocol)
    if protocol in PORT_NUMBERS:
        _check_range(low, high)
    elif protocol in (ICMP, ICMPV6):
        _check_icmp(low, high)
    else:
        raise BadRequest(
            f"Ports cannot be specified for protocol {match.protocol}. Ports are only supported for "
            f"{', '.join(name.upper() for name in WITH_PORTS)}.",
            type="SecurityGroupInvalidProtocolForPort",
        )


def _check_range(low: int | None, high: int | None) -> None:
    if low == 0 or high == 0:
        raise bad_port(0)
    if low is None or high is None or low > high:
        raise BadRequest(
            "For TCP/UDP protocols, port_range_min must be <= port_range_max", type="SecurityGroupInvalidPortRange"
        )


def _check_icmp(kind: int | None, code: int | None) -> None:
    for value, name, field in ((kind, "type", "port_range_min"), (code, "code", "port_range_max")):
        if value is not None and not 0 <= value <= 255:
            raise BadRequest(
                f"Invalid value for ICMP {name} ({field}) {value}. It must be 0 to 255.",
                type="SecurityGroupInvalidIcmpValue",
            )
    if kind is None:
        raise BadRequest(
            f"ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing.",
            type="SecurityGroupMissingIcmpType",
        )


def _check_prefix(match: Match) -> None:
    if match.remote_ip_prefix is None:
        return
    if match.ethertype != f"IPv{ip_interface(match.remote_ip_prefix).version}":
        raise BadRequest(
            f"Conflicting value ethertype {match.ethertype} for CIDR {match.remote_ip_prefix}",
            type="SecurityGroupRuleParameterConflict",
        )


def key(match: Match) -> tuple[Any, ...]:
    """Equal for rules that say the same: a protocol by name or number, from everywhere said or left out."""
    everywhere = match.remote_ip_prefix in EVERYWHERE
    return (
        match.direction,
        match.ethertype,
        number(match.protocol),
        match.port_range_min,
        match.port_range_max,
        None if everywhere else match.remote_ip_prefix,
        match.remote_group_id,
        match.remote_address_group_id,
    )
