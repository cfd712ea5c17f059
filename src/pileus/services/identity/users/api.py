"""/v3/users: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Body, Here, Query
from pileus.services.identity.http import api, divided, given, listed, member, require, sought
from pileus.services.identity.projects.service import DEFAULT
from pileus.services.identity.users import service
from pileus.services.identity.users.service import User, shown

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
Secret = Annotated[str, Meta(max_length=4096)]


class CreateUser(msgspec.Struct):
    name: Name
    domain_id: str | None = None
    default_project_id: str | None = None
    enabled: bool = True
    password: Secret | None = None


class ChangeUser(msgspec.Struct):
    name: Name | UnsetType = UNSET
    domain_id: str | UnsetType = UNSET
    default_project_id: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    password: Secret | UnsetType | None = UNSET


class NewPassword(Body, frozen=True):
    original_password: Secret
    password: Secret


def target(user: User) -> dict[str, Any]:
    return {"target.user.id": user.id, "target.user.domain_id": user.domain_id}


@api.get("/v3/users", rule="identity:list_users")
async def list_users(ctx: Ctx, query: Query, here: Here) -> Answer:
    own = ctx.caller.domain_id
    require(ctx, {"target.domain_id": own})
    return listed(here, "users", shown, await service.page(ctx, query, domain_id=own))


@api.get("/v3/users/{user_id}", rule="identity:get_user", wrap="user")
async def show_user(ctx: Ctx, user_id: str, here: Here) -> dict[str, Any]:
    return member(here, "users", shown(await sought(ctx, service.get(ctx, user_id), target)))


@api.post("/v3/users", rule="identity:create_user", wrap="user", status=201, atomic=False)
async def create_user(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    sent, extra = divided(body, CreateUser, "user")
    domain_id = sent.domain_id or ctx.caller.domain_id or ctx.caller.project_domain_id or DEFAULT
    require(ctx, {"target.user.domain_id": domain_id})
    facts = {"enabled": sent.enabled, "default_project_id": sent.default_project_id, "extra": extra}
    made = await service.create(ctx, sent.name, domain_id, password=sent.password, facts=facts)
    return member(here, "users", shown(made))


@api.patch("/v3/users/{user_id}", rule="identity:update_user", wrap="user", atomic=False)
async def change_user(ctx: Ctx, user_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    before = await sought(ctx, service.get(ctx, user_id), target)
    sent, extra = divided(body, ChangeUser, "user")
    wanted = given(sent)
    password = wanted.pop("password", None)
    if extra:
        wanted["extra"] = {**before.extra, **extra}
    return member(here, "users", shown(await service.change(ctx, user_id, wanted, password=password)))


@api.delete("/v3/users/{user_id}", rule="identity:delete_user", status=204)
async def delete_user(ctx: Ctx, user_id: str) -> None:
    await sought(ctx, service.get(ctx, user_id), target)
    await service.delete(ctx, user_id)


@api.post("/v3/users/{user_id}/password", anonymous=True, wrap_body="user", status=204, atomic=False)
async def change_own_password(ctx: Ctx, user_id: str, body: NewPassword) -> None:
    await service.change_own_password(ctx, user_id, original=body.original_password, password=body.password)
