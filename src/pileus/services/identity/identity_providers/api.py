"""/v3/OS-FEDERATION/identity_providers, and their protocols: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Body, Here, Query
from pileus.services.identity.http import api, chosen_id, given, listed, member, require
from pileus.services.identity.identity_providers import service
from pileus.services.identity.identity_providers.service import IdentityProvider, Protocol

PATH = "OS-FEDERATION/identity_providers"

RemoteId = Annotated[str, Meta(max_length=255)]
Minutes = Annotated[int, Meta(ge=0)]
MappingId = Annotated[str, Meta(min_length=1, max_length=64)]


class CreateProvider(Body, frozen=True):
    domain_id: str | None = None
    enabled: bool = False
    description: str | None = None
    authorization_ttl: Minutes | None = None
    remote_ids: list[RemoteId] | None = None


class ChangeProvider(Body, frozen=True):
    enabled: bool | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    authorization_ttl: Minutes | UnsetType | None = UNSET
    remote_ids: list[RemoteId] | UnsetType | None = UNSET


class CreateProtocol(Body, frozen=True):
    mapping_id: MappingId
    remote_id_attribute: RemoteId | None = None


class ChangeProtocol(Body, frozen=True):
    mapping_id: MappingId
    remote_id_attribute: RemoteId | UnsetType = UNSET


def shown(provider: IdentityProvider) -> dict[str, Any]:
    return {**said(provider.row, "authorization_ttl"), "remote_ids": provider.remote_ids}


def said(row: msgspec.Struct, name: str) -> dict[str, Any]:
    """The row, without the field of that name if it is not set: the published schema has no null there."""
    return {field: value for field, value in msgspec.structs.asdict(row).items() if field != name or value is not None}


def linked(document: dict[str, Any], **more: str) -> dict[str, Any]:
    """With further links beside the one to itself."""
    return {**document, "links": {**document["links"], **more}}


def with_protocols(document: dict[str, Any]) -> dict[str, Any]:
    return linked(document, protocols=f"{document['links']['self']}/protocols")


def whole(here: Here, provider: IdentityProvider) -> dict[str, Any]:
    return with_protocols(member(here, PATH, shown(provider)))


@api.get("/v3/OS-FEDERATION/identity_providers", rule="identity:list_identity_providers")
async def list_providers(ctx: Ctx, query: Query, here: Here) -> Answer:
    require(ctx, {})
    answer = listed(here, PATH, shown, await service.page(ctx, query))
    answer.body["identity_providers"] = [with_protocols(each) for each in answer.body["identity_providers"]]
    return answer


ONE = "/v3/OS-FEDERATION/identity_providers/{idp_id}"


@api.get(ONE, rule="identity:get_identity_provider", wrap="identity_provider")
async def show_provider(ctx: Ctx, idp_id: str, here: Here) -> dict[str, Any]:
    require(ctx, {})
    return whole(here, await service.get(ctx, idp_id))


@api.put(ONE, rule="identity:create_identity_provider", wrap="identity_provider", status=201)
async def create_provider(ctx: Ctx, idp_id: str, body: CreateProvider, here: Here) -> dict[str, Any]:
    require(ctx, {})
    facts = msgspec.structs.asdict(body)
    return whole(here, await service.create(ctx, chosen_id(idp_id), facts.pop("domain_id"), facts))


@api.patch(ONE, rule="identity:update_identity_provider", wrap="identity_provider")
async def change_provider(ctx: Ctx, idp_id: str, body: ChangeProvider, here: Here) -> dict[str, Any]:
    require(ctx, {})
    wanted = given(body)
    if not wanted:
        raise BadRequest("Invalid input for identity_provider: nothing to change was said.")
    return whole(here, await service.change(ctx, idp_id, wanted))


@api.delete(ONE, rule="identity:delete_identity_provider", status=204)
async def delete_provider(ctx: Ctx, idp_id: str) -> None:
    require(ctx, {})
    await service.delete(ctx, idp_id)


# Protocols


def shown_protocol(protocol: Protocol) -> dict[str, Any]:
    return {"id": protocol.id, "mapping_id": protocol.mapping_id}


def whole_protocol(protocol: Protocol) -> dict[str, Any]:
    return said(protocol, "remote_id_attribute")


def one_protocol(here: Here, protocol: Protocol) -> dict[str, Any]:
    provider = f"{PATH}/{protocol.idp_id}"
    document = member(here, f"{provider}/protocols", shown_protocol(protocol))
    return linked(document, identity_provider=here.url(f"/v3/{provider}"))


@api.get("/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols", rule="identity:list_protocols")
async def list_protocols(ctx: Ctx, idp_id: str, query: Query, here: Here) -> Answer:
    """Here, and only here, Keystone tells of a protocol all that there is to tell."""
    require(ctx, {})
    found = await service.protocols(ctx, query, idp_id)
    answer = listed(here, f"{PATH}/{idp_id}/protocols", whole_protocol, found, "protocols")
    provider = here.url(f"/v3/{PATH}/{idp_id}")
    answer.body["protocols"] = [linked(each, identity_provider=provider) for each in answer.body["protocols"]]
    return answer


PROTOCOL = ONE + "/protocols/{protocol_id}"


@api.get(PROTOCOL, rule="identity:get_protocol", wrap="protocol")
async def show_protocol(ctx: Ctx, idp_id: str, protocol_id: str, here: Here) -> dict[str, Any]:
    require(ctx, {})
    return one_protocol(here, await service.protocol(ctx, idp_id, protocol_id))


@api.put(PROTOCOL, rule="identity:create_protocol", wrap="protocol", status=201)
async def create_protocol(ctx: Ctx, idp_id: str, protocol_id: str, body: CreateProtocol, here: Here) -> dict[str, Any]:
    require(ctx, {})
    wanted = Protocol(chosen_id(protocol_id), idp_id, body.mapping_id, body.remote_id_attribute)
    return one_protocol(here, await service.create_protocol(ctx, wanted))


@api.patch(PROTOCOL, rule="identity:update_protocol", wrap="protocol")
async def change_protocol(ctx: Ctx, idp_id: str, protocol_id: str, body: ChangeProtocol, here: Here) -> dict[str, Any]:
    require(ctx, {})
    return one_protocol(here, await service.change_protocol(ctx, idp_id, protocol_id, given(body)))


@api.delete(PROTOCOL, rule="identity:delete_protocol", status=204)
async def delete_protocol(ctx: Ctx, idp_id: str, protocol_id: str) -> None:
    require(ctx, {})
    await service.delete_protocol(ctx, idp_id, protocol_id)
