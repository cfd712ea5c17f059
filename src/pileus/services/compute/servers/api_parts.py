"""What is below a server: its metadata, tags, addresses, groups, numbers and topology."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http import Answer, Body, Here, Query
from pileus.services.compute.http import api, asked
from pileus.services.compute.metadata import checked_metadata, item
from pileus.services.compute.servers import actions, service, views
from pileus.services.compute.servers.bodies import Tag

METADATA = "/v2.1/servers/{server_id}/metadata"
TAGS = "/v2.1/servers/{server_id}/tags"
META = "os_compute_api:server-metadata"
TAG = "os_compute_api:os-server-tags"
IPS = "os_compute_api:ips"


class Metadata(Body, frozen=True):
    metadata: dict[str, str]


class Meta1(Body, frozen=True):
    meta: dict[str, str]


class Tags(Body, frozen=True):
    tags: Annotated[list[Tag], Meta(max_length=50)]


# metadata


@api.get(METADATA, rule=f"{META}:index")
async def list_metadata(ctx: Ctx, server_id: UUID, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    return {"metadata": (await service.get(ctx, server_id)).metadata}


@api.post(METADATA, rule=f"{META}:create")
async def add_metadata(ctx: Ctx, server_id: UUID, body: Metadata) -> dict[str, Any]:
    server = await service.get(ctx, server_id)
    wanted = {**server.metadata, **checked_metadata(body.metadata)}
    return {"metadata": await actions.set_metadata(ctx, server, wanted, action="update_server_metadata")}


@api.put(METADATA, rule=f"{META}:update_all")
async def replace_metadata(ctx: Ctx, server_id: UUID, body: Metadata) -> dict[str, Any]:
    server = await service.get(ctx, server_id)
    wanted = checked_metadata(body.metadata)
    return {"metadata": await actions.set_metadata(ctx, server, wanted, action="update_server_metadata")}


@api.get(f"{METADATA}/{{key}}", rule=f"{META}:show")
async def show_meta(ctx: Ctx, server_id: UUID, key: str, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    return {"meta": {key: item((await service.get(ctx, server_id)).metadata, key)}}


@api.put(f"{METADATA}/{{key}}", rule=f"{META}:update")
async def set_meta(ctx: Ctx, server_id: UUID, key: str, body: Meta1) -> dict[str, Any]:
    server = await service.get(ctx, server_id)
    if set(body.meta) != {key}:
        raise BadRequest("Request body and URI mismatch")
    wanted = {**server.metadata, **checked_metadata(body.meta)}
    await actions.set_metadata(ctx, server, wanted, action="update_server_metadata")
    return {"meta": body.meta}


@api.delete(f"{METADATA}/{{key}}", rule=f"{META}:delete", status=204)
async def delete_meta(ctx: Ctx, server_id: UUID, key: str) -> None:
    server = await service.get(ctx, server_id)
    item(server.metadata, key)
    wanted = {name: value for name, value in server.metadata.items() if name != key}
    await actions.set_metadata(ctx, server, wanted, action="delete_server_metadata")


# tags


@api.get(TAGS, rule=f"{TAG}:index", since="2.26")
async def list_tags(ctx: Ctx, server_id: UUID) -> dict[str, Any]:
    return {"tags": await service.tags_of(ctx, await service.get(ctx, server_id))}


@api.put(TAGS, rule=f"{TAG}:update_all", since="2.26")
async def replace_tags(ctx: Ctx, server_id: UUID, body: Tags) -> dict[str, Any]:
    server = await service.get(ctx, server_id)
    return {"tags": await actions.set_tags(ctx, server, dict.fromkeys(body.tags))}


@api.delete(TAGS, rule=f"{TAG}:delete_all", since="2.26", status=204)
async def delete_tags(ctx: Ctx, server_id: UUID) -> None:
    await actions.set_tags(ctx, await service.get(ctx, server_id), ())


@api.get(f"{TAGS}/{{tag}}", rule=f"{TAG}:show", since="2.26", status=204)
async def show_tag(ctx: Ctx, server_id: UUID, tag: str) -> None:
    if tag not in await service.tags_of(ctx, await service.get(ctx, server_id)):
        raise no_tag(server_id, tag)


@api.put(f"{TAGS}/{{tag}}", rule=f"{TAG}:update", since="2.26")
async def add_tag(ctx: Ctx, server_id: UUID, tag: str, here: Here) -> Answer:
    server = await service.get(ctx, server_id)
    if not 0 < len(tag) <= 60 or "," in tag or "/" in tag:
        raise BadRequest(f"Tag '{tag[:80]}' is invalid. It has 1 to 60 characters, no comma and no slash.")
    before = await service.tags_of(ctx, server)
    if tag in before:
        return Answer(status=204)
    if len(before) >= 50:
        raise BadRequest("The number of tags exceeded the per-server limit 50")
    await actions.set_tags(ctx, server, [*before, tag])
    return Answer(status=201, headers={"Location": here.url(here.path)})


@api.delete(f"{TAGS}/{{tag}}", rule=f"{TAG}:delete", since="2.26", status=204)
async def delete_tag(ctx: Ctx, server_id: UUID, tag: str) -> None:
    server = await service.get(ctx, server_id)
    before = await service.tags_of(ctx, server)
    if tag not in before:
        raise no_tag(server_id, tag)
    await actions.set_tags(ctx, server, [each for each in before if each != tag])


def no_tag(server_id: UUID, tag: str) -> NotFound:
    return NotFound(f"Server {server_id} has no tag '{tag}'")


# addresses


@api.get("/v2.1/servers/{server_id}/ips", rule=f"{IPS}:index")
async def list_addresses(ctx: Ctx, server_id: UUID, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    return {"addresses": await addresses(ctx, server_id)}


@api.get("/v2.1/servers/{server_id}/ips/{network_label}", rule=f"{IPS}:show")
async def list_addresses_of_network(ctx: Ctx, server_id: UUID, network_label: str, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    found = await addresses(ctx, server_id)
    if network_label not in found:
        raise NotFound("Instance is not a member of specified network")
    return {network_label: found[network_label]}


async def addresses(ctx: Ctx, server_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """The version and the address of each, by network."""
    ((nics, _),) = await service.beside(ctx, [await service.row(ctx, server_id)])
    found = views.addresses(nics)
    return {name: [{"version": a["version"], "addr": a["addr"]} for a in listed] for name, listed in found.items()}


# numbers, topology, password


@api.get("/v2.1/servers/{server_id}/diagnostics", rule="os_compute_api:os-server-diagnostics")
async def show_diagnostics(ctx: Ctx, server_id: UUID, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    server = await service.get(ctx, server_id)
    found = await actions.numbers(ctx, server)
    return views.diagnostics(server, found) if ctx.at("2.48") else dict(found)


@api.get("/v2.1/servers/{server_id}/topology", rule="compute:server:topology:index", since="2.78")
async def show_topology(ctx: Ctx, server_id: UUID, query: Query) -> dict[str, Any]:
    """Guests here have no NUMA nodes of their own: there is nothing to list."""
    asked(ctx, query, strict_from="2.102")
    await service.get(ctx, server_id)
    return {"nodes": [], "pagesize_kb": None}


@api.get("/v2.1/servers/{server_id}/os-server-password", rule="os_compute_api:os-server-password:show")
async def show_password(ctx: Ctx, server_id: UUID, query: Query) -> dict[str, Any]:
    """What a guest has told of its administrator's password, encrypted for its key: no guest has a way to tell it."""
    asked(ctx, query, strict_from="2.102")
    await service.get(ctx, server_id)
    return {"password": ""}


@api.delete("/v2.1/servers/{server_id}/os-server-password", rule="os_compute_api:os-server-password:clear", status=204)
async def clear_password(ctx: Ctx, server_id: UUID) -> None:
    await service.get(ctx, server_id)


@api.get("/v2.1/servers/{server_id}/os-security-groups", rule="os_compute_api:os-security-groups:list")
async def list_security_groups(ctx: Ctx, server_id: UUID, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    return {"security_groups": await actions.security_groups(ctx, await service.get(ctx, server_id))}
