"""/v3/regions: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Here, Query
from pileus.services.identity.http import api, by_id, changes, divided, given, listed, member, require
from pileus.services.identity.regions import service
from pileus.services.identity.regions.service import Region

Id = Annotated[str, Meta(min_length=1, max_length=255)]
Description = Annotated[str, Meta(max_length=255)]


class CreateRegion(msgspec.Struct):
    id: Annotated[str, Meta(max_length=255)] | None = None
    description: Description | None = None
    parent_region_id: Id | None = None


class ChangeRegion(msgspec.Struct):
    description: Description | UnsetType | None = UNSET
    parent_region_id: Id | UnsetType | None = UNSET


def shown(region: Region) -> dict[str, Any]:
    return {
        **region.extra,
        "id": region.id,
        "description": region.description,
        "parent_region_id": region.parent_region_id,
    }


@api.get("/v3/regions", rule="identity:list_regions")
async def list_regions(ctx: Ctx, query: Query, here: Here) -> Answer:
    require(ctx, {})
    return listed(here, "regions", shown, await service.page(ctx, query))


@api.get("/v3/regions/{region_id}", rule="identity:get_region", wrap="region")
async def show_region(ctx: Ctx, region_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(region=region_id))
    return member(here, "regions", shown(await service.get(ctx, region_id)))


@api.post("/v3/regions", rule="identity:create_region", wrap="region", status=201)
async def create_region(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    return await create(ctx, body, here)


@api.put("/v3/regions/{region_id}", rule="identity:create_region", wrap="region", status=201)
async def create_region_of_id(ctx: Ctx, region_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    said = body.setdefault("id", region_id)
    if said != region_id:
        raise BadRequest(f'Conflicting region IDs specified: "{region_id}" != "{said}"')
    return await create(ctx, body, here)


async def create(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, {})
    sent, extra = divided(body, CreateRegion, "region")
    region = Region(sent.id or "", sent.description or "", sent.parent_region_id, extra)
    return member(here, "regions", shown(await service.create(ctx, region)))


@api.patch("/v3/regions/{region_id}", rule="identity:update_region", wrap="region")
async def change_region(ctx: Ctx, region_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, by_id(region=region_id))
    sent, extra = changes(body, ChangeRegion, "region", region_id)
    wanted = given(sent)
    if "description" in wanted:
        wanted["description"] = wanted["description"] or ""
    return member(here, "regions", shown(await service.change(ctx, region_id, wanted, extra)))


@api.delete("/v3/regions/{region_id}", rule="identity:delete_region", status=204)
async def delete_region(ctx: Ctx, region_id: str) -> None:
    require(ctx, by_id(region=region_id))
    await service.delete(ctx, region_id)
