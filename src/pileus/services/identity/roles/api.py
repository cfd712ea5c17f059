"""/v3/roles: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Here, Query
from pileus.services.identity.http import api, collection, divided, filters, given, member, require, sought
from pileus.services.identity.roles import service
from pileus.services.identity.roles.service import Role

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]


class CreateRole(msgspec.Struct):
    name: Name
    domain_id: str | None = None
    description: str | None = None


class ChangeRole(msgspec.Struct):
    name: Name | UnsetType = UNSET
    domain_id: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET


def shown(role: Role) -> dict[str, Any]:
    return {
        **role.extra,
        "id": role.id,
        "name": role.name,
        "domain_id": role.domain_id,
        "description": role.description,
        "options": role.options,
    }


def target(role: Role) -> dict[str, Any]:
    return {"target.role.id": role.id, "target.role.name": role.name, "target.role.domain_id": role.domain_id}


@api.get("/v3/roles", rule="identity:list_roles")
async def list_roles(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    require(ctx, {})
    found = await service.list_(ctx, {"domain_id": None, **filters(query, ("name", "domain_id"))})
    return collection(here, "roles", map(shown, found))


@api.get("/v3/roles/{role_id}", rule="identity:get_role", wrap="role")
async def show_role(ctx: Ctx, role_id: str, here: Here) -> dict[str, Any]:
    return member(here, "roles", shown(await sought(ctx, service.get(ctx, role_id), target)))


@api.post("/v3/roles", rule="identity:create_role", wrap="role", status=201)
async def create_role(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, {})
    sent, extra = divided(body, CreateRole, "role")
    facts = {"description": sent.description, "extra": extra}
    return member(here, "roles", shown(await service.create(ctx, sent.name, domain_id=sent.domain_id, facts=facts)))


@api.patch("/v3/roles/{role_id}", rule="identity:update_role", wrap="role")
async def change_role(ctx: Ctx, role_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    before = await sought(ctx, service.get(ctx, role_id), target)
    sent, extra = divided(body, ChangeRole, "role")
    wanted = given(sent)
    if extra:
        wanted["extra"] = {**before.extra, **extra}
    return member(here, "roles", shown(await service.change(ctx, role_id, wanted)))


@api.delete("/v3/roles/{role_id}", rule="identity:delete_role", status=204)
async def delete_role(ctx: Ctx, role_id: str) -> None:
    await sought(ctx, service.get(ctx, role_id), target)
    await service.delete(ctx, role_id)
