"""Regions: what the rest of Identity may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.services.identity.faults import duplicate
from pileus.services.identity.regions import store
from pileus.services.identity.regions.store import Region
from pileus.services.identity.revision import service as revision

__all__ = ["Region", "change", "create", "delete", "ensure", "find", "get", "on_delete", "page", "parents"]

REGION = "identity.region"

_deleted: list[Callable[[Ctx, str, Sequence[str]], Awaitable[None]]] = []

page = store.page
parents = store.parents
find = store.get


def on_delete(
    call: Callable[[Ctx, str, Sequence[str]], Awaitable[None]],
) -> Callable[[Ctx, str, Sequence[str]], Awaitable[None]]:
    """Call this with the id of a region and with all ids that go with it (its own, and those of all regions below), in
    the transaction that deletes them. It may raise, and so keep them. For the nouns and services above."""
    _deleted.append(call)
    return call


async def get(ctx: Ctx, region_id: str) -> Region:
    """The region of that id. Raises NotFound."""
    found = await store.get(ctx, region_id)
    if found is None:
        raise NotFound(f"Could not find region: {region_id}.")
    return found


async def create(ctx: Ctx, region: Region) -> Region:
    """A region; without an id it gets one. Raises NotFound for a parent that is not there, Conflict."""
    region = region if region.id else msgspec.structs.replace(region, id=ctx.world.ids.hex())
    async with revision.change(ctx) as ctx:
        if await store.get(ctx, region.id) is not None:
            raise duplicate("region", f"Duplicate ID, {region.id}")
        if region.parent_region_id is not None:
            await get(ctx, region.parent_region_id)
        await store.add(ctx, region)
        await changed(ctx, REGION, "created", region.id, project_id=None)
    return region


async def ensure(ctx: Ctx, region_id: str) -> None:
    """See to it that the region is there."""
    async with revision.change(ctx) as ctx:
        if await store.get(ctx, region_id) is None:
            await create(ctx, Region(region_id))


async def change(ctx: Ctx, region_id: str, wanted: Mapping[str, Any], extra: Mapping[str, Any]) -> Region:
    """Write these columns, and add what callers keep. Raises NotFound, also for the parent; BadRequest for a circle."""
    async with revision.change(ctx) as ctx:
        before = await get(ctx, region_id)
        wanted = {**wanted, "extra": {**before.extra, **extra}}
        parent_id = wanted.get("parent_region_id")
        if parent_id is not None:
            await get(ctx, parent_id)
            if parent_id in await store.ids_down(ctx, region_id):
                raise BadRequest(
                    f"The specified parent region {parent_id} would create a circular region hierarchy.",
                )
        await store.change(ctx, region_id, wanted)
        await changed(ctx, REGION, "updated", region_id, project_id=None)
    return msgspec.structs.replace(before, **wanted)


async def delete(ctx: Ctx, region_id: str) -> None:
    """Delete a region and all regions below. Raises NotFound, and Forbidden when one of them has an endpoint."""
    async with revision.change(ctx) as ctx:
        await get(ctx, region_id)
        going = await store.ids_down(ctx, region_id)
        for call in _deleted:
            await call(ctx, region_id, going)
        await store.delete(ctx, region_id)
        for each in reversed(going):
            await changed(ctx, REGION, "deleted", each, project_id=None)
