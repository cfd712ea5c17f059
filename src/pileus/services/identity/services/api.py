"""/v3/services: what the API shows."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.http import Here, Query
from pileus.services.identity.http import api, collection, filters, member, require, sought
from pileus.services.identity.services import service
from pileus.services.identity.services.service import CatalogService


def shown(offered: CatalogService) -> dict[str, Any]:
    document = {
        **offered.extra,
        "id": offered.id,
        "type": offered.type,
        "name": offered.name,
        "enabled": offered.enabled,
    }
    return document if offered.description is None else {**document, "description": offered.description}


@api.get("/v3/services", rule="identity:list_services")
async def list_services(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    require(ctx, {})
    return collection(here, "services", map(shown, await service.list_(ctx, filters(query, ("type", "name")))))


@api.get("/v3/services/{service_id}", rule="identity:get_service", wrap="service")
async def show_service(ctx: Ctx, service_id: str, here: Here) -> dict[str, Any]:
    found = await sought(ctx, service.get(ctx, service_id), lambda offered: {"target.service.id": offered.id})
    return member(here, "services", shown(found))
