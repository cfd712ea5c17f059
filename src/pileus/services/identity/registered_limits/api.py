"""/v3/registered_limits: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Body, Here, Query
from pileus.services.identity.http import api, by_id, given, listed, member, require
from pileus.services.identity.registered_limits import service
from pileus.services.identity.registered_limits.service import RegisteredLimit

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
Region = Annotated[str, Meta(min_length=1, max_length=255)]
Description = Annotated[str, Meta(max_length=255)]
Amount = Annotated[int, Meta(ge=-1, le=0x7FFFFFFF)]

MOST = 1000
"""Of one request."""

AT = "registered_limits"


class CreateRegisteredLimit(Body, frozen=True):
    service_id: str
    resource_name: Name
    default_limit: Amount
    region_id: Region | None = None
    description: Description | None = None


class ChangeRegisteredLimit(Body, frozen=True):
    service_id: str | UnsetType = UNSET
    region_id: Region | UnsetType | None = UNSET
    resource_name: Name | UnsetType = UNSET
    default_limit: Amount | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET


def document(here: Here, registered: RegisteredLimit) -> dict[str, Any]:
    return member(here, AT, msgspec.structs.asdict(registered))


@api.get("/v3/registered_limits", rule="identity:list_registered_limits")
async def list_registered_limits(ctx: Ctx, query: Query, here: Here) -> Answer:
    require(ctx, {})
    return listed(here, AT, msgspec.structs.asdict, await service.page(ctx, query))


@api.post("/v3/registered_limits", rule="identity:create_registered_limits", wrap_body=AT, status=201)
async def create_registered_limits(
    ctx: Ctx, body: Annotated[list[CreateRegisteredLimit], Meta(min_length=1, max_length=MOST)], here: Here
) -> dict[str, Any]:
    require(ctx, {})
    made = await service.create(ctx, [given(each) for each in body])
    return {AT: [document(here, each) for each in made]}


@api.get("/v3/registered_limits/{registered_limit_id}", rule="identity:get_registered_limit", wrap="registered_limit")
async def show_registered_limit(ctx: Ctx, registered_limit_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(registered_limit=registered_limit_id))
    return document(here, await service.get(ctx, registered_limit_id))


@api.patch(
    "/v3/registered_limits/{registered_limit_id}", rule="identity:update_registered_limit", wrap="registered_limit"
)
async def change_registered_limit(
    ctx: Ctx, registered_limit_id: str, body: ChangeRegisteredLimit, here: Here
) -> dict[str, Any]:
    require(ctx, by_id(registered_limit=registered_limit_id))
    return document(here, await service.change(ctx, registered_limit_id, given(body)))


@api.delete("/v3/registered_limits/{registered_limit_id}", rule="identity:delete_registered_limit", status=204)
async def delete_registered_limit(ctx: Ctx, registered_limit_id: str) -> None:
    require(ctx, by_id(registered_limit=registered_limit_id))
    await service.delete(ctx, registered_limit_id)
