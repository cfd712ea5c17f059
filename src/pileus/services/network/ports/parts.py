"""Ports that are a part of their network, and what becomes of ports when networks and subnets change."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.services.network.addresses import eui64
from pileus.services.network.networks import service as networks
from pileus.services.network.networks.service import Network
from pileus.services.network.ports import allocations, inside, rules, store
from pileus.services.network.ports.allocations import Fixed
from pileus.services.network.ports.ipam import Asked, Wish, allocate
from pileus.services.network.ports.making import New, add
from pileus.services.network.ports.sharing import users
from pileus.services.network.ports.store import Port
from pileus.services.network.subnets import service as subnets
from pileus.services.network.subnets.service import Subnet

SOME = 5


@networks.parts
async def metadata_of(ctx: Ctx, network: Network) -> dict[str, Any]:
    """Where the metadata is."""
    found = await inside.of_owners(ctx, [network.id], [rules.METADATA])
    addresses = [each.address for port in found for each in port.fixed if "." in each.address]
    return {"metadata_address": addresses[0] if addresses else None}


@networks.going
async def go_with_it(ctx: Ctx, network: Network) -> None:
    """Raises Conflict while there are ports that are no part of the network."""
    columns = store.ports.c
    used = await store.listed(
        ctx, columns.network_id == network.id, columns.device_owner.not_in(rules.AUTOMATIC), most=SOME
    )
    if used:
        named = ", ".join(str(port.id) for port in used)
        raise Conflict(
            f"Unable to complete operation on network {network.id}. There are one or more ports still in use on the "
            f"network, id for these ports is {named}.",
            type="NetworkInUse",
        )
    await inside.remove(ctx, await store.listed(ctx, columns.network_id == network.id))


@networks.changing
async def keep_shared(ctx: Ctx, before: Network, after: Network) -> None:
    """Raises Conflict when others could not go on using the network."""
    if before.shared and not after.shared and await unused_by_others(ctx, before):
        raise Conflict(
            f"Unable to reconfigure sharing settings for network {before.id}. Multiple tenants are using it.",
            type="InvalidSharedSetting",
        )


async def unused_by_others(ctx: Ctx, network: Network) -> set[str]:
    """The projects other than its own that have ports on it."""
    return await users(ctx, network.id) - {network.project_id}


@subnets.made
async def tell_ports(ctx: Ctx, network: Network, subnet: Subnet) -> None:
    """The metadata port gets an address of a new subnet; other ports those that their devices give themselves."""
    if subnet.automatic:
        await _give_automatic(ctx, network, subnet)
    if subnet.enable_dhcp:
        await _give_metadata(ctx, network, subnet)


async def _give_automatic(ctx: Ctx, network: Network, subnet: Subnet) -> None:
    for port in await store.listed(ctx, store.ports.c.network_id == network.id):
        if port.device_owner not in rules.ROUTER_OWNERS | rules.AUTOMATIC | {rules.FLOATING}:
            address = Fixed(subnet.id, str(eui64(subnet.block, port.mac_address)))
            await refix(ctx, port, [*port.fixed, address])


async def _give_metadata(ctx: Ctx, network: Network, subnet: Subnet) -> None:
    """If there is an address to be had: a subnet may be full, or too small."""
    if subnet.ip_version == 6:
        return
    wishes = [Wish(subnet_id=subnet.id)]
    there = await inside.of_owners(ctx, [network.id], [rules.METADATA])
    with contextlib.suppress(Conflict):
        for port in there:
            asked = Asked(network_id=network.id, mac=port.mac_address, device_owner=rules.METADATA, wishes=wishes)
            ((address,),) = await allocate(ctx, [asked], {network.id: [subnet]})
            await refix(ctx, port, [*port.fixed, address])
        if not there:
            await add(ctx, [_metadata_port(network, wishes)], {network.id: network})


def _metadata_port(network: Network, wishes: Sequence[Wish]) -> New:
    """Where guests find their metadata: in a network whose guests get addresses by DHCP, and so know of it."""
    return New(
        project_id="",
        network_id=network.id,
        device_id=f"ovnmeta-{network.id}",
        device_owner=rules.METADATA,
        fixed=wishes,
    )


@subnets.changing
async def follow_dhcp(ctx: Ctx, before: Subnet, after: Subnet) -> None:
    """Without DHCP there is no metadata in a subnet."""
    if after.enable_dhcp == before.enable_dhcp:
        return
    if after.enable_dhcp:
        network = await networks.held(ctx, after.network_id)
        await _give_metadata(ctx, network, after)
        return
    for port in await inside.of_owners(ctx, [after.network_id], [rules.METADATA]):
        await refix(ctx, port, [each for each in port.fixed if each.subnet_id != after.id])


@subnets.going
async def leave_it(ctx: Ctx, subnet: Subnet) -> None:
    """Raises Conflict while a port has an address of it that is not given by itself."""
    ports = await store.listed(ctx, store.holding(allocations.allocations.c.subnet_id == subnet.id))
    for port in ports:
        if not (
            port.device_owner in rules.AUTOMATIC or (subnet.automatic and port.device_owner not in rules.ROUTER_OWNERS)
        ):
            raise Conflict(
                f"Unable to complete operation on subnet {subnet.id}: One or more ports have an IP allocation from this "
                "subnet.",
                type="SubnetInUse",
            )
    for port in ports:
        await refix(ctx, port, [each for each in port.fixed if each.subnet_id != subnet.id])


async def readdress(ctx: Ctx, port: Port, wishes: Sequence[Wish]) -> Port:
    """In the open transaction: the port has these addresses, of which it may have some already.

    Raises BadRequest, NotFound; Conflict when one is taken.
    """
    asked = Asked(
        network_id=port.network_id,
        mac=port.mac_address,
        device_owner=port.device_owner,
        wishes=wishes,
        keeps=port.fixed,
    )
    (fixed,) = await allocate(ctx, [asked], await subnets.of_networks(ctx, [port.network_id]), port_id=port.id)
    await refix(ctx, port, fixed)
    return await inside.held(ctx, port.id)


async def refix(ctx: Ctx, port: Port, fixed: Sequence[Fixed]) -> None:
    """In the open transaction: the port has these addresses from now on."""
    now = await inside.held(ctx, port.id)
    await allocations.rehold(ctx, port.id, fixed, generation=now.wanted_generation + 1)
    await inside.touch(ctx, port.id)
    await inside.want(ctx, [port.id])
