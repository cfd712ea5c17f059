"""Identity providers and their protocols: what the API may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.http import Query
from pileus.services.identity.identity_providers import store
from pileus.services.identity.identity_providers.store import Protocol, Row
from pileus.services.identity.lists import Found
from pileus.services.identity.mappings import service as mappings
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision

__all__ = [
    "IdentityProvider",
    "Protocol",
    "change",
    "change_protocol",
    "create",
    "create_protocol",
    "delete",
    "delete_protocol",
    "get",
    "page",
    "protocol",
    "protocols",
]

PROVIDER = "identity.identity_provider"
PROTOCOL = "identity.federation_protocol"


class IdentityProvider(msgspec.Struct, frozen=True):
    """Who may say who somebody is, and what it is known by."""

    row: Row
    remote_ids: list[str]


async def get(ctx: Ctx, idp_id: str) -> IdentityProvider:
    """The identity provider of that id. Raises NotFound."""
    async with ctx.read() as ctx:
        row = await store.get(ctx, idp_id)
        if row is None:
            raise NotFound(f"Could not find Identity Provider: {idp_id}.")
        return IdentityProvider(row, (await store.names(ctx, [idp_id])).get(idp_id, []))


async def page(ctx: Ctx, query: Query) -> Found[IdentityProvider]:
    """The identity providers that the query string asks for. Raises BadRequest."""
    async with ctx.read() as ctx:
        found = await store.page(ctx, query)
        names = await store.names(ctx, [row.id for row in found.items])
    return Found([IdentityProvider(row, names.get(row.id, [])) for row in found.items], found.page)


async def create(ctx: Ctx, idp_id: str, domain_id: str | None, facts: Mapping[str, Any]) -> IdentityProvider:
    """An identity provider; without a domain for its users it gets one of its own.

    `facts`: enabled, description, authorization_ttl, remote_ids. Raises NotFound, Conflict.
    """
    async with revision.change(ctx) as ctx:
        if await store.get(ctx, idp_id) is not None:
            raise Conflict(f"Conflict occurred attempting to store identity_provider - Duplicate entry: {idp_id}.")
        if domain_id is None:
            domain_id = await _domain(ctx, idp_id)
        await projects.get(ctx, domain_id, domain=True)
        row = Row(
            idp_id, domain_id, facts.get("enabled", False), facts.get("description"), facts.get("authorization_ttl")
        )
        await store.add(ctx, row)
        names = await _set_names(ctx, idp_id, facts.get("remote_ids") or [])
        await changed(ctx, PROVIDER, "created", idp_id, project_id=None)
    return IdentityProvider(row, names)


async def _domain(ctx: Ctx, idp_id: str) -> str:
    """A new domain, named by its id."""
    new, facts = (
        ctx.world.ids.hex(),
        {"description": f"Auto generated federated domain for Identity Provider: {idp_id}"},
    )
    return (await projects.create(ctx, new, project_id=new, parent_id=None, domain_id=None, facts=facts)).id


async def _set_names(ctx: Ctx, idp_id: str, remote_ids: list[str]) -> list[str]:
    wanted = sorted(set(remote_ids))
    if taken := await store.taken(ctx, wanted, by_others_than=idp_id):
        raise Conflict(f"Conflict occurred attempting to store identity_provider - Duplicate remote ID: {taken}.")
    await store.set_names(ctx, idp_id, wanted)
    return wanted


async def change(ctx: Ctx, idp_id: str, wanted: Mapping[str, Any]) -> IdentityProvider:
    """Write these: enabled, description, authorization_ttl, remote_ids. Raises NotFound, Conflict."""
    async with revision.change(ctx) as ctx:
        before = await get(ctx, idp_id)
        row = msgspec.structs.replace(before.row, **{k: v for k, v in wanted.items() if k != "remote_ids"})
        await store.change(ctx, row)
        names = before.remote_ids
        if "remote_ids" in wanted:
            names = await _set_names(ctx, idp_id, wanted["remote_ids"] or [])
        await changed(ctx, PROVIDER, "updated", idp_id, project_id=None)
    return IdentityProvider(row, names)


async def delete(ctx: Ctx, idp_id: str) -> None:
    """With its protocols; the domain of its users stays. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        await get(ctx, idp_id)
        await store.delete(ctx, idp_id)
        await changed(ctx, PROVIDER, "deleted", idp_id, project_id=None)


# Protocols


async def protocol(ctx: Ctx, idp_id: str, protocol_id: str) -> Protocol:
    """The protocol of that id of that identity provider. Raises NotFound."""
    found = await store.protocol(ctx, idp_id, protocol_id)
    if found is None:
        raise NotFound(f"Could not find federated protocol {protocol_id} for Identity Provider: {idp_id}.")
    return found


async def protocols(ctx: Ctx, query: Query, idp_id: str) -> Found[Protocol]:
    """Those of that identity provider. Raises BadRequest."""
    return await store.protocols_of(ctx, query, idp_id)


async def create_protocol(ctx: Ctx, wanted: Protocol) -> Protocol:
    """Raises NotFound, BadRequest, Conflict."""
    async with revision.change(ctx) as ctx:
        await _check_mapping(ctx, wanted)
        await get(ctx, wanted.idp_id)
        if await store.protocol(ctx, wanted.idp_id, wanted.id) is not None:
            raise Conflict(
                "Conflict occurred attempting to store federation_protocol - Duplicate entry found with ID "
                f"{wanted.id}."
            )
        await store.add_protocol(ctx, wanted)
        await changed(ctx, PROTOCOL, "created", wanted.id, project_id=None, facts={"idp_id": wanted.idp_id})
    return wanted


async def _check_mapping(ctx: Ctx, wanted: Protocol) -> None:
    if await mappings.find(ctx, wanted.mapping_id) is None:
        raise BadRequest(f"Invalid mapping id: {wanted.mapping_id}")


async def change_protocol(ctx: Ctx, idp_id: str, protocol_id: str, wanted: Mapping[str, Any]) -> Protocol:
    """Write these: mapping_id, remote_id_attribute. Raises NotFound, BadRequest."""
    async with revision.change(ctx) as ctx:
        after = msgspec.structs.replace(await protocol(ctx, idp_id, protocol_id), **wanted)
        await _check_mapping(ctx, after)
        await store.change_protocol(ctx, after)
        await changed(ctx, PROTOCOL, "updated", protocol_id, project_id=None, facts={"idp_id": idp_id})
    return after


async def delete_protocol(ctx: Ctx, idp_id: str, protocol_id: str) -> None:
    """Raises NotFound."""
    async with revision.change(ctx) as ctx:
        await protocol(ctx, idp_id, protocol_id)
        await store.delete_protocol(ctx, idp_id, protocol_id)
        await changed(ctx, PROTOCOL, "deleted", protocol_id, project_id=None, facts={"idp_id": idp_id})
