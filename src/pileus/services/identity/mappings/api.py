"""/v3/OS-FEDERATION/mappings: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Here, Query, converted
from pileus.services.identity.http import api, chosen_id, listed, member, require
from pileus.services.identity.mappings import service
from pileus.services.identity.mappings.rules import OLDEST
from pileus.services.identity.mappings.service import Mapping

PATH = "OS-FEDERATION/mappings"


class Sent(msgspec.Struct, frozen=True):
    """Beside what is asked for here, what is sent is nothing to us."""

    rules: list[Any]
    schema_version: str | None = None


def shown(mapping: Mapping) -> dict[str, Any]:
    return msgspec.structs.asdict(mapping)


def read(mapping_id: str, body: dict[str, Any]) -> Mapping:
    """The mapping that a body says. Raises BadRequest."""
    sent = converted(body, Sent, "mapping")
    return Mapping(chosen_id(mapping_id), sent.rules, sent.schema_version or OLDEST)


@api.get("/v3/OS-FEDERATION/mappings", rule="identity:list_mappings")
async def list_mappings(ctx: Ctx, query: Query, here: Here) -> Answer:
    require(ctx, {})
    return listed(here, PATH, shown, await service.page(ctx, query))


@api.get("/v3/OS-FEDERATION/mappings/{mapping_id}", rule="identity:get_mapping", wrap="mapping")
async def show_mapping(ctx: Ctx, mapping_id: str, here: Here) -> dict[str, Any]:
    require(ctx, {})
    return member(here, PATH, shown(await service.get(ctx, mapping_id)))


@api.put("/v3/OS-FEDERATION/mappings/{mapping_id}", rule="identity:create_mapping", wrap="mapping", status=201)
async def create_mapping(ctx: Ctx, mapping_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, {})
    return member(here, PATH, shown(await service.create(ctx, read(mapping_id, body))))


@api.patch("/v3/OS-FEDERATION/mappings/{mapping_id}", rule="identity:update_mapping", wrap="mapping")
async def change_mapping(ctx: Ctx, mapping_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, {})
    return member(here, PATH, shown(await service.change(ctx, read(mapping_id, body))))


@api.delete("/v3/OS-FEDERATION/mappings/{mapping_id}", rule="identity:delete_mapping", status=204)
async def delete_mapping(ctx: Ctx, mapping_id: str) -> None:
    require(ctx, {})
    await service.delete(ctx, mapping_id)
