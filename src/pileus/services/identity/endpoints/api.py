"""/v3/endpoints: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Here, Query
from pileus.services.identity.endpoints import service
from pileus.services.identity.endpoints.service import Endpoint
from pileus.services.identity.http import api, by_id, changes, cloud, divided, given, listed, member, require

Interface = Literal["public", "internal", "admin"]
Url = Annotated[str, Meta(max_length=225)]
Region = Annotated[str, Meta(min_length=1, max_length=255)]


class CreateEndpoint(msgspec.Struct):
    interface: Interface
    service_id: str
    url: Url
    region_id: Region | UnsetType | None = UNSET
    region: Region | UnsetType | None = UNSET
    enabled: bool = True


class ChangeEndpoint(msgspec.Struct):
    interface: Interface | UnsetType = UNSET
    service_id: str | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    region_id: Region | UnsetType | None = UNSET
    region: Region | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


def document(here: Here, endpoint: Endpoint) -> dict[str, Any]:
    return member(here, "endpoints", service.shown(endpoint, cloud(here)))


@api.get("/v3/endpoints", rule="identity:list_endpoints")
async def list_endpoints(ctx: Ctx, query: Query, here: Here) -> Answer:
    require(ctx, {})
    found = await service.page(ctx, query)
    return listed(here, "endpoints", lambda endpoint: service.shown(endpoint, cloud(here)), found)


@api.get("/v3/endpoints/{endpoint_id}", rule="identity:get_endpoint", wrap="endpoint")
async def show_endpoint(ctx: Ctx, endpoint_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(endpoint=endpoint_id))
    return document(here, await service.get(ctx, endpoint_id))


@api.post("/v3/endpoints", rule="identity:create_endpoint", wrap="endpoint", status=201)
async def create_endpoint(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, {})
    sent, extra = divided(body, CreateEndpoint, "endpoint")
    return document(here, await service.create(ctx, given(sent), extra))


@api.patch("/v3/endpoints/{endpoint_id}", rule="identity:update_endpoint", wrap="endpoint")
async def change_endpoint(ctx: Ctx, endpoint_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, by_id(endpoint=endpoint_id))
    sent, extra = changes(body, ChangeEndpoint, "endpoint", endpoint_id)
    return document(here, await service.change(ctx, endpoint_id, given(sent), extra))


@api.delete("/v3/endpoints/{endpoint_id}", rule="identity:delete_endpoint", status=204)
async def delete_endpoint(ctx: Ctx, endpoint_id: str) -> None:
    require(ctx, by_id(endpoint=endpoint_id))
    await service.delete(ctx, endpoint_id)
