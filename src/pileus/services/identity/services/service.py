"""Services of the catalogue: what the rest of Identity may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.services.identity.revision import service as revision
from pileus.services.identity.services import store
from pileus.services.identity.services.store import CatalogService

__all__ = ["CatalogService", "change", "create", "delete", "ensure", "get", "ids_of_types", "list_", "page"]

SERVICE = "identity.service"

ids_of_types = store.ids_of_types
page = store.page


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
        return found[0] if found else await create(ctx, type_, name)


async def create(
    ctx: Ctx, type_: str, name: str = "", *, enabled: bool = True, extra: Mapping[str, Any] | None = None
) -> CatalogService:
    """A service; there may be many of one type and name."""
    service = CatalogService(ctx.world.ids.hex(), type_, name, enabled, dict(extra or {}))
    async with revision.change(ctx) as ctx:
        await store.add(ctx, service)
        await changed(ctx, SERVICE, "created", service.id, project_id=None)
    return service


async def change(ctx: Ctx, service_id: str, wanted: Mapping[str, Any], extra: Mapping[str, Any]) -> CatalogService:
    """Write these columns, and add what callers keep. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        before = await get(ctx, service_id)
        wanted = {**wanted, "extra": {**before.extra, **extra}}
        await store.change(ctx, service_id, wanted)
        await changed(ctx, SERVICE, "updated", service_id, project_id=None)
    return msgspec.structs.replace(before, **wanted)


async def delete(ctx: Ctx, service_id: str) -> None:
    """Delete a service with its endpoints and its limits. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        await get(ctx, service_id)
        await store.delete(ctx, service_id)
        await changed(ctx, SERVICE, "deleted", service_id, project_id=None)
