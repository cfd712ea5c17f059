"""/os-keypairs/{keypair_name}: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Body, Here, Query
from pileus.services.compute.http import api, asked, check_printable, limit, long_stamp, next_link
from pileus.services.compute.keypairs import service
from pileus.services.compute.keypairs.service import Keypair

LIST = "/v2.1/os-keypairs"
ONE = "/v2.1/os-keypairs/{keypair_name}"
RULES = "os_compute_api:os-keypairs"

OldName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\A[_\- a-zA-Z0-9]+\Z")]
KeyName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\A[_\-@. a-zA-Z0-9]+\Z")]
Kind = Literal["ssh", "x509"]


class FirstKeypair(Body, frozen=True):
    name: OldName
    public_key: str | None = None


class TypedKeypair(FirstKeypair, frozen=True):
    """From 2.2 on."""

    type: Kind = "ssh"


class OthersKeypair(TypedKeypair, frozen=True):
    """From 2.10 on, when administrators may make them for others."""

    user_id: str | None = None


class ImportedKeypair(Body, frozen=True):
    """From 2.92 on, when keys are made by who will have them."""

    name: KeyName
    public_key: str
    type: Kind = "ssh"
    user_id: str | None = None


def brief(ctx: Ctx, keypair: Keypair) -> dict[str, Any]:
    """What is shown of it everywhere."""
    typed = {"type": keypair.type} if ctx.at("2.2") else {}
    return {
        "name": keypair.name,
        "public_key": keypair.public_key,
        "fingerprint": keypair.fingerprint,
        **typed,
    }


def shown(ctx: Ctx, keypair: Keypair) -> dict[str, Any]:
    never = {"deleted": False, "deleted_at": None, "updated_at": None}
    made = {"id": keypair.id, "user_id": keypair.user_id, "created_at": long_stamp(keypair.made_at)}
    return {**brief(ctx, keypair), **made, **never}


def whose(ctx: Ctx, user_id: str | None) -> str:
    """The user who is meant: another one only from 2.10 on. Raises Forbidden."""
    meant = (user_id if ctx.at("2.10") else None) or ctx.caller.user_id
    ctx.require({"user_id": meant})
    return meant


async def created(ctx: Ctx, body: FirstKeypair | ImportedKeypair) -> Answer:
    user_id = whose(ctx, getattr(body, "user_id", None))
    name, kind = check_printable("name", body.name), getattr(body, "type", "ssh")
    private = None
    if body.public_key is not None:
        keypair = await service.create(ctx, user_id, name, kind, body.public_key)
    else:
        keypair, private = await service.generate(ctx, user_id, name, kind)
    document = {**brief(ctx, keypair), "user_id": user_id}
    if private is not None:
        document["private_key"] = private
    return Answer({"keypair": document}, 201 if ctx.at("2.2") else 200)


@api.post(LIST, rule=f"{RULES}:create", wrap="keypair", until="2.1", atomic=False)
async def create_first_keypair(ctx: Ctx, body: FirstKeypair) -> Answer:
    return await created(ctx, body)


@api.post(LIST, rule=f"{RULES}:create", wrap="keypair", since="2.2", until="2.9", atomic=False)
async def create_typed_keypair(ctx: Ctx, body: TypedKeypair) -> Answer:
    return await created(ctx, body)


@api.post(LIST, rule=f"{RULES}:create", wrap="keypair", since="2.10", until="2.91", atomic=False)
async def create_others_keypair(ctx: Ctx, body: OthersKeypair) -> Answer:
    return await created(ctx, body)


@api.post(LIST, rule=f"{RULES}:create", wrap="keypair", since="2.92")
async def import_keypair(ctx: Ctx, body: ImportedKeypair) -> Answer:
    return await created(ctx, body)


@api.get(LIST, rule=f"{RULES}:index")
async def list_keypairs(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    given = asked(ctx, query, ("limit", "marker", "user_id"))
    user_id = whose(ctx, given.get("user_id"))
    page = (limit(given), given.get("marker")) if ctx.at("2.35") else (None, None)
    found, at = await service.page(ctx, user_id, limit=page[0], marker=page[1])
    on = next_link(here, "keypairs", at) if ctx.at("2.35") else {}
    return {"keypairs": [{"keypair": brief(ctx, keypair)} for keypair in found], **on}


@api.get(ONE, rule=f"{RULES}:show", wrap="keypair")
async def show_keypair(ctx: Ctx, keypair_name: str, query: Query) -> dict[str, Any]:
    given = asked(ctx, query, ("user_id",))
    return shown(ctx, await service.get(ctx, keypair_name, whose(ctx, given.get("user_id"))))


@api.delete(ONE, rule=f"{RULES}:delete", until="2.1", status=202)
async def delete_first_keypair(ctx: Ctx, keypair_name: str) -> None:
    await service.delete(ctx, whose(ctx, None), keypair_name)


@api.delete(ONE, rule=f"{RULES}:delete", since="2.2", status=204)
async def delete_keypair(ctx: Ctx, keypair_name: str, query: Query) -> None:
    given = asked(ctx, query, ("user_id",))
    await service.delete(ctx, whose(ctx, given.get("user_id")), keypair_name)
