"""Moving inventories together with what is used of them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.services.placement.allocations import service as allocations
from pileus.services.placement.allocations.service import Claim
from pileus.services.placement.inventories import service as inventories
from pileus.services.placement.inventories.service import Inventory
from pileus.services.placement.resource_providers import service as providers


class Shape(msgspec.Struct, frozen=True):
    """What a provider shall have, and at which generation the caller saw it."""

    inventories: Mapping[str, Inventory]
    generation: int


async def reshape(ctx: Ctx, shapes: Mapping[str, Shape], claims: Mapping[str, Claim]) -> None:
    """Let these providers have these inventories, and these consumers use what they claim: all of it, or nothing.

    Raises BadRequest for what is not there, Conflict for another generation, for what does not fit, and for an inventory
    that shall go and is still in use.
    """
    async with ctx.transaction() as ctx:
        await allocations.hold(ctx, claims, shapes)
        known = await providers.by_ids(ctx, sorted(shapes))
        for provider_id, shape in shapes.items():
            provider = known.get(provider_id)
            if provider is None:
                raise BadRequest(
                    f"Resource provider {provider_id} in inventories not found.",
                    code="placement.resource_provider.not_found",
                )
            if provider.generation != shape.generation:
                raise providers.conflict(
                    f"resource provider generation conflict for provider {provider_id}: "
                    f"actual: {provider.generation}, given: {shape.generation}"
                )
        for provider_id, shape in shapes.items():  # what is there already stays until nothing is used of it
            if not shape.inventories:
                continue
            before = {name: held.inventory for name, held in (await inventories.of(ctx, provider_id)).items()}
            await inventories.replace(ctx, provider_id, {**before, **shape.inventories})
        await allocations.replace(ctx, claims)
        for provider_id, shape in shapes.items():
            await inventories.replace(ctx, provider_id, shape.inventories)
