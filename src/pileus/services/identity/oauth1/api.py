"""/v3/OS-OAUTH1, and the access tokens of a user: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http import Answer, Body, Here, Query
from pileus.services.identity.faults import expecting
from pileus.services.identity.http import api, collection, divided, given, listed, member, require
from pileus.services.identity.oauth1 import methods, service
from pileus.services.identity.oauth1.rules import FORM
from pileus.services.identity.oauth1.service import AccessToken, Consumer, Issued, Message
from pileus.services.identity.roles.service import Role

__all__ = ["methods"]

CONSUMERS = "OS-OAUTH1/consumers"
Description = Annotated[str, Meta(max_length=255)]
RoleName = Annotated[str, Meta(min_length=1, max_length=255)]


class CreateConsumer(msgspec.Struct):
    description: Description | None = None


class ChangeConsumer(msgspec.Struct):
    description: Description | UnsetType | None = UNSET


class RoleRef(Body, frozen=True):
    """By id or by name."""

    id: RoleName | UnsetType = UNSET
    name: RoleName | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.id is UNSET) == (self.name is UNSET):
            raise ValueError("A role is named by `id` or by `name`")


class Authorize(Body, frozen=True):
    roles: list[RoleRef]


# Consumers


def shown(consumer: Consumer) -> dict[str, Any]:
    return {**consumer.extra, "id": consumer.id, "description": consumer.description}


@api.get("/v3/OS-OAUTH1/consumers", rule="identity:list_consumers")
async def list_consumers(ctx: Ctx, query: Query, here: Here) -> Answer:
    require(ctx, {})
    return listed(here, CONSUMERS, shown, await service.consumers_page(ctx, query))


@api.get("/v3/OS-OAUTH1/consumers/{consumer_id}", rule="identity:get_consumer", wrap="consumer")
async def show_consumer(ctx: Ctx, consumer_id: str, here: Here) -> dict[str, Any]:
    require(ctx, {})
    return member(here, CONSUMERS, shown(await service.consumer(ctx, consumer_id)))


@api.post("/v3/OS-OAUTH1/consumers", rule="identity:create_consumer", wrap="consumer", status=201)
async def create_consumer(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    """The only time that the secret is told."""
    require(ctx, {})
    sent, extra = divided(body, CreateConsumer, "consumer")
    refuse_secret(extra)
    made, secret = await service.create_consumer(ctx, sent.description, extra)
    return member(here, CONSUMERS, {**shown(made), "secret": secret})


@api.patch("/v3/OS-OAUTH1/consumers/{consumer_id}", rule="identity:update_consumer", wrap="consumer")
async def change_consumer(ctx: Ctx, consumer_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, {})
    before = await service.consumer(ctx, consumer_id)
    if body.get("id", consumer_id) != consumer_id:
        raise BadRequest("Cannot change consumer ID")
    sent, extra = divided(body, ChangeConsumer, "consumer")
    refuse_secret(extra)
    wanted = given(sent)
    if extra:
        wanted["extra"] = {**before.extra, **extra}
    if not wanted:
        raise BadRequest("Invalid input for consumer: nothing to change was said.")
    return member(here, CONSUMERS, shown(await service.change_consumer(ctx, consumer_id, wanted)))


def refuse_secret(extra: dict[str, Any]) -> None:
    if "secret" in extra:
        raise BadRequest("Invalid input for consumer.secret: it is made by Identity, and for good.")


@api.delete("/v3/OS-OAUTH1/consumers/{consumer_id}", rule="identity:delete_consumer", status=204)
async def delete_consumer(ctx: Ctx, consumer_id: str) -> None:
    require(ctx, {})
    await service.delete_consumer(ctx, consumer_id)


# The way to an access token


def message(request: Request, here: Here, body: bytes) -> Message:
    """What of a request a signature covers. Raises BadRequest."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        form = body.decode() if kind == FORM else ""
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    return Message(here.url(here.path), request.headers.get("authorization", ""), request.url.query, form)


def issued(token: Issued) -> Answer:
    told = {"oauth_token": token.id, "oauth_token_secret": token.secret}
    if token.expires_at is not None:
        told["oauth_expires_at"] = iso(token.expires_at, microseconds=True)
    return Answer(urlencode(told, safe=":"), media_type=FORM)


@api.post("/v3/OS-OAUTH1/request_token", anonymous=True, status=201, media=("*/*",))
async def create_request_token(ctx: Ctx, request: Request, here: Here, body: bytes = b"") -> Answer:
    project_id = request.headers.get("requested-project-id")
    if not project_id:
        raise expecting("Requested-Project-Id", "request")
    return issued(await service.create_request_token(ctx, message(request, here, body), project_id))


@api.put("/v3/OS-OAUTH1/authorize/{request_token_id}", rule="identity:authorize_request_token")
async def authorize(ctx: Ctx, request_token_id: str, body: Authorize) -> dict[str, Any]:
    require(ctx, {})
    wanted = [given(each) for each in body.roles]
    return {"token": {"oauth_verifier": await service.authorize(ctx, request_token_id, wanted)}}


@api.post("/v3/OS-OAUTH1/access_token", anonymous=True, status=201, media=("*/*",))
async def create_access_token(ctx: Ctx, request: Request, here: Here, body: bytes = b"") -> Answer:
    return issued(await service.create_access_token(ctx, message(request, here, body)))


# Access tokens of a user

TOKENS = "/v3/users/{user_id}/OS-OAUTH1/access_tokens"


def of(user_id: str) -> str:
    return f"users/{user_id}/OS-OAUTH1/access_tokens"


def shown_token(token: AccessToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "consumer_id": token.consumer_id,
        "authorizing_user_id": token.user_id,
        "project_id": token.project_id,
        "expires_at": None if token.expires_at is None else iso(token.expires_at, microseconds=True),
    }


def with_roles(document: dict[str, Any]) -> dict[str, Any]:
    """With a link to its roles."""
    return {**document, "links": {**document["links"], "roles": f"{document['links']['self']}/roles"}}


def shown_role(role: Role) -> dict[str, Any]:
    return {**role.extra, "id": role.id, "name": role.name, "domain_id": role.domain_id, "options": role.options}


@api.get(TOKENS, rule="identity:list_access_tokens")
async def list_access_tokens(ctx: Ctx, user_id: str, query: Query, here: Here) -> Answer:
    require(ctx, {})
    answer = listed(here, of(user_id), shown_token, await service.access_page(ctx, query, user_id))
    answer.body["access_tokens"] = [with_roles(each) for each in answer.body["access_tokens"]]
    return answer


@api.get(TOKENS + "/{access_token_id}", rule="identity:get_access_token", wrap="access_token")
async def show_access_token(ctx: Ctx, user_id: str, access_token_id: str, here: Here) -> dict[str, Any]:
    require(ctx, {})
    found = await service.access_token(ctx, user_id, access_token_id)
    return with_roles(member(here, of(user_id), shown_token(found)))


@api.delete(TOKENS + "/{access_token_id}", rule="identity:delete_access_token", status=204)
async def delete_access_token(ctx: Ctx, user_id: str, access_token_id: str) -> None:
    require(ctx, {})
    await service.delete_access_token(ctx, user_id, access_token_id)


@api.get(TOKENS + "/{access_token_id}/roles", rule="identity:list_access_token_roles")
async def list_roles(ctx: Ctx, user_id: str, access_token_id: str, here: Here) -> dict[str, Any]:
    require(ctx, {})
    found = await service.access_roles(ctx, user_id, access_token_id)
    return collection(here, "roles", map(shown_role, found))


@api.get(TOKENS + "/{access_token_id}/roles/{role_id}", rule="identity:get_access_token_role", wrap="role")
async def show_role(ctx: Ctx, user_id: str, access_token_id: str, role_id: str, here: Here) -> dict[str, Any]:
    require(ctx, {})
    for role in await service.access_roles(ctx, user_id, access_token_id):
        if role.id == role_id:
            return member(here, "roles", shown_role(role))
    raise NotFound(f"Could not find role: {role_id}.")
