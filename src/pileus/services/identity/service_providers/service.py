"""Service providers: what the API may ask for, and tokens, which name those that are enabled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict, NotFound
from pileus.kernel.http import Query
from pileus.services.identity.lists import Found
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revision.service import Revision
from pileus.services.identity.service_providers import store
from pileus.services.identity.service_providers.store import ServiceProvider

__all__ = ["ServiceProvider", "change", "create", "delete", "get", "page", "told"]

PROVIDER = "identity.service_provider"


class Told(msgspec.Struct, frozen=True):
    """What tokens say of service providers, as it was at one revision."""

    at: Revision
    providers: list[dict[str, str]]


async def told(ctx: Ctx, at: Revision) -> list[dict[str, str]]:
    """Where else a token is good for something: the enabled ones, as every token tells of them."""
    known: Told | None = ctx.world.memory.get(Told)
    if known is None or known.at != at:
        found = [{"id": p.id, "auth_url": p.auth_url, "sp_url": p.sp_url} for p in await store.enabled(ctx)]
        known = ctx.world.memory[Told] = Told(at, found)
    return known.providers


async def get(ctx: Ctx, provider_id: str) -> ServiceProvider:
    """The service provider of that id. Raises NotFound."""
    found = await store.get(ctx, provider_id)
    if found is None:
        raise NotFound(f"Could not find Service Provider: {provider_id}.")
    return found


async def page(ctx: Ctx, query: Query) -> Found[ServiceProvider]:
    """The service providers that the query string asks for. Raises BadRequest."""
    return await store.page(ctx, query)


async def create(ctx: Ctx, provider: ServiceProvider) -> ServiceProvider:
    """Raises Conflict."""
    async with revision.change(ctx) as ctx:
        if await store.get(ctx, provider.id) is not None:
            raise Conflict(
                f"Conflict occurred attempting to store service_provider - Duplicate entry found with ID {provider.id}."
            )
        await store.add(ctx, provider)
        await changed(ctx, PROVIDER, "created", provider.id, project_id=None)
    return provider


async def change(ctx: Ctx, provider_id: str, wanted: Mapping[str, Any]) -> ServiceProvider:
    """Write these fields. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        after = msgspec.structs.replace(await get(ctx, provider_id), **wanted)
        await store.change(ctx, after)
        await changed(ctx, PROVIDER, "updated", provider_id, project_id=None)
    return after


async def delete(ctx: Ctx, provider_id: str) -> None:
    """Raises NotFound."""
    async with revision.change(ctx) as ctx:
        await get(ctx, provider_id)
        await store.delete(ctx, provider_id)
        await changed(ctx, PROVIDER, "deleted", provider_id, project_id=None)
