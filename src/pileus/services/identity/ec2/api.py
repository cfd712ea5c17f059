"""/v3/users/{user_id}/credentials/OS-EC2, /v3/ec2tokens, /v3/s3tokens: what the API accepts and shows."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Here, Query, converted
from pileus.services.identity.credentials.service import Credential, read_ec2
from pileus.services.identity.ec2 import service
from pileus.services.identity.ec2.service import Signed
from pileus.services.identity.http import api, cloud, listed, member, require
from pileus.services.identity.tokens import service as tokens

KEYS = "/v3/users/{user_id}/credentials/OS-EC2"
AROUND = ("credentials", "credential", "ec2Credentials")


def shown(credential: Credential) -> dict[str, Any]:
    keys = read_ec2(credential.blob)
    return {
        "user_id": credential.user_id,
        "tenant_id": credential.project_id,
        "access": keys["access"],
        "secret": keys["secret"],
        "trust_id": keys.get("trust_id"),
    }


def of(user_id: str) -> dict[str, str]:
    """What a rule may ask of a credential of that user."""
    return {"target.credential.user_id": user_id}


def place(user_id: str) -> str:
    return f"users/{user_id}/credentials/OS-EC2"


@api.get(KEYS, rule="identity:ec2_list_credentials")
async def list_keys(ctx: Ctx, user_id: str, query: Query, here: Here) -> Answer:
    require(ctx, {"user_id": user_id})
    found = await service.page(ctx, query, user_id)
    return listed(here, place(user_id), shown, found, "credentials", by="access")


@api.post(KEYS, rule="identity:ec2_create_credential", wrap_body="", wrap="credential", status=201)
async def create_keys(ctx: Ctx, user_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, of(user_id))
    project_id = body.get("tenant_id")
    if not isinstance(project_id, str):
        raise BadRequest("Invalid input for tenant_id: the id of a project is expected.", field="tenant_id")
    return member(here, place(user_id), shown(await service.create(ctx, user_id, project_id)), by="access")


async def known(ctx: Ctx, access: str) -> Credential:
    """The keys, for who may see them. As Keystone has it, everybody is told of those that are not there: an access key is
    128 random bits, which nobody asks for who was not told them.
    """
    found = await service.get(ctx, access)
    require(ctx, of(found.user_id))
    return found


@api.get(KEYS + "/{credential_id}", rule="identity:ec2_get_credential", wrap="credential", late=True)
async def show_keys(ctx: Ctx, user_id: str, credential_id: str, here: Here) -> dict[str, Any]:
    found = await known(ctx, credential_id)
    return member(here, place(found.user_id), shown(found), by="access")


@api.delete(KEYS + "/{credential_id}", rule="identity:ec2_delete_credential", status=204, late=True)
async def delete_keys(ctx: Ctx, user_id: str, credential_id: str) -> None:
    await known(ctx, credential_id)
    await service.delete(ctx, credential_id)


def signed(body: dict[str, Any]) -> Signed:
    """The signed request that a service asks about. Raises BadRequest."""
    if not body:
        raise BadRequest("request must include a request body")
    around = next((name for name in AROUND if body.get(name)), AROUND[0])
    return converted(body.get(around, {}), Signed, around)


@api.post("/v3/ec2tokens", rule="identity:ec2tokens_validate")
async def token_for_ec2(ctx: Ctx, body: dict[str, Any], here: Here) -> Answer:
    require(ctx, {})
    text, valid = await service.by_signature(ctx, signed(body))
    document = await tokens.document(ctx, valid, cloud(here))
    return Answer({"token": document}, headers={"X-Subject-Token": text})


@api.post("/v3/s3tokens", rule="identity:s3tokens_validate")
async def token_for_s3(ctx: Ctx, body: dict[str, Any], here: Here) -> Answer:
    """The token itself is not told: who asks has only to know whose request it was."""
    require(ctx, {})
    _, valid = await service.by_s3(ctx, signed(body))
    return Answer({"token": await tokens.document(ctx, valid, cloud(here))})
