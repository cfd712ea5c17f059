"""/allocations and what is used of a provider: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer
from pileus.services.placement.allocations import service
from pileus.services.placement.allocations.service import Allocation
from pileus.services.placement.bodies import (
    MANY,
    Anonymous,
    Counted,
    Filled,
    Keyed,
    Mapped,
    Owned,
    Typed,
)
from pileus.services.placement.http import api, canonical, dated, latest
from pileus.services.placement.resource_providers import service as providers

ALL, ONE, OF_PROVIDER = "/allocations", "/allocations/{consumer_id}", "/resource_providers/{provider_id}/allocations"
MANAGE, UPDATE = "placement:allocations:manage", "placement:allocations:update"
MORE = Meta(min_length=1, max_length=MANY)


def when(rows: list[Allocation]) -> float | None:
    return latest([row.created_at for row in rows])


@api.get(ONE, rule="placement:allocations:list")
async def show_allocations(ctx: Ctx, consumer_id: str) -> Answer:
    """Nobody can say whether there is such a consumer: one that uses nothing is shown, too."""
    async with ctx.read() as ctx:
        consumer = await service.find(ctx, canonical(consumer_id) or "")
        if consumer is None:
            return dated(ctx, {"allocations": {}})
        rows = await service.of_consumer(ctx, consumer.id)
        known = await providers.by_ids(ctx, {row.provider_id for row in rows})
    shown: dict[str, dict[str, Any]] = {}
    for row in rows:
        place = shown.setdefault(row.provider_id, {"generation": known[row.provider_id].generation, "resources": {}})
        place["resources"][row.resource_class] = row.used
    document: dict[str, Any] = {"allocations": shown}
    if ctx.at("1.12"):
        document |= {"project_id": consumer.project_id, "user_id": consumer.user_id}
    if ctx.at("1.28"):
        document["consumer_generation"] = consumer.generation
    if ctx.at("1.38"):
        document["consumer_type"] = consumer.consumer_type or "unknown"
    return dated(ctx, document, when(rows))


@api.get(OF_PROVIDER, rule="placement:resource_providers:allocations:list")
async def list_allocations_of_provider(ctx: Ctx, provider_id: UUID) -> Answer:
    async with ctx.read() as ctx:
        provider = await providers.get(ctx, str(provider_id))
        rows = await service.of_provider(ctx, provider.id)
        consumers = await service.consumers_of(ctx, provider.id) if ctx.at("1.28") else {}
    shown: dict[str, dict[str, Any]] = {}
    for row in rows:
        shown.setdefault(row.consumer_id, {"resources": {}})["resources"][row.resource_class] = row.used
    for consumer_id in shown.keys() & consumers.keys():
        shown[consumer_id]["consumer_generation"] = consumers[consumer_id].generation
    document = {"allocations": shown, "resource_provider_generation": provider.generation}
    return dated(ctx, document, when(rows))


async def put(ctx: Ctx, consumer_id: str, body: Anonymous | Keyed) -> None:
    uuid = canonical(consumer_id)
    if uuid is None:
        raise BadRequest(f"Malformed consumer_uuid: {consumer_id[:255]}")
    await service.replace(ctx, {uuid: body.claim})


@api.put(ONE, rule=UPDATE, until="1.7", status=204)
async def put_anonymous(ctx: Ctx, consumer_id: str, body: Anonymous) -> None:
    await put(ctx, consumer_id, body)


@api.put(ONE, rule=UPDATE, since="1.8", until="1.11", status=204)
async def put_owned(ctx: Ctx, consumer_id: str, body: Owned) -> None:
    await put(ctx, consumer_id, body)


@api.put(ONE, rule=UPDATE, since="1.12", until="1.27", status=204)
async def put_keyed(ctx: Ctx, consumer_id: str, body: Filled) -> None:
    await put(ctx, consumer_id, body)


@api.put(ONE, rule=UPDATE, since="1.28", until="1.33", status=204)
async def put_counted(ctx: Ctx, consumer_id: str, body: Counted) -> None:
    await put(ctx, consumer_id, body)


@api.put(ONE, rule=UPDATE, since="1.34", until="1.37", status=204)
async def put_mapped(ctx: Ctx, consumer_id: str, body: Mapped) -> None:
    await put(ctx, consumer_id, body)


@api.put(ONE, rule=UPDATE, since="1.38", status=204)
async def put_typed(ctx: Ctx, consumer_id: str, body: Typed) -> None:
    await put(ctx, consumer_id, body)


async def post(ctx: Ctx, body: Mapping[UUID, Keyed]) -> None:
    await service.replace(ctx, {str(consumer_id): each.claim for consumer_id, each in body.items()})


@api.post(ALL, rule=MANAGE, since="1.13", until="1.27", status=204)
async def post_keyed(ctx: Ctx, body: Annotated[dict[UUID, Keyed], MORE]) -> None:
    await post(ctx, body)


@api.post(ALL, rule=MANAGE, since="1.28", until="1.33", status=204)
async def post_counted(ctx: Ctx, body: Annotated[dict[UUID, Counted], MORE]) -> None:
    await post(ctx, body)


@api.post(ALL, rule=MANAGE, since="1.34", until="1.37", status=204)
async def post_mapped(ctx: Ctx, body: Annotated[dict[UUID, Mapped], MORE]) -> None:
    await post(ctx, body)


@api.post(ALL, rule=MANAGE, since="1.38", status=204)
async def post_typed(ctx: Ctx, body: Annotated[dict[UUID, Typed], MORE]) -> None:
    await post(ctx, body)


@api.delete(ONE, rule="placement:allocations:delete", status=204)
async def delete_allocations(ctx: Ctx, consumer_id: str) -> None:
    await service.delete(ctx, canonical(consumer_id) or consumer_id)
