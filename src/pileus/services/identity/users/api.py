"""/v3/users: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Body, Here, Query
from pileus.services.identity.http import api, changes, divided, given, listed, member, require, sought
from pileus.services.identity.projects.service import DEFAULT
from pileus.services.identity.users import service
from pileus.services.identity.users.service import Identifier, User, shown

Id = Annotated[str, Meta(max_length=64)]
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
Secret = Annotated[str, Meta(max_length=4096)]
Method = Literal["password", "token", "totp", "application_credential", "oauth1", "mapped", "external"]
Rule = Annotated[list[Method], Meta(min_length=1)]
Flag = bool | UnsetType | None


class Options(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    ignore_change_password_upon_first_use: Flag = UNSET
    ignore_password_expiry: Flag = UNSET
    ignore_lockout_failure_attempts: Flag = UNSET
    ignore_user_inactivity: Flag = UNSET
    lock_password: Flag = UNSET
    multi_factor_auth_enabled: Flag = UNSET
    multi_factor_auth_rules: list[Rule] | UnsetType | None = UNSET


class Protocol(msgspec.Struct):
    protocol_id: Id
    unique_id: Name


class Provider(msgspec.Struct):
    idp_id: Id
    protocols: Annotated[list[Protocol], Meta(min_length=1, max_length=16)]


Federated = Annotated[list[Provider], Meta(max_length=16)]


class CreateUser(msgspec.Struct):
    name: Name
    domain_id: Id | None = None
    default_project_id: Id | None = None
    description: str | UnsetType | None = UNSET
    enabled: bool = True
    federated: Federated = []
    options: Options = msgspec.field(default_factory=Options)
    password: Secret | None = None
    password_expires_at: Any = UNSET  # shown, and so sent back by some; it follows from the password


class ChangeUser(msgspec.Struct):
    name: Name | UnsetType = UNSET
    domain_id: Id | UnsetType = UNSET
    default_project_id: Id | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    federated: Federated | UnsetType = UNSET
    options: Options | UnsetType = UNSET
    password: Secret | UnsetType | None = UNSET
    password_expires_at: Any = UNSET


class NewPassword(Body, frozen=True):
    original_password: Secret
    password: Secret


def target(user: User) -> dict[str, Any]:
    return {"target.user.id": user.id, "target.user.domain_id": user.domain_id}


def facts(sent: CreateUser | ChangeUser, extra: dict[str, Any]) -> dict[str, Any]:
    """What was sent, as the service calls it. A description is kept with the rest that callers add."""
    found = given(sent)
    found.pop("password_expires_at", None)
    if "description" in found:
        extra = {**extra, "description": found.pop("description")}
    if "options" in found:
        found["options"] = msgspec.to_builtins(found["options"])
    if federated := found.pop("federated", []):
        every = (Identifier(p.idp_id, each.protocol_id, each.unique_id) for p in federated for each in p.protocols)
        found["identifiers"] = list(dict.fromkeys(every))
    return {**found, "extra": extra} if extra else found


async def whole(ctx: Ctx, user: User, here: Here) -> dict[str, Any]:
    """The user as it is shown alone: with what identity providers call it."""
    providers: dict[str, list[dict[str, str]]] = {}
    for one in await service.identifiers(ctx, user.id):
        known = {"protocol_id": one.protocol_id, "unique_id": one.unique_id}
        providers.setdefault(one.idp_id, []).append(known)
    federated = [{"idp_id": idp_id, "protocols": protocols} for idp_id, protocols in providers.items()]
    return member(here, "users", {**shown(user), **({"federated": federated} if federated else {})})


@api.get("/v3/users", rule="identity:list_users")
async def list_users(ctx: Ctx, query: Query, here: Here) -> Answer:
    own = ctx.caller.domain_id
    require(ctx, {"target.domain_id": own})
    return listed(here, "users", shown, await service.page(ctx, query, domain_id=own))


@api.get("/v3/users/{user_id}", rule="identity:get_user", wrap="user")
async def show_user(ctx: Ctx, user_id: str, here: Here) -> dict[str, Any]:
    return await whole(ctx, await sought(ctx, service.get(ctx, user_id), target), here)


@api.post("/v3/users", rule="identity:create_user", wrap="user", status=201, atomic=False)
async def create_user(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    sent, extra = divided(body, CreateUser, "user")
    require(ctx, {"target.user.domain_id": sent.domain_id})  # as it was said: who has one domain only must say it
    domain_id = sent.domain_id or ctx.caller.domain_id or DEFAULT
    made = await service.create(ctx, sent.name, domain_id, password=sent.password, facts=facts(sent, extra))
    return await whole(ctx, made, here)


@api.patch("/v3/users/{user_id}", rule="identity:update_user", wrap="user", atomic=False)
async def change_user(ctx: Ctx, user_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    await sought(ctx, service.get(ctx, user_id), target)
    sent, extra = changes(body, ChangeUser, "user", user_id)
    return await whole(ctx, await service.change(ctx, user_id, facts(sent, extra)), here)


@api.delete("/v3/users/{user_id}", rule="identity:delete_user", status=204)
async def delete_user(ctx: Ctx, user_id: str) -> None:
    await sought(ctx, service.get(ctx, user_id), target)
    await service.delete(ctx, user_id)


@api.post("/v3/users/{user_id}/password", anonymous=True, wrap_body="user", status=204, atomic=False)
async def change_own_password(ctx: Ctx, user_id: str, body: NewPassword) -> None:
    await service.change_own_password(ctx, user_id, original=body.original_password, password=body.password)
