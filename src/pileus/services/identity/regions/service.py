"""Regions: what the rest of Identity may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.services.identity.regions import store
from pileus.services.identity.regions.store import Region
from pileus.services.identity.revision import service as revision

__all__ = ["Region", "ensure", "get", "list_"]


async def list_(ctx: Ctx, columns: Mapping[str, Any]) -> list[Region]:
    """Those with these columns, by id."""
    return await store.list_(ctx, columns)


async def get(ctx: Ctx, region_id: str) -> Region:
    """The region of that id. Raises NotFound."""
    found = await store.list_(ctx, {"id": region_id})
    if not found:
        raise NotFound(f"Could not find region: {region_id}.")
    return found[0]


async def ensure(ctx: Ctx, region_id: str) -> None:
    """See to it that the region is there."""
    async with revision.change(ctx) as ctx:
        if not await store.list_(ctx, {"id": region_id}):
            await store.add(ctx, Region(region_id))
