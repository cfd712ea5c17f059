"""Routers: what the API and the nouns above may ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.kernel.http import Query
from pileus.kernel.quota import UNLIMITED, Excess, claim, limits
from pileus.services.identity.projects import service as projects
from pileus.services.network import http
from pileus.services.network.grounds import owned_by
from pileus.services.network.lists import Found
from pileus.services.network.networks import service as networks
from pileus.services.network.networks.service import Network
from pileus.services.network.ports import service as ports
from pileus.services.network.ports.service import Port
from pileus.services.network.quotas import ROUTERS, counted, fault
from pileus.services.network.routers import rules, standing, store
from pileus.services.network.routers.found import KIND, get, held, hold, missing, touch, visible, want
from pileus.services.network.routers.gateways import WayOut, lead_out
from pileus.services.network.routers.legs import (
    Interface,
    add_by_port,
    add_by_subnet,
    remove_by_port,
    remove_by_subnet,
)
from pileus.services.network.routers.rules import Route, read_routes
from pileus.services.network.routers.sagas import GATEWAY, LEG, Around, look_around
from pileus.services.network.routers.standing import Standing
from pileus.services.network.routers.store import Router, count_of
from pileus.services.network.subnets import service as subnets
from pileus.services.network.subnets.service import Subnet
from pileus.services.network.tags import service as tags
from pileus.services.network.tags.service import Taggable

__all__ = [
    "GATEWAY",
    "KIND",
    "LEG",
    "TAGGED",
    "Around",
    "Interface",
    "New",
    "Route",
    "Router",
    "Standing",
    "WayOut",
    "Whole",
    "add_by_port",
    "add_by_subnet",
    "add_routes",
    "by_ids",
    "change",
    "check_named",
    "count_of",
    "create",
    "delete",
    "delete_of",
    "every_project",
    "get",
    "hold",
    "look_around",
    "missing",
    "names_of",
    "page",
    "read_routes",
    "remove_by_port",
    "remove_by_subnet",
    "remove_routes",
    "show",
    "standing",
    "visible",
    "want",
    "whole",
]

by_ids = store.by_ids
every_project = store.every_project
names_of = store.names_of


class New(msgspec.Struct, frozen=True):
    """A router that is asked for. `named`: the attributes that the caller named, each of which may have a rule."""

    router: Router
    way: WayOut | None = None
    named: frozenset[str] = frozenset()


class Whole(msgspec.Struct, frozen=True):
    """A router with all that is shown of it."""

    router: Router
    gateway: Port | None
    tags: set[str]


async def whole(ctx: Ctx, several: Sequence[Router]) -> list[Whole]:
    """These routers with all that is shown of them."""
    async with ctx.read() as ctx:
        words = await tags.of(ctx, [router.id for router in several])
        gateways = await ports.by_ids(ctx, {router.gw_port_id for router in several if router.gw_port_id})
    return [
        Whole(each, gateways.get(each.gw_port_id) if each.gw_port_id else None, words.get(each.id, set()))
        for each in several
    ]


async def show(ctx: Ctx, router_id: UUID) -> Whole:
    """Raises NotFound."""
    async with ctx.read() as ctx:
        return (await whole(ctx, [await get(ctx, router_id)]))[0]


async def page(ctx: Ctx, query: Query) -> Found[Whole]:
    """Those that the caller may see and the query string asks for. Raises BadRequest."""
    async with ctx.read() as ctx:
        found = await store.page(ctx, query, visible(ctx))
        return Found(await whole(ctx, found.items), found.page, found.limited)


def check_named(ctx: Ctx, several: Sequence[New]) -> None:
    """Raises Forbidden for who may not say this of a new router."""
    for new in several:
        http.require(ctx, "create_router", owned_by(new.router.project_id), new.named)


async def create(ctx: Ctx, several: Sequence[New]) -> list[Whole]:
    """All of them, or none. Raises NotFound, BadRequest, Forbidden, Conflict, OverQuota."""
    check_named(ctx, several)
    async with ctx.transaction() as ctx:
        for project_id in sorted({new.router.project_id for new in several}):
            mine = [new for new in several if new.router.project_id == project_id]
            await projects.hold(ctx, project_id)
            await claim(ctx, ROUTERS, project_id, wanted=len(mine), used=count_of)
        await subnets.hold_of(ctx, {new.way.network_id for new in several if new.way is not None})
        return await whole(ctx, [await _add(ctx, new) for new in several])


async def _add(ctx: Ctx, new: New) -> Router:
    router = replace(new.router, created_at=ctx.now(), updated_at=ctx.now(), revision=1)
    await store.add(ctx, router)
    if new.way is not None:
        columns = await lead_out(ctx, await look_around(ctx, router), new.way)
        await store.change(ctx, router.id, **columns)
    await want(ctx, router.id)
    await changed(ctx, KIND, "created", router.id, project_id=router.project_id)
    return await get(ctx, router.id)


async def change(
    ctx: Ctx,
    router_id: UUID,
    columns: Mapping[str, Any],
    *,
    way: WayOut | UnsetType | None = UNSET,
    routes: Sequence[Route] | UnsetType = UNSET,
    named: Collection[str] = (),
) -> Whole:
    """Columns, the way out, and routes; what is not said stays. Raises NotFound, BadRequest, Forbidden, Conflict."""
    async with ctx.transaction() as ctx:
        around = await held(ctx, router_id)
        http.require(ctx, "update_router", owned_by(around.router.project_id), named)
        changes = dict(columns)
        if not isinstance(routes, UnsetType):
            changes |= await _with_routes(ctx, around, routes)
            around = replace(around, router=replace(around.router, routes=changes["routes"]))
        if not isinstance(way, UnsetType):
            changes |= await lead_out(ctx, around, way)
        await touch(ctx, around.router, **changes)
        return await show(ctx, router_id)


async def _with_routes(ctx: Ctx, around: Around, routes: Sequence[Route]) -> dict[str, Any]:
    """The columns. Raises BadRequest for one that leads nowhere, OverQuota."""
    its = [*around.legs, *([around.gateway] if around.gateway else [])]
    fixed = [each for port in its for each in port.fixed]
    rules.check_routes(
        routes, [around.subnets[each.subnet_id].cidr for each in fixed], [each.address for each in fixed]
    )
    limit = (await limits(ctx, "network", ["router_route"], around.router.project_id))["router_route"]
    if limit != UNLIMITED and len(routes) > limit:
        raise fault([Excess("router_route", limit, 0, len(routes))])
    return {"routes": [[route.destination, route.nexthop] for route in routes]}


async def add_routes(ctx: Ctx, router_id: UUID, routes: Sequence[Route]) -> Whole:
    """These, too; those that are there already are no error. Raises as `change`."""
    return await _reroute(ctx, router_id, lambda now: rules.added(now, routes))


async def remove_routes(ctx: Ctx, router_id: UUID, routes: Sequence[Route]) -> Whole:
    """Not these any more; those that are not there are no error. Raises as `change`."""
    return await _reroute(ctx, router_id, lambda now: rules.removed(now, routes))


async def _reroute(ctx: Ctx, router_id: UUID, of: Any) -> Whole:
    async with ctx.transaction() as ctx:
        around = await held(ctx, router_id)
        await touch(ctx, around.router, **await _with_routes(ctx, around, of(around.router.hops)))
        return await show(ctx, router_id)


async def delete(ctx: Ctx, router_id: UUID) -> None:
    """With its gateway. Raises NotFound, Forbidden; Conflict while it has legs, or floating IPs."""
    async with ctx.transaction() as ctx:
        around = await held(ctx, router_id)
        if around.legs:
            named = ", ".join(str(leg.id) for leg in around.legs[:10])
            raise Conflict(f"Router {router_id} has ports still attached: {named}", type="RouterInUse")
        await _remove(ctx, around)


async def _remove(ctx: Ctx, around: Around) -> None:
    router = around.router
    await lead_out(ctx, around, None)
    await tags.forget(ctx, [router.id])
    await store.change(ctx, router.id, deleted=True, gw_port_id=None)
    await want(ctx, router.id)
    await changed(ctx, KIND, "deleted", router.id, project_id=router.project_id)


async def delete_of(ctx: Ctx, project_ids: Sequence[str]) -> int:
    """Begin to delete those of these projects on which nothing stands, with their legs. Returns how many."""
    gone = 0
    for router_id in await store.ids_of(ctx, project_ids):
        await hold(ctx, router_id)
        router = await store.find(ctx, router_id)
        if router is None:
            continue
        around = await look_around(ctx, router)
        if not around.standing:
            await ports.remove(ctx, sorted(around.legs, key=lambda leg: leg.id))
            await _remove(ctx, replace(around, legs=[]))
            gone += 1
    return gone


async def target(ctx: Ctx, router_id: UUID) -> dict[str, Any]:
    """What rules about its tags are asked of. Raises NotFound."""
    return {"project_id": (await get(ctx, router_id)).project_id}


async def bump(ctx: Ctx, router_id: UUID) -> None:
    await store.change(ctx, router_id)


TAGGED = Taggable("routers", "router", target, bump)


# What networks and subnets may no longer do when routers use them


@networks.changing
async def keep_outside(ctx: Ctx, before: Network, after: Network) -> None:
    """Raises Conflict when a gateway would be in a network that is not external any more."""
    if before.external and not after.external and await ports.of_owners(ctx, [before.id], [GATEWAY]):
        raise Conflict(
            f"External network {before.id} cannot be updated to be made non-external, since it has existing gateway "
            "ports.",
            type="ExternalNetworkInUse",
        )


@subnets.changing
async def keep_gateway(ctx: Ctx, before: Subnet, after: Subnet) -> None:
    """Raises Conflict when a router is the gateway; routers that lead out there hear of another."""
    if before.gateway_ip == after.gateway_ip:
        return
    for port in await ports.of_owners(ctx, [before.network_id], [LEG, GATEWAY]):
        if port.device_owner == GATEWAY:
            await want(ctx, UUID(port.device_id))
        elif any(each.subnet_id == before.id and each.address == before.gateway_ip for each in port.fixed):
            raise Conflict(
                f"Current gateway ip {before.gateway_ip} already in use by port {port.id}. Unable to update.",
                type="GatewayIpInUse",
            )


counted(ROUTERS, count_of)
