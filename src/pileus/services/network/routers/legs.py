"""The legs of a router: ports of it in networks inside."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.services.network.addresses import read_address
from pileus.services.network.grounds import is_admin
from pileus.services.network.networks import service as networks
from pileus.services.network.ports import service as ports
from pileus.services.network.ports.service import Port, Wish
from pileus.services.network.rbac_policies import service as rbac
from pileus.services.network.routers.found import held, touch
from pileus.services.network.routers.gateways import reached
from pileus.services.network.routers.rules import Reached, bad_router, check_apart, uses
from pileus.services.network.routers.sagas import LEG, Around
from pileus.services.network.subnets import service as subnets
from pileus.services.network.subnets.service import Subnet


class Interface(msgspec.Struct, frozen=True):
    """A leg that came or went, with the subnets that this was about."""

    router_id: UUID
    port: Port
    subnet_ids: tuple[UUID, ...]


async def add_by_subnet(ctx: Ctx, router_id: UUID, subnet_id: UUID) -> Interface:
    """A leg with the address of the subnet's gateway. Raises NotFound, Forbidden, BadRequest, Conflict, OverQuota."""
    async with ctx.transaction() as ctx:
        around = await held(ctx, router_id)
        subnet = await subnets.get(ctx, subnet_id)
        if subnet.gateway_ip is None:
            raise bad_router("Subnet for router interface must have a gateway IP")
        await _check_usable(ctx, subnet)
        _check_advertised(subnet)
        check_apart(_all_reached(around), [Reached(str(subnet.id), subnet.cidr)])
        port = await _stand_in(ctx, around, subnet)
        await touch(ctx, around.router)
    return Interface(router_id, port, (subnet.id,))


async def _stand_in(ctx: Ctx, around: Around, subnet: Subnet) -> Port:
    """A new leg; or, as IPv6 has it, another address of the leg that is in that network."""
    wish = Wish(subnet.id, subnet.gateway_ip)
    if subnet.ip_version == 6:
        for leg in around.legs:
            if leg.network_id == subnet.network_id and any(":" in each.address for each in leg.fixed):
                return await ports.readdress(ctx, leg, [*_kept(leg), wish])
    new = ports.New(
        project_id=around.router.project_id,
        network_id=subnet.network_id,
        device_id=str(around.router.id),
        device_owner=LEG,
        fixed=[wish],
    )
    on = await networks.hold(ctx, [subnet.network_id])
    return (await ports.add(ctx, [new], on))[0]


def _kept(port: Port, without: UUID | None = None) -> list[Wish]:
    return [Wish(each.subnet_id, each.address) for each in port.fixed if each.subnet_id != without]


async def _check_usable(ctx: Ctx, subnet: Subnet) -> None:
    """What is shared with everybody is for ports; what is shared with this project also for its routers."""
    if is_admin(ctx) or subnet.project_id == ctx.caller.project_id:
        return
    shared = await rbac.policies_of(ctx, "network", [subnet.network_id])
    if not any(each.action == rbac.SHARED and each.target_project == ctx.caller.project_id for each in shared):
        raise bad_router(
            f"Cannot add interface to router because subnet {subnet.id} is not owned by project making the request"
        )


def _check_advertised(subnet: Subnet) -> None:
    if subnet.ip_version == 6 and subnet.ipv6_ra_mode is None and subnet.ipv6_address_mode is not None:
        raise bad_router(
            f"IPv6 subnet {subnet.id} configured to receive RAs from an external router cannot be added to Neutron "
            "Router."
        )


def _all_reached(around: Around) -> list[Reached]:
    outside = [Reached(str(each.id), each.cidr) for each in around.outside]
    return reached(around.legs, around.subnets) + outside


async def add_by_port(ctx: Ctx, router_id: UUID, port_id: UUID) -> Interface:
    """A port becomes a leg, with the addresses that it has. Raises NotFound, Forbidden, BadRequest, Conflict."""
    async with ctx.transaction() as ctx:
        around = await held(ctx, router_id)
        port = await ports.get(ctx, port_id)
        if port.device_id:
            raise Conflict(
                f"Unable to complete operation on port {port.id} for network {port.network_id}. Port already has an "
                f"attached device {port.device_id}.",
                type="PortInUse",
            )
        known = await subnets.by_ids(ctx, {each.subnet_id for each in port.fixed})
        _check_port(around, port, list(known.values()))
        port = await ports.become(ctx, port_id, device_id=str(router_id), device_owner=LEG)
        await touch(ctx, around.router)
    return Interface(router_id, port, tuple(each.subnet_id for each in port.fixed))


def _check_port(around: Around, port: Port, its: Sequence[Subnet]) -> None:
    if not port.fixed:
        raise bad_router("Router port must have at least one fixed IP")
    for subnet in its:
        _check_advertised(subnet)
    if sum(subnet.ip_version == 4 for subnet in its) > 1:
        raise bad_router("Cannot have multiple IPv4 subnets on router port")
    check_apart(_all_reached(around), [Reached(str(subnet.id), subnet.cidr) for subnet in its])


async def remove_by_port(ctx: Ctx, router_id: UUID, port_id: UUID, subnet_id: UUID | None) -> Interface:
    """Raises NotFound, Forbidden; BadRequest when it is not in that subnet; Conflict while it is needed."""
    async with ctx.transaction() as ctx:
        around = await held(ctx, router_id)
        port = next((leg for leg in around.legs if leg.id == port_id), None)
        if port is None:
            raise NotFound(
                f"Router {router_id} does not have an interface with id {port_id}", type="RouterInterfaceNotFound"
            )
        if subnet_id is not None and all(each.subnet_id != subnet_id for each in port.fixed):
            raise BadRequest(
                f"Subnet on port {port_id} does not match the requested subnet {subnet_id}.",
                type="SubnetMismatchForPort",
            )
        for each in port.fixed:
            _check_unused(around, around.subnets[each.subnet_id])
        await ports.remove(ctx, [port])
        await touch(ctx, around.router)
    return Interface(router_id, port, tuple(each.subnet_id for each in port.fixed))


async def remove_by_subnet(ctx: Ctx, router_id: UUID, subnet_id: UUID) -> Interface:
    """Raises NotFound, Forbidden; Conflict while it is needed."""
    async with ctx.transaction() as ctx:
        around = await held(ctx, router_id)
        await subnets.get(ctx, subnet_id)
        port = next((leg for leg in around.legs if any(each.subnet_id == subnet_id for each in leg.fixed)), None)
        if port is None:
            raise NotFound(
                f"Router {router_id} has no interface on subnet {subnet_id}", type="RouterInterfaceNotFoundForSubnet"
            )
        _check_unused(around, around.subnets[subnet_id])
        if len(port.fixed) > 1:
            await ports.readdress(ctx, port, _kept(port, without=subnet_id))
        else:
            await ports.remove(ctx, [port])
        await touch(ctx, around.router)
    return Interface(router_id, port, (subnet_id,))


def _check_unused(around: Around, subnet: Subnet) -> None:
    """Raises Conflict while a floating IP or a route needs the leg in that subnet."""
    needs = next(iter(_needing(around, subnet)), None)
    if needs is not None:
        kind, words = needs
        raise Conflict(
            f"Router interface for subnet {subnet.id} on router {around.router.id} cannot be deleted, as it is required "
            f"by one or more {words}.",
            type=kind,
        )


def _needing(around: Around, subnet: Subnet) -> list[tuple[str, str]]:
    found = []
    if any(within(each.internal, subnet) for each in around.standing):
        found.append(("RouterInterfaceInUseByFloatingIP", "floating IPs"))
    if uses(around.router.hops, subnet.cidr):
        found.append(("RouterInterfaceInUseByRoute", "routes"))
    return found


def within(address: str, subnet: Subnet) -> bool:
    """Whether that address is one of the subnet's."""
    return read_address(address, "ip_address") in subnet.block
