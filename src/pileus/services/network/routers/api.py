"""/v2.0/routers: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, Here, Query
from pileus.services.network import zones
from pileus.services.network.addresses import read_address
from pileus.services.network.http import (
    api,
    ending,
    given,
    hidden,
    links,
    made,
    only,
    owned,
    project_of,
    sent,
    wanted,
)
from pileus.services.network.ports.service import Wish
from pileus.services.network.routers import service
from pileus.services.network.routers.rules import bad_router
from pileus.services.network.routers.service import Interface, New, Route, Router, WayOut, Whole

ALL, ONE = "/v2.0/routers", "/v2.0/routers/{router_id}"
MADE_BY_ADMINS = ("distributed", "ha")

Name = Annotated[str, Meta(max_length=255)]
Short = Annotated[str, Meta(max_length=64)]


class ExternalFixedIp(Body, frozen=True):
    subnet_id: UUID | None = None
    ip_address: Short | None = None


class GatewayInfo(Body, frozen=True):
    """With nothing in it, it is none."""

    network_id: UUID | UnsetType = UNSET
    enable_snat: bool | UnsetType = UNSET
    external_fixed_ips: Annotated[list[ExternalFixedIp], Meta(max_length=32)] | UnsetType = UNSET


class RouteBody(Body, frozen=True):
    destination: Short
    nexthop: Short


class NewRouter(Body, frozen=True):
    name: Name = ""
    description: Name = ""
    admin_state_up: bool = True
    external_gateway_info: GatewayInfo | UnsetType | None = UNSET
    distributed: bool | UnsetType | None = UNSET
    ha: bool | UnsetType | None = UNSET
    flavor_id: None = None
    availability_zone_hints: list[Name] | UnsetType = UNSET
    project_id: Name | UnsetType = UNSET
    tenant_id: Name | UnsetType = UNSET


class NewRouters(Body, frozen=True):
    router: NewRouter | UnsetType = UNSET
    routers: list[NewRouter] | UnsetType = UNSET


class Change(Body, frozen=True):
    name: Name | UnsetType = UNSET
    description: Name | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    external_gateway_info: GatewayInfo | UnsetType | None = UNSET
    routes: Annotated[list[RouteBody], Meta(max_length=1000)] | UnsetType | None = UNSET
    distributed: bool | UnsetType | None = UNSET
    ha: bool | UnsetType | None = UNSET


class Routes(Body, frozen=True):
    routes: Annotated[list[RouteBody], Meta(max_length=1000)]


class InterfaceBody(Body, frozen=True):
    subnet_id: str | UnsetType = UNSET
    port_id: str | UnsetType = UNSET


def way_of(info: GatewayInfo | UnsetType | None) -> WayOut | UnsetType | None:
    """The way out that a body asks for. Raises BadRequest."""
    if info is None or isinstance(info, UnsetType):
        return info
    if isinstance(info.network_id, UnsetType):
        if sent(info):
            raise BadRequest("Invalid input for external_gateway_info. Reason: it names no network_id.")
        return None
    fixed = () if isinstance(info.external_fixed_ips, UnsetType) else tuple(map(wish_of, info.external_fixed_ips))
    return WayOut(info.network_id, snat=info.enable_snat is not False, fixed=fixed)


def wish_of(body: ExternalFixedIp) -> Wish:
    address = None if body.ip_address is None else str(read_address(body.ip_address, "external_gateway_info"))
    if address is None and body.subnet_id is None:
        raise BadRequest("Invalid input for external_gateway_info. Reason: an entry names neither subnet nor address.")
    return Wish(body.subnet_id, address)


def named(body: NewRouter | Change) -> frozenset[str]:
    """The attributes that a body names, with those inside of the gateway."""
    inside = body.external_gateway_info
    parts = sent(inside) if isinstance(inside, GatewayInfo) else frozenset[str]()
    return sent(body) | {f"external_gateway_info:{name}" for name in parts}


def refuse_unmade(body: NewRouter | Change) -> None:
    """Raises BadRequest for what no router is here."""
    if body.distributed is True or body.ha is True:
        raise bad_router("routers are neither distributed nor doubled here: say distributed=False, ha=False")


def routes_of(body: list[RouteBody] | None) -> tuple[Route, ...]:
    return service.read_routes((each.destination, each.nexthop) for each in body or ())


def new_of(ctx: Ctx, body: NewRouter) -> New:
    """Raises BadRequest, NotFound."""
    hints = [] if isinstance(body.availability_zone_hints, UnsetType) else body.availability_zone_hints
    zones.check(hints)
    router = Router(
        id=ctx.world.ids.uuid(),
        project_id=project_of(ctx, body.project_id, body.tenant_id),
        name=body.name,
        description=body.description,
        admin_state_up=body.admin_state_up,
        zone_hints=hints,
    )
    way = way_of(body.external_gateway_info)
    return New(router, None if isinstance(way, UnsetType) else way, named(body))


def shown(ctx: Ctx, found: Whole) -> dict[str, Any]:
    """The router as the API shows it, with what the caller may see of it."""
    router = found.router
    document = {
        "id": router.id,
        "name": router.name,
        "admin_state_up": router.admin_state_up,
        "status": router.status,
        "external_gateway_info": gateway_info(found),
        "routes": [{"destination": hop.destination, "nexthop": hop.nexthop} for hop in router.hops],
        "distributed": False,
        "ha": False,
        "flavor_id": None,
        "availability_zone_hints": router.zone_hints,
        "availability_zones": [zones.DEFAULT],
        **ending(router, found.tags),
    }
    for name in hidden(ctx, "get_router", {"project_id": router.project_id}, MADE_BY_ADMINS):
        del document[name]
    return document


def gateway_info(found: Whole) -> dict[str, Any] | None:
    port = found.gateway
    if port is None:
        return None
    fixed = [{"subnet_id": each.subnet_id, "ip_address": each.address} for each in port.fixed]
    return {
        "network_id": port.network_id,
        "enable_snat": found.router.enable_snat,
        "external_fixed_ips": fixed,
    }


def shown_interface(found: Interface) -> dict[str, Any]:
    return {
        "id": found.router_id,
        "port_id": found.port.id,
        "network_id": found.port.network_id,
        "subnet_id": found.subnet_ids[-1],
        "subnet_ids": found.subnet_ids,
        **owned(found.port.project_id),
    }


@api.post(ALL, rule="create_router", status=201, lax=True)
async def create_routers(ctx: Ctx, body: NewRouters) -> dict[str, Any]:
    asked = wanted(body.router, body.routers, "router")
    new = [new_of(ctx, each) for each in asked]
    service.check_named(ctx, new)
    for each in asked:
        refuse_unmade(each)
    found = await service.create(ctx, new)
    return made(body.router, "router", "routers", [shown(ctx, each) for each in found])


@api.get(ALL, rule="get_router")
async def list_routers(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    found = await service.page(ctx, query)
    return {"routers": [only(query, shown(ctx, each)) for each in found.items], **links(here, "routers", found)}


@api.get(ONE, rule="get_router", wrap="router")
async def show_router(ctx: Ctx, router_id: UUID, query: Query) -> dict[str, Any]:
    return only(query, shown(ctx, await service.show(ctx, router_id)))


@api.put(ONE, rule="update_router", wrap="router", lax=True)
async def change_router(ctx: Ctx, router_id: UUID, body: Change) -> dict[str, Any]:
    columns = {name: value for name, value in given(body).items() if name in ("name", "description", "admin_state_up")}
    routes = UNSET if isinstance(body.routes, UnsetType) else routes_of(body.routes)
    way = way_of(body.external_gateway_info)
    found = await service.change(ctx, router_id, columns, way=way, routes=routes, named=named(body))
    return shown(ctx, found)


@api.delete(ONE, rule="delete_router", status=204)
async def delete_router(ctx: Ctx, router_id: UUID) -> None:
    await service.delete(ctx, router_id)


@api.put(f"{ONE}/add_extraroutes", rule="add_extraroutes", wrap="router")
async def add_routes(ctx: Ctx, router_id: UUID, body: Routes) -> dict[str, Any]:
    return shown(ctx, await service.add_routes(ctx, router_id, routes_of(body.routes)))


@api.put(f"{ONE}/remove_extraroutes", rule="remove_extraroutes", wrap="router")
async def remove_routes(ctx: Ctx, router_id: UUID, body: Routes) -> dict[str, Any]:
    return shown(ctx, await service.remove_routes(ctx, router_id, routes_of(body.routes)))


@api.put(f"{ONE}/add_router_interface", rule="add_router_interface")
async def add_interface(ctx: Ctx, router_id: UUID, body: InterfaceBody) -> dict[str, Any]:
    await service.get(ctx, router_id)
    port_id, subnet_id = id_of(body.port_id), id_of(body.subnet_id)
    if port_id is not None and subnet_id is not None:
        raise bad_router("Cannot specify both subnet-id and port-id")
    if port_id is not None:
        return shown_interface(await service.add_by_port(ctx, router_id, port_id))
    if subnet_id is None:
        raise bad_router("Either subnet_id or port_id must be specified")
    return shown_interface(await service.add_by_subnet(ctx, router_id, subnet_id))


@api.put(f"{ONE}/remove_router_interface", rule="remove_router_interface")
async def remove_interface(ctx: Ctx, router_id: UUID, body: InterfaceBody) -> dict[str, Any]:
    await service.get(ctx, router_id)
    port_id, subnet_id = id_of(body.port_id), id_of(body.subnet_id)
    if port_id is not None:
        return shown_interface(await service.remove_by_port(ctx, router_id, port_id, subnet_id))
    if subnet_id is None:
        raise bad_router("Either subnet_id or port_id must be specified")
    return shown_interface(await service.remove_by_subnet(ctx, router_id, subnet_id))


def id_of(text: str | UnsetType) -> UUID | None:
    """Raises BadRequest for what is no UUID."""
    if isinstance(text, UnsetType):
        return None
    try:
        return UUID(text)
    except ValueError:
        raise bad_router(f"'{text[:80]}' is not a valid UUID") from None
