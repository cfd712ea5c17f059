"""/reshaper: what the API accepts; nothing of how it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from pileus.kernel.context import Ctx
from pileus.kernel.http import Body
from pileus.services.placement.bodies import MANY, Counted, Inventories, Keyed, Mapped, Typed
from pileus.services.placement.http import api
from pileus.services.placement.inventories import service as inventories
from pileus.services.placement.reshaper import service
from pileus.services.placement.reshaper.service import Shape

PATH, RULE = "/reshaper", "placement:reshaper:reshape"
SOME, ANY = Meta(min_length=1, max_length=MANY), Meta(max_length=MANY)


class Reshape(Body, frozen=True):
    inventories: Annotated[dict[UUID, Inventories], SOME]


class ReshapeCounted(Reshape, frozen=True):
    allocations: Annotated[dict[UUID, Counted], ANY]


class ReshapeMapped(Reshape, frozen=True):
    allocations: Annotated[dict[UUID, Mapped], ANY]


class ReshapeTyped(Reshape, frozen=True):
    allocations: Annotated[dict[UUID, Typed], ANY]


async def reshape(ctx: Ctx, body: Reshape, allocations: Mapping[UUID, Keyed]) -> None:
    shapes = {
        str(provider_id): Shape(each.wanted, each.resource_provider_generation)
        for provider_id, each in body.inventories.items()
    }
    for provider_id, shape in shapes.items():
        inventories.check(provider_id, shape.inventories)
    await service.reshape(ctx, shapes, {str(consumer_id): each.claim for consumer_id, each in allocations.items()})


@api.post(PATH, rule=RULE, since="1.30", until="1.33", status=204)
async def reshape_counted(ctx: Ctx, body: ReshapeCounted) -> None:
    await reshape(ctx, body, body.allocations)


@api.post(PATH, rule=RULE, since="1.34", until="1.37", status=204)
async def reshape_mapped(ctx: Ctx, body: ReshapeMapped) -> None:
    await reshape(ctx, body, body.allocations)


@api.post(PATH, rule=RULE, since="1.38", status=204)
async def reshape_typed(ctx: Ctx, body: ReshapeTyped) -> None:
    await reshape(ctx, body, body.allocations)
