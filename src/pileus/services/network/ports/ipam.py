"""Which addresses ports get: decided in the transaction that writes them, under the lock of each subnet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict
from pileus.services.network.addresses import Pool, eui64, gaps, invalid, place, read_address, spelled
from pileus.services.network.http import no_such
from pileus.services.network.ports import allocations, rules
from pileus.services.network.ports.allocations import Fixed
from pileus.services.network.subnets.service import Subnet

WINDOW = 256
TRIES = 2


class Wish(msgspec.Struct, frozen=True):
    """An address that is asked for: this one, or any of a subnet."""

    subnet_id: UUID | None = None
    address: str | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What one port asks for. `wishes` None: what its network gives. `keeps`: what it has already."""

    network_id: UUID
    mac: str
    device_owner: str = ""
    wishes: Sequence[Wish] | None = None
    keeps: Sequence[Fixed] = ()


Need = tuple[UUID, ...] | Fixed
"""An address: this one, or any of these subnets."""


async def allocate(
    ctx: Ctx, asked: Sequence[Asked], subnets: Mapping[UUID, Sequence[Subnet]], *, port_id: UUID | None = None
) -> list[list[Fixed]]:
    """The addresses of each port. `subnets`: of each network. `port_id`: whose addresses are no obstacle.

    Raises BadRequest, NotFound; Conflict when one is taken, or there are no more.
    """
    needs = [_needs(each, subnets.get(each.network_id, [])) for each in asked]
    known = {subnet.id: subnet for found in subnets.values() for subnet in found}
    for subnet_id in sorted({id_ for each in needs for need in each for id_ in _subnets_of(need)}):
        await ctx.lock("subnet", subnet_id)
    given = [need for each in needs for need in each if isinstance(need, Fixed)]
    await _check_free(ctx, given, known, port_id)
    anywhere = Counter(need for each in needs for need in each if isinstance(need, tuple))
    chosen = {need: await _choose(ctx, [known[id_] for id_ in need], many, given) for need, many in anywhere.items()}
    for network_id, found in zip((each.network_id for each in asked), needs, strict=True):
        for need in found:
            if isinstance(need, tuple) and len(chosen[need]) < anywhere[need]:
                raise no_more(network_id)
    return [[need if isinstance(need, Fixed) else chosen[need].pop(0) for need in found] for found in needs]


def _subnets_of(need: Need) -> tuple[UUID, ...]:
    return (need.subnet_id,) if isinstance(need, Fixed) else need


def no_more(network_id: UUID) -> Conflict:
    return Conflict(f"No more IP addresses available on network {network_id}.", type="IpAddressGenerationFailure")


def _needs(asked: Asked, subnets: Sequence[Subnet]) -> list[Need]:
    """What a port needs, in the order of its list."""
    usable = [each for each in subnets if serves(each, asked.device_owner)]
    found: list[Need]
    if asked.wishes is None:
        found = [need for need in (_any(usable, 4), _any(usable, 6)) if need]
        if subnets and not usable:
            raise Conflict(
                f"No valid service subnet for the given device owner on network {asked.network_id}.",
                type="IpAddressGenerationFailureNoMatchingSubnet",
            )
    else:
        found = [_wished(wish, asked, subnets) for wish in asked.wishes]
        given = [need for need in found if isinstance(need, Fixed)]
        if len(set(given)) < len(given):
            raise invalid("Duplicate IP addresses were requested for one port")
    if asked.wishes is None or asked.wishes:
        found += [need for need in _by_itself(asked, usable) if need not in found]
    return found


def serves(subnet: Subnet, device_owner: str) -> bool:
    return not subnet.service_types or any(device_owner.startswith(each) for each in subnet.service_types)


def _any(subnets: Sequence[Subnet], version: int) -> tuple[UUID, ...]:
    return tuple(each.id for each in subnets if each.ip_version == version and not each.automatic)


def _by_itself(asked: Asked, subnets: Sequence[Subnet]) -> list[Need]:
    """The addresses that its device gives itself."""
    if asked.device_owner in rules.ROUTER_OWNERS:
        return []
    return [Fixed(each.id, str(eui64(each.block, asked.mac))) for each in subnets if each.automatic]


def _wished(wish: Wish, asked: Asked, subnets: Sequence[Subnet]) -> Need:
    """Raises BadRequest, NotFound."""
    if wish.subnet_id is None and wish.address is None:
        raise invalid("IP allocation requires subnet_id or ip_address")
    subnet = _subnet(wish, asked, subnets)
    routed = asked.device_owner in rules.ROUTER_OWNERS
    if wish.address is None:
        own = subnet.automatic and not routed
        return Fixed(subnet.id, str(eui64(subnet.block, asked.mac))) if own else (subnet.id,)
    address = read_address(wish.address, "fixed_ips")
    if address not in subnet.block or place_is_edge(subnet, int(address)):
        raise BadRequest(f"IP address {address} is not a valid IP for the specified subnet.", type="InvalidIpForSubnet")
    fixed = Fixed(subnet.id, str(address))
    if subnet.automatic and not routed and fixed not in asked.keeps and address != eui64(subnet.block, asked.mac):
        raise BadRequest(
            f"IPv6 address {address} cannot be directly assigned to a port on subnet {subnet.id} as the subnet is "
            "configured for automatic addresses",
            type="AllocationOnAutoAddressSubnet",
        )
    return fixed


def place_is_edge(subnet: Subnet, number: int) -> bool:
    """Whether it names the subnet itself, or everybody in it."""
    if subnet.ip_version == 6 or subnet.block.prefixlen >= 31:
        return False
    return number in (int(subnet.block.network_address), int(subnet.block.broadcast_address))


def _subnet(wish: Wish, asked: Asked, subnets: Sequence[Subnet]) -> Subnet:
    if wish.subnet_id is not None:
        for subnet in subnets:
            if subnet.id == wish.subnet_id:
                return subnet
        raise BadRequest(
            f"Failed to create port on network {asked.network_id}, because fixed_ips included invalid subnet "
            f"{wish.subnet_id}",
            type="InvalidInput",
        )
    address = read_address(wish.address or "", "fixed_ips")
    for subnet in subnets:
        if address in subnet.block:
            return subnet
    raise BadRequest(
        f"IP address {address} is not a valid IP for any of the subnets on the specified network.",
        type="InvalidIpForNetwork",
    )


async def _check_free(ctx: Ctx, given: Sequence[Fixed], known: Mapping[UUID, Subnet], port_id: UUID | None) -> None:
    """Raises Conflict that names the address."""
    repeated = [fixed for fixed, times in Counter(given).items() if times > 1]
    holders = await allocations.holders(ctx, given)
    for fixed in (*repeated, *(fixed for fixed, holder in holders.items() if holder != port_id)):
        if fixed.subnet_id not in known:
            raise no_such("subnet", fixed.subnet_id)
        raise Conflict(
            f"IP address {fixed.address} already allocated in subnet {fixed.subnet_id}",
            type="IpAddressAlreadyAllocated",
        )


async def _choose(ctx: Ctx, subnets: Sequence[Subnet], many: int, given: Collection[Fixed]) -> list[Fixed]:
    """So many free addresses of these subnets, or as many as there are."""
    found: list[Fixed] = []
    for subnet in subnets:
        taken = {int(read_address(each.address, "fixed_ips")) for each in given if each.subnet_id == subnet.id}
        for pool in subnet.ranges:
            if len(found) < many:
                free = await free_in(ctx, subnet.id, pool, many - len(found), taken)
                found += [Fixed(subnet.id, spelled(number, subnet.ip_version)) for number in free]
    return found


async def free_in(ctx: Ctx, subnet_id: UUID, pool: Pool, many: int, taken: set[int]) -> list[int]:
    """So many free numbers of a range, or as many as there are; those `taken` are not. The statements it takes are few,
    however large the range is: behind the last that is in use, so that none is soon used again; else the lowest, if there
    is room; else some places by chance; else by halving."""
    width = WINDOW + many
    first, last = pool
    top = await allocations.last_taken(ctx, subnet_id, place(first), place(last))
    behind = first if top is None else int(top, 16) + 1
    found = list(islice(gaps((behind, last), sorted(taken)), many))
    if len(found) < many:
        lowest = first, min(last, first + width - 1)
        found += await _window(ctx, subnet_id, lowest, many - len(found), taken | set(found))
    for _ in range(TRIES):
        if len(found) < many and last - first >= width:
            at = first + int.from_bytes(ctx.world.ids.bytes(16), "big") % (last - first - width + 2)
            found += await _window(ctx, subnet_id, (at, at + width - 1), many - len(found), taken | set(found))
    while len(found) < many and last - first >= width:
        room = await _halved(ctx, subnet_id, pool, taken | set(found))
        if room is None:
            break
        found += await _window(ctx, subnet_id, room, many - len(found), taken | set(found))
    return found


async def _window(ctx: Ctx, subnet_id: UUID, window: Pool, many: int, taken: set[int]) -> list[int]:
    first, last = window
    used = await allocations.taken(ctx, subnet_id, place(first), place(last), last - first + 1)
    numbers = sorted({int(each, 16) for each in used} | {each for each in taken if first <= each <= last})
    return list(islice(gaps(window, numbers), many))


async def _halved(ctx: Ctx, subnet_id: UUID, pool: Pool, taken: set[int]) -> Pool | None:
    """A part of the range, no larger than a window, in which there is room."""
    first, last = pool
    if not await _has_room(ctx, subnet_id, pool, taken):
        return None
    while last - first >= WINDOW:
        middle = (first + last) // 2
        if await _has_room(ctx, subnet_id, (first, middle), taken):
            last = middle
        else:
            first = middle + 1
    return first, last


async def _has_room(ctx: Ctx, subnet_id: UUID, part: Pool, taken: set[int]) -> bool:
    first, last = part
    used = await allocations.count_taken(ctx, subnet_id, place(first), place(last))
    return used + sum(first <= each <= last for each in taken) <= last - first
