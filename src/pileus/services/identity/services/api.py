"""/v3/services: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Here, Query
from pileus.services.identity.http import api, by_id, changes, divided, given, listed, member, require
from pileus.services.identity.services import service
from pileus.services.identity.services.service import CatalogService

Word = Annotated[str, Meta(min_length=1, max_length=255)]


class CreateService(msgspec.Struct):
    type: Word
    name: Word | None = None  # what openstackclient sends where none was said
    enabled: bool = True


class ChangeService(msgspec.Struct):
    type: Word | UnsetType = UNSET
    name: Word | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


def shown(offered: CatalogService) -> dict[str, Any]:
    return {
        **offered.extra,
        "id": offered.id,
        "type": offered.type,
        "name": offered.name,
        "enabled": offered.enabled,
    }


@api.get("/v3/services", rule="identity:list_services")
async def list_services(ctx: Ctx, query: Query, here: Here) -> Answer:
    require(ctx, {})
    return listed(here, "services", shown, await service.page(ctx, query))


@api.get("/v3/services/{service_id}", rule="identity:get_service", wrap="service")
async def show_service(ctx: Ctx, service_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(service=service_id))
    return member(here, "services", shown(await service.get(ctx, service_id)))


@api.post("/v3/services", rule="identity:create_service", wrap="service", status=201)
async def create_service(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, {})
    sent, extra = divided(body, CreateService, "service")
    made = await service.create(ctx, sent.type, sent.name or "", enabled=sent.enabled, extra=extra)
    return member(here, "services", shown(made))


@api.patch("/v3/services/{service_id}", rule="identity:update_service", wrap="service")
async def change_service(ctx: Ctx, service_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, by_id(service=service_id))
    sent, extra = changes(body, ChangeService, "service", service_id)
    return member(here, "services", shown(await service.change(ctx, service_id, given(sent), extra)))


@api.delete("/v3/services/{service_id}", rule="identity:delete_service", status=204)
async def delete_service(ctx: Ctx, service_id: str) -> None:
    require(ctx, by_id(service=service_id))
    await service.delete(ctx, service_id)
