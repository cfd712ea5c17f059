"""Aggregates: what the rest of Placement, and the services above, may ask for."""

from __future__ import annotations

from collections.abc import Collection

from pileus.kernel.context import Ctx
from pileus.services.placement.aggregates import store
from pileus.services.placement.resource_providers import service as providers

__all__ = ["of", "replace", "rows"]

rows = store.rows


async def of(ctx: Ctx, provider_id: str) -> list[str]:
    """The aggregates of a provider, in order."""
    return [row.aggregate_id for row in await store.rows(ctx, [provider_id])]


async def replace(
    ctx: Ctx, provider_id: str, aggregate_ids: Collection[str], generation: int | None = None, *, step: bool = True
) -> int:
    """Let the provider be in these aggregates and in no others, one generation on if it is a `step`.

    Returns its generation. Raises NotFound, Conflict.
    """
    async with ctx.transaction() as ctx:
        provider = await providers.held(ctx, provider_id, generation)
        await store.replace(ctx, provider_id, set(aggregate_ids))
        return await providers.touch(ctx, provider, steps=int(step))
