"""What a subnet may look like."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pileus.kernel.errors import BadRequest, Conflict
from pileus.kernel.facts import facts
from pileus.services.network.addresses import (
    Block,
    Pool,
    hosts_of,
    invalid,
    read_address,
    spelled,
    without,
    wrong,
)

SLAAC, STATEFUL, STATELESS = "slaac", "dhcpv6-stateful", "dhcpv6-stateless"
SIZES: dict[str, int] = facts("network", "quotas")["sizes"]
MOST_SERVICE_TYPES = 64


def check_block(block: Block, version: int) -> None:
    """Raises BadRequest for what is no subnet of hosts."""
    if block.version != version:
        raise invalid(f"cidr '{block}' does not match the ip_version '{version}'")
    if block.is_multicast or block.is_loopback or (version == 4 and block.network_address.packed[0] == 0):
        raise wrong("cidr", f"'{block}' is not a subnet that hosts can be in.")
    if version == 6 and block.is_link_local:
        raise wrong("cidr", f"'{block}' is link-local.")


def check_modes(version: int, block: Block, ra: str | None, address: str | None, *, dhcp: bool) -> None:
    """Raises BadRequest for IPv6 modes that do not go together."""
    if ra is None and address is None:
        return
    if version == 4:
        raise invalid("ipv6_ra_mode or ipv6_address_mode is not valid with ip_version 4")
    if not dhcp:
        raise invalid("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    if ra is not None and address is not None and ra != address:
        raise invalid(
            f"ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{address}' is not valid. "
            "If both attributes are set, they must be the same value"
        )
    if (address or ra) != STATEFUL and block.prefixlen != 64:
        raise invalid(
            f"Invalid CIDR {block} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the "
            "prefix to be /64"
        )


def gateway_of(block: Block, asked: str | None, *, named: bool) -> str | None:
    """The gateway: the one that was asked for, or (unless null was) the first address. Raises BadRequest."""
    if not named:
        return spelled(int(block.network_address) + (block.num_addresses > 1), block.version)
    if asked is None:
        return None
    address = read_address(asked, "gateway_ip")
    if address.version != block.version:
        raise invalid(f"gateway_ip '{address}' does not match the ip_version '{block.version}'")
    edges = {block.network_address, block.broadcast_address} if block.version == 4 and block.prefixlen < 31 else set()
    if address in edges or address.is_multicast or address.is_unspecified:
        raise invalid("Gateway is not valid on subnet")
    return str(address)


def pools_of(block: Block, asked: Sequence[tuple[str, str]] | None, gateway: str | None) -> list[list[str]]:
    """The allocation pools: those that were asked for, or all that a host may have but the gateway.

    Raises BadRequest, Conflict.
    """
    number = None if gateway is None else int(read_address(gateway, "gateway_ip"))
    if asked is None:
        parts = without(hosts_of(block), number)
        return [[spelled(first, block.version), spelled(last, block.version)] for first, last in parts]
    pools = sorted(_pool(block, *each) for each in asked)
    for before, after in pairwise(pools):
        if after[0] <= before[1]:
            raise Conflict(
                f"Found overlapping allocation pools: {_words(before, block)} {_words(after, block)} for subnet {block}.",
                type="OverlappingAllocationPools",
            )
    for pool in pools:
        if number is not None and pool[0] <= number <= pool[1]:
            raise Conflict(
                f"Gateway ip {gateway} conflicts with allocation pool {_words(pool, block)}.",
                type="GatewayConflictWithAllocationPools",
            )
    return [[spelled(first, block.version), spelled(last, block.version)] for first, last in pools]


def _pool(block: Block, start: str, end: str) -> Pool:
    first, last = read_address(start, "allocation_pools"), read_address(end, "allocation_pools")
    if first.version != block.version or last.version != block.version or first > last:  # type: ignore[operator]
        raise BadRequest(f"The allocation pool {start}-{end} is not valid.", type="InvalidAllocationPool")
    least, most = hosts_of(block)
    if int(first) < least or int(last) > most:
        raise BadRequest(
            f"The allocation pool {start}-{end} spans beyond the subnet cidr {block}.", type="OutOfBoundsAllocationPool"
        )
    return int(first), int(last)


def _words(pool: Pool, block: Block) -> str:
    return f"{spelled(pool[0], block.version)}-{spelled(pool[1], block.version)}"


def nameservers_of(asked: Sequence[str]) -> list[str]:
    """Raises BadRequest."""
    if len(asked) > SIZES["max_dns_nameservers"]:
        raise BadRequest(
            f"Unable to complete operation. The number of DNS nameservers exceeds the limit {SIZES['max_dns_nameservers']}.",
            type="DNSNameServersExhausted",
        )
    found = [str(read_address(each, "dns_nameservers")) for each in asked]
    if len(set(found)) < len(found):
        raise wrong("dns_nameservers", f"Duplicate nameserver in {found}.")
    return found


def check_routes(count: int) -> None:
    """Raises BadRequest for too many."""
    if count > SIZES["max_subnet_host_routes"]:
        raise BadRequest(
            f"Unable to complete operation. The number of host routes exceeds the limit {SIZES['max_subnet_host_routes']}.",
            type="HostRoutesExhausted",
        )


def check_overlap(block: Block, others: Sequence[Block], network_id: object) -> None:
    """Raises BadRequest when a subnet of the same network has some of these addresses."""
    for other in others:
        if block.version == other.version and block.overlaps(other):
            raise invalid(f"Requested subnet with cidr: {block} for network: {network_id} overlaps with another subnet")
