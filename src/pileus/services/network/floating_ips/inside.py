"""For what a floating IP shall stand: an address of a port, and the router that carries it there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict, NotFound, TryAgain
from pileus.services.network.addresses import read_address
from pileus.services.network.floating_ips import rules, store
from pileus.services.network.floating_ips.rules import Inside, Way, bad_floating_ip
from pileus.services.network.grounds import is_admin
from pileus.services.network.ports import service as ports
from pileus.services.network.ports.service import Port
from pileus.services.network.routers import service as routers
from pileus.services.network.routers.service import LEG
from pileus.services.network.subnets import service as subnets

FREE: dict[str, Any] = {"fixed_port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}
"""The columns of one that stands for nothing."""


async def associated(
    ctx: Ctx, project_id: str, network_id: UUID, port_id: UUID, address: str | None, *, but: UUID | None = None
) -> dict[str, Any]:
    """In the open transaction: the columns of a floating IP of that project and network that stands for that port.

    The port and the router stay as they are until it ends. `but`: the floating IP that may stand for it already.
    Raises NotFound, BadRequest; Conflict when another stands for it.
    """
    await ports.get(ctx, port_id)
    port = await ports.held(ctx, port_id)
    if port.project_id != project_id and not is_admin(ctx):
        raise bad_floating_ip(
            f"Cannot process floating IP association with Port {port_id}, since that port is owned by a different "
            "project"
        )
    fixed = [Inside(str(each.subnet_id), each.address) for each in port.fixed]
    wanted = None if address is None else str(read_address(address, "fixed_ip_address"))
    place = rules.inside(str(port_id), port.device_owner, fixed, wanted)
    other = await store.stands_for(ctx, network_id, port_id, place.address)
    if other is not None and other != but:
        raise Conflict(
            f"Cannot associate floating IP {other} with port {port_id} using fixed IP {place.address}, as that fixed IP "
            f"already has a floating IP on external network {network_id}.",
            type="FloatingIPPortAlreadyAssociated",
        )
    way = await _way(ctx, port, place, network_id)
    await routers.hold(ctx, UUID(way.router_id))
    if await _way(ctx, port, place, network_id) != way:
        raise TryAgain("the routers changed meanwhile")
    return {
        "fixed_port_id": port_id,
        "fixed_ip_address": place.address,
        "router_id": UUID(way.router_id),
        "status": "DOWN",
    }


async def _way(ctx: Ctx, port: Port, place: Inside, network_id: UUID) -> Way:
    """The router with a leg in the subnet and its gateway on that network. Raises NotFound."""
    legs = [
        (UUID(leg.device_id), each.address)
        for leg in await ports.of_owners(ctx, [port.network_id], [LEG])
        for each in leg.fixed
        if str(each.subnet_id) == place.subnet_id
    ]
    known = await routers.by_ids(ctx, {router_id for router_id, _ in legs})
    gateways = await ports.by_ids(ctx, {each.gw_port_id for each in known.values() if each.gw_port_id})
    out = {id_ for id_, each in known.items() if each.gw_port_id and gateways[each.gw_port_id].network_id == network_id}
    subnet = (await subnets.by_ids(ctx, [UUID(place.subnet_id)]))[UUID(place.subnet_id)]
    way = rules.chosen((Way(str(id_), address) for id_, address in legs if id_ in out), subnet.gateway_ip)
    if way is None:
        raise NotFound(
            f"External network {network_id} is not reachable from subnet {place.subnet_id}.  Therefore, cannot associate "
            f"Port {port.id} with a Floating IP.",
            type="ExternalGatewayForFloatingIPNotFound",
        )
    return way
