"""/v3/regions: what the API shows."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.http import Here, Query
from pileus.services.identity.http import api, collection, filters, member
from pileus.services.identity.regions import service
from pileus.services.identity.regions.service import Region


def shown(region: Region) -> dict[str, Any]:
    return {
        **region.extra,
        "id": region.id,
        "description": region.description,
        "parent_region_id": region.parent_region_id,
    }


@api.get("/v3/regions", rule="identity:list_regions")
async def list_regions(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return collection(here, "regions", map(shown, await service.list_(ctx, filters(query, ("parent_region_id",)))))


@api.get("/v3/regions/{region_id}", rule="identity:get_region", wrap="region")
async def show_region(ctx: Ctx, region_id: str, here: Here) -> dict[str, Any]:
    return member(here, "regions", shown(await service.get(ctx, region_id)))
