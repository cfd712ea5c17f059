"""For which address inside a floating IP may stand, and which router carries it there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from pileus.kernel.errors import BadRequest

DHCP = "network:dhcp"


class Inside(NamedTuple):
    """An address of a port."""

    subnet_id: str
    address: str


class Way(NamedTuple):
    """A router with a leg in the subnet of the address and its gateway on the external network."""

    router_id: str
    leg_address: str


def bad_floating_ip(message: str) -> BadRequest:
    """How Networking says that a floating IP can't be for that."""
    return BadRequest(f"Bad floatingip request: {message}.", type="BadRequest")


def inside(port_id: str, device_owner: str, fixed: Sequence[Inside], wanted: str | None) -> Inside:
    """The port's address that is meant: the one wanted, or the only IPv4 one. Raises BadRequest."""
    if device_owner == DHCP:
        raise bad_floating_ip(f"Port {port_id} is unable to be assigned a floating IP")
    if wanted is not None:
        return _wanted(port_id, fixed, wanted)
    found = [each for each in fixed if ip_address(each.address).version == 4]
    if not found:
        raise bad_floating_ip(f"Cannot add floating IP to port {port_id} that has no fixed IPv4 addresses")
    if len(found) > 1:
        raise bad_floating_ip(
            f"Port {port_id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning "
            "a floating IP"
        )
    return found[0]


def _wanted(port_id: str, fixed: Sequence[Inside], wanted: str) -> Inside:
    if ip_address(wanted).version != 4:
        raise bad_floating_ip(
            f"Cannot process floating IP association with {wanted}, since that is not an IPv4 address"
        )
    for each in fixed:
        if each.address == wanted:
            return each
    raise bad_floating_ip(f"Port {port_id} does not have fixed ip {wanted}")


def chosen(ways: Iterable[Way], gateway_ip: str | None) -> Way | None:
    """The router that is the gateway of the subnet, else the first by id: the same whenever it is asked."""
    ordered = sorted(ways)
    return next((way for way in ordered if way.leg_address == gateway_ip), ordered[0] if ordered else None)
