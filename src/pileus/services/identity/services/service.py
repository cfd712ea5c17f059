"""Services of the catalogue: what the rest of Identity may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.services.identity.revision import service as revision
from pileus.services.identity.services import store
from pileus.services.identity.services.store import CatalogService

__all__ = ["CatalogService", "ensure", "get", "list_"]


async def list_(ctx: Ctx, columns: Mapping[str, Any]) -> list[CatalogService]:
    """Those with these columns, by id."""
    return await store.list_(ctx, columns)


async def get(ctx: Ctx, service_id: str) -> CatalogService:
    """The service of that id. Raises NotFound."""
    found = await store.list_(ctx, {"id": service_id})
    if not found:
        raise NotFound(f"Could not find service: {service_id}.")
    return found[0]


async def ensure(ctx: Ctx, type_: str, name: str) -> CatalogService:
    """The service of that type and name, made if there is none."""
    async with revision.change(ctx) as ctx:
        found = await store.list_(ctx, {"type": type_, "name": name})
        if found:
            return found[0]
        service = CatalogService(ctx.world.ids.hex(), type_, name)
        await store.add(ctx, service)
    return service
