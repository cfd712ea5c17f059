"""/v3/OS-FEDERATION/service_providers: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Body, Here, Query
from pileus.services.identity.http import api, chosen_id, given, listed, member, require
from pileus.services.identity.service_providers import service
from pileus.services.identity.service_providers.service import ServiceProvider

PATH = "OS-FEDERATION/service_providers"
RELAY_STATE_PREFIX = "ss:mem:"

Url = Annotated[str, Meta(max_length=225, pattern=r"^[a-zA-Z0-9+.-]+:.+")]
Prefix = Annotated[str, Meta(max_length=255)]


class CreateProvider(Body, frozen=True):
    auth_url: Url
    sp_url: Url
    enabled: bool = False
    description: str | None = None
    relay_state_prefix: Prefix | None = None


class ChangeProvider(Body, frozen=True):
    auth_url: Url | UnsetType = UNSET
    sp_url: Url | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    relay_state_prefix: Prefix | UnsetType | None = UNSET


def shown(provider: ServiceProvider) -> dict[str, Any]:
    return msgspec.structs.asdict(provider)


@api.get("/v3/OS-FEDERATION/service_providers", rule="identity:list_service_providers")
async def list_providers(ctx: Ctx, query: Query, here: Here) -> Answer:
    require(ctx, {})
    return listed(here, PATH, shown, await service.page(ctx, query))


ONE = "/v3/OS-FEDERATION/service_providers/{service_provider_id}"


@api.get(ONE, rule="identity:get_service_provider", wrap="service_provider")
async def show_provider(ctx: Ctx, service_provider_id: str, here: Here) -> dict[str, Any]:
    require(ctx, {})
    return member(here, PATH, shown(await service.get(ctx, service_provider_id)))


@api.put(ONE, rule="identity:create_service_provider", wrap="service_provider", status=201)
async def create_provider(ctx: Ctx, service_provider_id: str, body: CreateProvider, here: Here) -> dict[str, Any]:
    require(ctx, {})
    facts = {**msgspec.structs.asdict(body), "relay_state_prefix": body.relay_state_prefix or RELAY_STATE_PREFIX}
    made = await service.create(ctx, ServiceProvider(chosen_id(service_provider_id), **facts))
    return member(here, PATH, shown(made))


@api.patch(ONE, rule="identity:update_service_provider", wrap="service_provider")
async def change_provider(ctx: Ctx, service_provider_id: str, body: ChangeProvider, here: Here) -> dict[str, Any]:
    require(ctx, {})
    wanted = given(body)
    if not wanted:
        raise BadRequest("Invalid input for service_provider: nothing to change was said.")
    if "relay_state_prefix" in wanted:
        wanted["relay_state_prefix"] = wanted["relay_state_prefix"] or RELAY_STATE_PREFIX
    return member(here, PATH, shown(await service.change(ctx, service_provider_id, wanted)))


@api.delete(ONE, rule="identity:delete_service_provider", status=204)
async def delete_provider(ctx: Ctx, service_provider_id: str) -> None:
    require(ctx, {})
    await service.delete(ctx, service_provider_id)
