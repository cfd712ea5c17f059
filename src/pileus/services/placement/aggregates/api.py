"""/resource_providers/{provider_id}/aggregates: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Body
from pileus.services.placement.aggregates import service
from pileus.services.placement.http import api, dated
from pileus.services.placement.resource_providers import service as providers

Aggregates = Annotated[list[UUID], Meta(max_length=1000)]

PATH = "/resource_providers/{provider_id}/aggregates"


class SetAggregates(Body, frozen=True):
    aggregates: Aggregates
    resource_provider_generation: int


def once_each(ids: list[UUID]) -> list[str]:
    """Raises BadRequest when one is named twice."""
    if len(set(ids)) < len(ids):
        raise BadRequest("Invalid input for aggregates: an aggregate is named more than once.")
    return [str(each) for each in ids]


def shown(ctx: Ctx, aggregate_ids: list[str], generation: int) -> Answer:
    document = {"aggregates": aggregate_ids}
    return dated(ctx, {**document, "resource_provider_generation": generation} if ctx.at("1.19") else document)


@api.get(PATH, rule="placement:resource_providers:aggregates:list", since="1.1")
async def list_aggregates(ctx: Ctx, provider_id: UUID) -> Answer:
    async with ctx.read() as ctx:
        provider = await providers.get(ctx, str(provider_id))
        return shown(ctx, await service.of(ctx, provider.id), provider.generation)


@api.put(PATH, rule="placement:resource_providers:aggregates:update", since="1.1", until="1.18")
async def set_aggregates(ctx: Ctx, provider_id: UUID, body: Aggregates) -> Answer:
    ids = once_each(body)
    return shown(ctx, ids, await service.replace(ctx, str(provider_id), ids, step=False))


@api.put(PATH, rule="placement:resource_providers:aggregates:update", since="1.19")
async def set_aggregates_at(ctx: Ctx, provider_id: UUID, body: SetAggregates) -> Answer:
    ids = once_each(body.aggregates)
    generation = await service.replace(ctx, str(provider_id), ids, body.resource_provider_generation)
    return shown(ctx, ids, generation)
