"""Addresses as numbers and words: what subnets and ports decide with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from pileus.kernel.errors import BadRequest

Address = IPv4Address | IPv6Address
Block = IPv4Network | IPv6Network
Pool = tuple[int, int]
"""The first and the last address of a range, as numbers."""

PLACE_DIGITS = 32


def invalid(message: str) -> BadRequest:
    """400 InvalidInput, as Neutron words it."""
    return BadRequest(f"Invalid input for operation: {message}.", type="InvalidInput")


def read_address(text: str, field: str) -> Address:
    """Raises BadRequest naming the field."""
    try:
        found = ip_address(text)
    except ValueError:
        raise wrong(field, f"'{text[:80]}' is not a valid IP address.") from None
    if getattr(found, "scope_id", None):
        raise wrong(field, f"'{text[:80]}' is not a valid IP address.")
    return found


def read_block(text: str, field: str) -> Block:
    """A subnet in CIDR notation, host bits dropped as Neutron does. Raises BadRequest naming the field."""
    try:
        if "/" not in text or "%" in text:
            raise ValueError(text)
        return ip_network(text, strict=False)
    except ValueError:
        raise wrong(field, f"'{text[:80]}' is not a valid IP subnet.") from None


def wrong(field: str, reason: str) -> BadRequest:
    return BadRequest(f"Invalid input for {field}. Reason: {reason}", type="HTTPBadRequest")


def place(address: Address | int) -> str:
    """A text that sorts as the address does among those of its subnet."""
    return f"{int(address):0{PLACE_DIGITS}x}"


def spelled(number: int, version: int) -> str:
    """The address of a number."""
    return str(IPv4Address(number) if version == 4 else IPv6Address(number))


def hosts_of(block: Block) -> Pool:
    """What a subnet can give: neither its own address nor an IPv4 broadcast address."""
    first, last = int(block.network_address), int(block.broadcast_address)
    if block.version == 6:
        return (first, last) if block.prefixlen >= 127 else (first + 1, last)
    return (first, last) if block.prefixlen >= 31 else (first + 1, last - 1)


def without(pool: Pool, number: int | None) -> list[Pool]:
    """The range in the parts around one address."""
    first, last = pool
    if number is None or not first <= number <= last:
        return [pool]
    return [each for each in ((first, number - 1), (number + 1, last)) if each[0] <= each[1]]


def eui64(block: Block, mac: str) -> Address:
    """The address that a device gives itself."""
    raw = bytes.fromhex(mac.replace(":", ""))
    interface = bytes([raw[0] ^ 2]) + raw[1:3] + b"\xff\xfe" + raw[3:]
    return IPv6Address(int(block.network_address) + int.from_bytes(interface, "big"))


def gaps(pool: Pool, taken: Iterable[int]) -> Iterator[int]:
    """The addresses of a range that are not among these, which come in order."""
    at, last = pool
    for number in taken:
        yield from range(at, min(number, last + 1))
        at = max(at, number + 1)
    yield from range(at, last + 1)


def size_of(pools: Sequence[Pool]) -> int:
    return sum(last - first + 1 for first, last in pools)


def read_mac(text: str, field: str = "mac_address") -> str:
    """A MAC address, in the form in which it is shown. Raises BadRequest."""
    parts = text.replace("-", ":").lower().split(":")
    if len(parts) != 6 or any(len(part) != 2 or not set(part) <= set("0123456789abcdef") for part in parts):
        raise wrong(field, f"'{text[:80]}' is not a valid MAC address.")
    if int(parts[0], 16) & 1 or parts == ["00"] * 6:
        raise wrong(field, f"'{text[:80]}' is not a MAC address of one device.")
    return ":".join(parts)


def routes_of(routes: Sequence[Any], field: str = "host_routes") -> list[dict[str, str]]:
    """Routes as they are kept, each once. Raises BadRequest."""
    found: list[dict[str, str]] = []
    for each in routes:
        block, hop = read_block(each.destination, field), read_address(each.nexthop, field)
        if block.version != hop.version:
            raise wrong(field, f"'{each.nexthop[:80]}' is of another IP version than '{each.destination[:80]}'.")
        route = {"destination": str(block), "nexthop": str(hop)}
        if route in found:
            raise wrong(field, f"Duplicate hostroute '{each.destination[:80]}'.")
        found.append(route)
    return found
