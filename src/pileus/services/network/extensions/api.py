"""/v2.0/extensions, and what else is told of the whole of Networking."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.http import Here, Query
from pileus.services.network import zones
from pileus.services.network.extensions import service
from pileus.services.network.http import api, only

UPDATED = "2026-01-01T00:00:00-00:00"
RESOURCES = {
    "network": "networks",
    "subnet": "subnets",
    "port": "ports",
    "router": "routers",
    "floatingip": "floatingips",
    "security_group": "security-groups",
    "quota": "quotas",
}


def shown(alias: str, name: str) -> dict[str, Any]:
    return {"alias": alias, "name": name, "description": name, "updated": UPDATED, "links": []}


@api.get("/v2.0", anonymous=True)
async def show_version(ctx: Ctx, here: Here) -> dict[str, Any]:
    """What there is to be asked for."""
    resources = [
        {"name": name, "collection": several, "links": [{"rel": "self", "href": here.url(f"/v2.0/{several}")}]}
        for name, several in RESOURCES.items()
    ]
    return {"resources": resources}


@api.get("/v2.0/extensions", rule="regular_user")
async def list_extensions(ctx: Ctx, query: Query) -> dict[str, Any]:
    return {"extensions": [only(query, shown(*each)) for each in service.list_().items()]}


@api.get("/v2.0/extensions/{extension}", rule="regular_user", wrap="extension")
async def show_extension(ctx: Ctx, extension: str) -> dict[str, Any]:
    return shown(extension, service.get(extension))


@api.get("/v2.0/availability_zones", rule="get_availability_zone")
async def list_zones(ctx: Ctx, query: Query) -> dict[str, Any]:
    """One overlay is one zone, of networks as of routers."""
    found = [{"name": zones.DEFAULT, "resource": kind, "state": "available"} for kind in ("network", "router")]
    asked = {name: query[name] for name in ("name", "resource", "state") if name in query}
    kept = [each for each in found if all(each[name] in values for name, values in asked.items())]
    return {"availability_zones": [only(query, each) for each in kept]}


@api.get("/v2.0/service-providers", rule="get_service_provider")
async def list_service_providers(ctx: Ctx, query: Query) -> dict[str, Any]:
    """Who does what is none of the core's."""
    found = [{"service_type": "L3_ROUTER_NAT", "name": "ovn", "default": True}]
    return {"service_providers": [only(query, each) for each in found]}
