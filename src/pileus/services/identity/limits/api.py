"""/v3/limits: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Body, Here, Query
from pileus.services.identity.http import Target, api, given, listed, member, require, sought
from pileus.services.identity.limits import service
from pileus.services.identity.limits.service import Limit, Wanted

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Region = Annotated[str, Meta(min_length=1, max_length=255)]
Description = Annotated[str, Meta(max_length=255)]
Amount = Annotated[int, Meta(ge=-1, le=0x7FFFFFFF)]

MOST = 1000
"""Of one request."""


class CreateLimit(Body, frozen=True):
    service_id: str
    resource_name: Name
    resource_limit: Amount
    region_id: Region | None = None
    project_id: Id | None = None
    domain_id: Id | None = None
    description: Description | None = None


class ChangeLimit(Body, frozen=True):
    resource_limit: Amount | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET


def document(here: Here, limit: Limit) -> dict[str, Any]:
    return member(here, "limits", service.shown(limit))


async def found(ctx: Ctx, limit_id: str) -> Limit:
    """The limit, for who may do with it what the route does. Raises Forbidden, NotFound."""

    async def placed() -> tuple[Limit, str]:
        limit = await service.get(ctx, limit_id)
        return limit, await service.domain_of(ctx, limit)

    return (await sought(ctx, placed(), target))[0]


def target(placed: tuple[Limit, str]) -> Target:
    limit, domain_id = placed
    owner = "limit.domain.id" if limit.project_id is None else "limit.project.domain_id"
    return {
        "target.limit.id": limit.id,
        "target.limit.project_id": limit.project_id,
        "target.limit.domain_id": limit.domain_id,
        f"target.{owner}": domain_id,
    }


@api.get("/v3/limits", rule="identity:list_limits")
async def list_limits(ctx: Ctx, query: Query, here: Here) -> Answer:
    require(ctx, {})
    sees_all = "service" in ctx.caller.roles or ctx.world.policy.allows("identity:get_limit", ctx.caller, {})
    return listed(here, "limits", service.shown, await service.page(ctx, query, everybody=sees_all))


@api.post("/v3/limits", rule="identity:create_limits", wrap_body="limits", status=201)
async def create_limits(
    ctx: Ctx, body: Annotated[list[CreateLimit], Meta(min_length=1, max_length=MOST)], here: Here
) -> dict[str, Any]:
    require(ctx, {})
    if any((each.project_id is None) == (each.domain_id is None) for each in body):
        raise BadRequest("Invalid input for limits: a limit is of a project_id or of a domain_id, of one of them.")
    made = await service.create(ctx, [Wanted(**given(each)) for each in body])
    return {"limits": [document(here, each) for each in made]}


@api.get("/v3/limits/model", rule="identity:get_limit_model", wrap="model")
async def show_limit_model(ctx: Ctx) -> dict[str, Any]:
    require(ctx, {})
    name, description = service.model(ctx)
    return {"name": name, "description": description}


@api.get("/v3/limits/{limit_id}", rule="identity:get_limit", wrap="limit")
async def show_limit(ctx: Ctx, limit_id: str, here: Here) -> dict[str, Any]:
    return document(here, await found(ctx, limit_id))


@api.patch("/v3/limits/{limit_id}", rule="identity:update_limit", wrap="limit")
async def change_limit(ctx: Ctx, limit_id: str, body: ChangeLimit, here: Here) -> dict[str, Any]:
    await found(ctx, limit_id)
    return document(here, await service.change(ctx, limit_id, given(body)))


@api.delete("/v3/limits/{limit_id}", rule="identity:delete_limit", status=204)
async def delete_limit(ctx: Ctx, limit_id: str) -> None:
    await found(ctx, limit_id)
    await service.delete(ctx, limit_id)
