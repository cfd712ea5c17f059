"""/v3/endpoints: what the API shows."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.http import Here, Query
from pileus.services.identity.endpoints import service
from pileus.services.identity.endpoints.service import Endpoint
from pileus.services.identity.http import api, cloud, collection, filters, member, require, sought


def shown(endpoint: Endpoint, here: Here) -> dict[str, Any]:
    return {
        **endpoint.extra,
        "id": endpoint.id,
        "interface": endpoint.interface,
        "region": endpoint.region_id,
        "region_id": endpoint.region_id,
        "service_id": endpoint.service_id,
        "url": service.shown_url(endpoint, cloud(here)),
        "enabled": endpoint.enabled,
    }


@api.get("/v3/endpoints", rule="identity:list_endpoints")
async def list_endpoints(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    require(ctx, {})
    found = await service.list_(ctx, filters(query, ("interface", "service_id", "region_id")))
    return collection(here, "endpoints", [shown(each, here) for each in found])


@api.get("/v3/endpoints/{endpoint_id}", rule="identity:get_endpoint", wrap="endpoint")
async def show_endpoint(ctx: Ctx, endpoint_id: str, here: Here) -> dict[str, Any]:
    found = await sought(ctx, service.get(ctx, endpoint_id), lambda endpoint: {"target.endpoint.id": endpoint.id})
    return member(here, "endpoints", shown(found, here))
