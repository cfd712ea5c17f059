"""Routers converge: the overlay is told the whole router, with its legs, its gateway and what stands on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from pileus.engines import overlay as wish
from pileus.kernel.context import Ctx
from pileus.kernel.operations import Converge, Op
from pileus.kernel.verbs import Done
from pileus.services.network.overlay import overlay
from pileus.services.network.ports import service as ports
from pileus.services.network.ports.service import Port
from pileus.services.network.routers import standing, store
from pileus.services.network.routers.rules import with_prefix
from pileus.services.network.routers.standing import Standing
from pileus.services.network.routers.store import Router
from pileus.services.network.subnets import service as subnets
from pileus.services.network.subnets.service import Subnet

LEG, GATEWAY = "network:router_interface", "network:router_gateway"

converge_router = Converge("network.router", store.routers)


class Around(msgspec.Struct, frozen=True):
    """A router with all that it is connected to. `outside`: the subnets of its gateway's network."""

    router: Router
    legs: Sequence[Port]
    gateway: Port | None
    subnets: Mapping[UUID, Subnet]
    outside: Sequence[Subnet]
    standing: Sequence[Standing]


@converge_router.step(deadline_s=300)
async def apply(op: Op) -> Any:
    """Say the end state. What was said is kept, so that the next step tells what has been brought about."""
    async with op.ctx.read() as ctx:
        router = await store.find(ctx, op.subject_id, store.ANY)
        around = None if router is None or router.deleted else await look_around(ctx, router)
    engine = await overlay(op)
    if around is None:
        answer = await engine.ensure_router_gone(op.subject_id)
        return {"gone": True, "standing": []} if isinstance(answer, Done) else answer
    answer = await engine.ensure_router(wished(around))
    stands = [str(each.id) for each in around.standing]
    return {"gone": False, "standing": stands} if isinstance(answer, Done) else answer


@converge_router.rows
async def settle(op: Op) -> None:
    said = op.memo["apply"]
    if said["gone"]:
        await store.remove(op.ctx, op.subject_id)
        return
    await store.mark(op.ctx, op.subject_id, "ACTIVE")
    await standing.applied(op.ctx, op.subject_id, [UUID(each) for each in said["standing"]])


@converge_router.parked
async def mark_error(op: Op) -> None:
    await store.mark(op.ctx, op.subject_id, "ERROR")


async def look_around(ctx: Ctx, router: Router) -> Around:
    """The router with all that it is connected to now."""
    found = (await ports.of_devices(ctx, [str(router.id)])).get(str(router.id), [])
    gateway = next((port for port in found if port.id == router.gw_port_id), None)
    outside = (await subnets.of_networks(ctx, [gateway.network_id])).get(gateway.network_id, []) if gateway else []
    return Around(
        router,
        legs=[port for port in found if port.device_owner == LEG],
        gateway=gateway,
        subnets=await subnets.by_ids(ctx, {each.subnet_id for port in found for each in port.fixed}),
        outside=outside,
        standing=await standing.of_router(ctx, router.id),
    )


def wished(around: Around) -> wish.Router:
    """The router as the overlay shall have it."""
    return wish.Router(
        id=around.router.id,
        up=around.router.admin_state_up,
        legs=tuple(_leg(port, around.subnets) for port in around.legs),
        gateway=_gateway(around),
        routes=tuple(wish.Route(destination=hop.destination, nexthop=hop.nexthop) for hop in around.router.hops),
        floating=tuple(
            wish.FloatingIp(id=each.id, external=each.external, internal=each.internal, port_id=each.port_id)
            for each in around.standing
        ),
    )


def _leg(port: Port, known: Mapping[UUID, Subnet]) -> wish.Leg:
    modes = (known[each.subnet_id].ipv6_ra_mode for each in port.fixed)
    return wish.Leg(
        port_id=port.id,
        network_id=port.network_id,
        mac=port.mac_address,
        addresses=_addresses(port, known),
        ra_modes=tuple(mode for mode in modes if mode is not None),
    )


def _gateway(around: Around) -> wish.Gateway | None:
    port = around.gateway
    if port is None:
        return None
    families = {known.ip_version for each in port.fixed if (known := around.subnets.get(each.subnet_id))}
    hops = [each.gateway_ip for each in around.outside if each.gateway_ip and each.ip_version in families]
    return wish.Gateway(
        port_id=port.id,
        network_id=port.network_id,
        mac=port.mac_address,
        addresses=_addresses(port, around.subnets),
        nexthops=tuple(hops),
        snat=around.router.enable_snat,
    )


def _addresses(port: Port, known: Mapping[UUID, Subnet]) -> tuple[str, ...]:
    return tuple(with_prefix(each.address, known[each.subnet_id].cidr) for each in port.fixed)
