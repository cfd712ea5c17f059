"""/resource_providers/{provider_id}: what the API accepts and shows; nothing of how it is done.

The list is in `allocation_candidates`: what it may be narrowed by takes all that is known of providers.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Body, Here
from pileus.services.placement.http import PROVIDERS, api, dated, shown_provider
from pileus.services.placement.resource_providers import service

ONE = "/resource_providers/{provider_id}"

Name = Annotated[str, Meta(max_length=200)]


class CreateProvider(Body, frozen=True):
    name: Name
    uuid: UUID | UnsetType = UNSET


class CreateChild(CreateProvider, frozen=True):
    parent_provider_uuid: UUID | None = None


class RenameProvider(Body, frozen=True):
    name: Name


class ChangeProvider(RenameProvider, frozen=True):
    parent_provider_uuid: UUID | UnsetType | None = UNSET


async def created(ctx: Ctx, here: Here, body: CreateProvider, parent_id: UUID | None = None) -> Answer:
    provider_id = str(ctx.world.ids.uuid() if body.uuid is UNSET else body.uuid)
    made = await service.create(ctx, provider_id, body.name, str(parent_id) if parent_id else None)
    location = here.url(f"{PROVIDERS}/{made.id}")
    if ctx.at("1.20"):
        return dated(ctx, shown_provider(ctx, here, made), made.updated_at, status=200, location=location)
    return Answer(status=201, headers={"Location": location})


@api.post(PROVIDERS, rule="placement:resource_providers:create", until="1.13", status=201)
async def create_provider(ctx: Ctx, body: CreateProvider, here: Here) -> Answer:
    return await created(ctx, here, body)


@api.post(PROVIDERS, rule="placement:resource_providers:create", since="1.14")
async def create_child(ctx: Ctx, body: CreateChild, here: Here) -> Answer:
    return await created(ctx, here, body, body.parent_provider_uuid)


@api.get(ONE, rule="placement:resource_providers:show")
async def show_provider(ctx: Ctx, provider_id: UUID, here: Here) -> Answer:
    found = await service.get(ctx, str(provider_id))
    return dated(ctx, shown_provider(ctx, here, found), found.updated_at)


@api.put(ONE, rule="placement:resource_providers:update", until="1.13")
async def rename_provider(ctx: Ctx, provider_id: UUID, body: RenameProvider, here: Here) -> dict[str, Any]:
    return shown_provider(ctx, here, await service.change(ctx, str(provider_id), body.name))


@api.put(ONE, rule="placement:resource_providers:update", since="1.14")
async def change_provider(ctx: Ctx, provider_id: UUID, body: ChangeProvider, here: Here) -> Answer:
    parent_id = (
        str(body.parent_provider_uuid) if isinstance(body.parent_provider_uuid, UUID) else body.parent_provider_uuid
    )
    after = await service.change(ctx, str(provider_id), body.name, parent_id, may_move=ctx.at("1.37"))
    return dated(ctx, shown_provider(ctx, here, after), after.updated_at)


@api.delete(ONE, rule="placement:resource_providers:delete", status=204)
async def delete_provider(ctx: Ctx, provider_id: UUID) -> None:
    await service.delete(ctx, str(provider_id))
