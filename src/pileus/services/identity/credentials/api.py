"""/v3/credentials: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Here, Query
from pileus.services.identity.credentials import service
from pileus.services.identity.credentials.service import Credential
from pileus.services.identity.http import api, divided, given, listed, member, require, sought

Blob = Annotated[str, Meta(max_length=65_535)]
Kind = Annotated[str, Meta(min_length=1, max_length=255)]
Id = Annotated[str, Meta(min_length=1, max_length=64)]


class CreateCredential(msgspec.Struct):
    blob: Blob
    type: Kind
    user_id: Id
    project_id: Id | None = None


class ChangeCredential(msgspec.Struct):
    blob: Blob | UnsetType = UNSET
    type: Kind | UnsetType = UNSET
    user_id: Id | UnsetType = UNSET
    project_id: Id | UnsetType | None = UNSET


def shown(credential: Credential) -> dict[str, Any]:
    return {
        **credential.extra,
        "id": credential.id,
        "user_id": credential.user_id,
        "project_id": credential.project_id,
        "type": credential.type,
        "blob": credential.blob,
    }


def of(user_id: str) -> dict[str, str]:
    """What a rule may ask of a credential of that user."""
    return {"target.credential.user_id": user_id}


def target(credential: Credential) -> dict[str, str]:
    return of(credential.user_id)


@api.get("/v3/credentials", rule="identity:list_credentials")
async def list_credentials(ctx: Ctx, query: Query, here: Here) -> Answer:
    """One's own; all of them for who may see anybody's."""
    own = ctx.caller.user_id
    require(ctx, of(own))
    of_all = ctx.world.policy.allows("identity:get_credential", ctx.caller, {})
    return listed(here, "credentials", shown, await service.page(ctx, query, user_id=None if of_all else own))


@api.get("/v3/credentials/{credential_id}", rule="identity:get_credential", wrap="credential")
async def show_credential(ctx: Ctx, credential_id: str, here: Here) -> dict[str, Any]:
    return member(here, "credentials", shown(await sought(ctx, service.get(ctx, credential_id), target)))


@api.post("/v3/credentials", rule="identity:create_credential", wrap="credential", status=201)
async def create_credential(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    sent, extra = divided(body, CreateCredential, "credential")
    require(ctx, of(sent.user_id))
    made = await service.create(ctx, sent.user_id, sent.project_id, sent.type, sent.blob, extra)
    return member(here, "credentials", shown(made))


@api.patch("/v3/credentials/{credential_id}", rule="identity:update_credential", wrap="credential")
async def change_credential(ctx: Ctx, credential_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    """Who may change it and who may have it: both are asked, so that nobody gives a secret of theirs to another."""
    before = await sought(ctx, service.get(ctx, credential_id), target)
    if body.get("id", credential_id) != credential_id:
        raise BadRequest("Cannot change ID")
    sent, extra = divided(body, ChangeCredential, "credential")
    wanted = given(sent)
    if extra:
        wanted["extra"] = {**before.extra, **extra}
    if not wanted:
        raise BadRequest("Invalid input for credential: nothing to change was said.")
    require(ctx, of(wanted.get("user_id", before.user_id)))
    return member(here, "credentials", shown(await service.change(ctx, credential_id, wanted)))


@api.delete("/v3/credentials/{credential_id}", rule="identity:delete_credential", status=204)
async def delete_credential(ctx: Ctx, credential_id: str) -> None:
    await sought(ctx, service.get(ctx, credential_id), target)
    await service.delete(ctx, credential_id)
