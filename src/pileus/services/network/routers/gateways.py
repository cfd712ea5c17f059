"""The way out of a router: a port on an external network that belongs to nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.services.network.networks import service as networks
from pileus.services.network.ports import service as ports
from pileus.services.network.ports.service import Port, Wish
from pileus.services.network.routers.rules import Reached, bad_router, check_apart, check_routes, differs
from pileus.services.network.routers.sagas import GATEWAY, Around
from pileus.services.network.subnets import service as subnets
from pileus.services.network.subnets.service import Subnet


class WayOut(msgspec.Struct, frozen=True):
    """A gateway that is asked for. `fixed`: its addresses; none: what the network gives."""

    network_id: UUID
    snat: bool = True
    fixed: tuple[Wish, ...] = ()


async def lead_out(ctx: Ctx, around: Around, way: WayOut | None) -> dict[str, Any]:
    """In the open transaction: the router, which is held, has this way out. Returns the columns that changed.

    Raises NotFound, BadRequest; Conflict for an address that is taken, and for a gateway that floating IPs need.
    """
    if way is None:
        await _close(ctx, around)
        return {"gw_port_id": None, "enable_snat": True}
    network = (await networks.hold(ctx, [way.network_id]))[way.network_id]
    if not network.external:
        raise bad_router(f"Network {network.id} is not an external network")
    outside = (await subnets.of_networks(ctx, [network.id])).get(network.id, [])
    _check(around, way, outside)
    current = around.gateway
    if current is not None and current.network_id == network.id:
        port_id = current.id
        if differs([(str(each.subnet_id), each.address) for each in current.fixed], _said(way)):
            await ports.readdress(ctx, current, way.fixed)
    else:
        await _close(ctx, around)
        check_apart(reached(around.legs, around.subnets), [Reached(str(each.id), each.cidr) for each in outside])
        port_id = await _open(ctx, around.router.id, way, network)
    return {"gw_port_id": port_id, "enable_snat": way.snat}


def _said(way: WayOut) -> list[dict[str, Any]]:
    return [
        {"subnet_id": str(wish.subnet_id) if wish.subnet_id else None, "ip_address": wish.address} for wish in way.fixed
    ]


def _check(around: Around, way: WayOut, outside: Sequence[Subnet]) -> None:
    taken = {subnet.gateway_ip for subnet in outside if subnet.gateway_ip}
    for wish in way.fixed:
        if wish.address in taken:
            raise bad_router(f"External IP {wish.address} is the same as the gateway IP")
    legs = [each for port in around.legs for each in port.fixed]
    cidrs = [around.subnets[each.subnet_id].cidr for each in legs] + [subnet.cidr for subnet in outside]
    check_routes(around.router.hops, cidrs, [each.address for each in legs])


async def _open(ctx: Ctx, router_id: UUID, way: WayOut, network: networks.Network) -> UUID:
    new = ports.New(
        project_id="",
        network_id=network.id,
        device_id=str(router_id),
        device_owner=GATEWAY,
        fixed=way.fixed or None,
    )
    [port] = await ports.add(ctx, [new], {network.id: network})
    return port.id


async def _close(ctx: Ctx, around: Around) -> None:
    """Raises Conflict while something stands on the router."""
    if around.gateway is None:
        return
    if around.standing:
        raise Conflict(
            f"Gateway cannot be updated for router {around.router.id}, since a gateway to external network "
            f"{around.gateway.network_id} is required by one or more floating IPs.",
            type="RouterExternalGatewayInUseByFloatingIp",
        )
    await ports.remove(ctx, [around.gateway])


def reached(legs: Sequence[Port], known: dict[UUID, Subnet] | Any) -> list[Reached]:
    """The subnets that these ports are in."""
    return [Reached(str(each.subnet_id), known[each.subnet_id].cidr) for port in legs for each in port.fixed]
