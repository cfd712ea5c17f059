"""/v3/qos-specs"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, Here, Query
from pileus.kernel.http.plan import parse_uuid
from pileus.services.volume.http import Key, api, links, missing
from pileus.services.volume.lists import asked, document, last, truth
from pileus.services.volume.qos_specs import service
from pileus.services.volume.qos_specs.service import Qos
from pileus.services.volume.types import service as types

ONE = "/v3/qos-specs/{qos_id}"
RULES = "volume_extension:qos_specs_manage"
CONSUMERS = {"front-end", "back-end", "both"}

Specs = dict[Key, Annotated[str, Meta(max_length=255)]]


class Keys(Body, frozen=True):
    keys: list[Annotated[str, Meta(min_length=1, max_length=255)]]


def shown(qos: Qos, specs: dict[str, str]) -> dict[str, Any]:
    return {"id": qos.id, "name": qos.name, "consumer": qos.consumer, "specs": specs}


async def whole(ctx: Ctx, here: Here, qos: Qos) -> dict[str, Any]:
    specs = await service.SPECS.of(ctx, qos.id)
    return {"qos_specs": shown(qos, specs), "links": links(here, "qos-specs", qos.id)}


def consumer_of(specs: dict[str, str]) -> str | None:
    """Raises BadRequest for one that is none."""
    consumer = specs.pop("consumer", None)
    if consumer is not None and consumer not in CONSUMERS:
        raise BadRequest(f"Invalid qos specs: Valid consumer of QoS specs are: {sorted(CONSUMERS)}")
    return consumer


@api.get("/v3/qos-specs", rule=f"{RULES}:get_all")
async def list_qos(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    found = await service.page(ctx, asked(ctx, query, service.LISTED.names, lenient=True))
    specs = await service.SPECS.of_all(ctx, [each.id for each in found.items])
    return document(here, "qos_specs", found, lambda each: shown(each, specs[each.id]))


@api.post("/v3/qos-specs", rule=f"{RULES}:create", wrap_body="qos_specs")
async def create_qos(ctx: Ctx, body: Specs, here: Here) -> dict[str, Any]:
    specs = dict(body)
    name = specs.pop("name", "").strip()
    if not name:
        raise BadRequest("Invalid input for qos_specs: it has no name.")
    consumer = consumer_of(specs) or "back-end"
    return await whole(ctx, here, await service.create(ctx, name, consumer, specs))


@api.get(ONE, rule=f"{RULES}:get")
async def show_qos(ctx: Ctx, qos_id: UUID, here: Here) -> dict[str, Any]:
    return await whole(ctx, here, await service.get(ctx, qos_id))


@api.put(ONE, rule=f"{RULES}:update", wrap="qos_specs")
async def change_qos(ctx: Ctx, qos_id: UUID, body: Specs) -> dict[str, Any]:
    specs = dict(body)
    await service.change(ctx, qos_id, specs, consumer_of(specs))
    return body


@api.delete(ONE, rule=f"{RULES}:delete", status=202)
async def delete_qos(ctx: Ctx, qos_id: UUID, query: Query) -> None:
    await service.delete(ctx, qos_id, force=truth(query, "force"))


@api.put(f"{ONE}/delete_keys", rule=f"{RULES}:delete", status=202)
async def delete_qos_keys(ctx: Ctx, qos_id: UUID, body: Keys) -> None:
    await service.delete_keys(ctx, qos_id, body.keys)


@api.get(f"{ONE}/associations", rule=f"{RULES}:get_all", wrap="qos_associations")
async def list_associations(ctx: Ctx, qos_id: UUID) -> list[dict[str, Any]]:
    await service.get(ctx, qos_id)
    found = await types.of_qos(ctx, qos_id)
    return [{"association_type": "volume_type", "name": each.name, "id": each.id} for each in found]


def type_id(query: Query) -> UUID:
    """Raises BadRequest when it is not said, NotFound for what is no id."""
    text = last(query, "vol_type_id")
    if not text:
        raise BadRequest("Volume Type id must not be None.")
    try:
        return parse_uuid(text)
    except ValueError:
        raise missing("type_id", text) from None


@api.get(f"{ONE}/associate", rule=f"{RULES}:update", status=202)
async def associate_qos(ctx: Ctx, qos_id: UUID, query: Query) -> None:
    await service.associate(ctx, qos_id, type_id(query), so=True)


@api.get(f"{ONE}/disassociate", rule=f"{RULES}:update", status=202)
async def disassociate_qos(ctx: Ctx, qos_id: UUID, query: Query) -> None:
    await service.associate(ctx, qos_id, type_id(query), so=False)


@api.get(f"{ONE}/disassociate_all", rule=f"{RULES}:update", status=202)
async def disassociate_qos_from_all(ctx: Ctx, qos_id: UUID) -> None:
    await service.leave(ctx, qos_id)
