"""/usages, and the usages of a provider: what the API accepts and shows. They are counted in `allocations`."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Body
from pileus.services.placement.allocations import service as allocations
from pileus.services.placement.http import api, dated
from pileus.services.placement.inventories import service as inventories
from pileus.services.placement.resource_providers import service as providers

Owner = Annotated[str, Meta(min_length=1, max_length=255)]


class Whose(Body, frozen=True):
    project_id: Owner
    user_id: Owner | None = None


class WhoseOfType(Whose, frozen=True):
    consumer_type: Annotated[str, Meta(max_length=255, pattern="^[A-Z0-9_]+$|^all$|^unknown$")] | None = None


@api.get("/resource_providers/{provider_id}/usages", rule="placement:resource_providers:usages")
async def list_usages_of_provider(ctx: Ctx, provider_id: UUID) -> Answer:
    async with ctx.read() as ctx:
        provider = await providers.get(ctx, str(provider_id))
        usages = dict.fromkeys(await inventories.of(ctx, provider.id), 0)
        usages |= {row[1]: row[2] for row in await allocations.used(ctx, [provider.id])}
    return dated(ctx, {"resource_provider_generation": provider.generation, "usages": usages})


@api.get("/usages", rule="placement:usages", since="1.9", until="1.37")
async def list_usages(ctx: Ctx, query: Whose) -> Answer:
    ctx.require({"project_id": query.project_id})
    usages: dict[str, int] = {}
    for _, name, used in await allocations.used_by(ctx, query.project_id, query.user_id):
        usages[name] = usages.get(name, 0) + used
    return dated(ctx, {"usages": usages})


@api.get("/usages", rule="placement:usages", since="1.38")
async def list_usages_by_type(ctx: Ctx, query: WhoseOfType) -> Answer:
    ctx.require({"project_id": query.project_id})
    wanted = query.consumer_type
    usages: dict[str, dict[str, Any]] = {}
    async with ctx.read() as ctx:
        counts = await allocations.count_by(ctx, query.project_id, query.user_id)
        sums = await allocations.used_by(ctx, query.project_id, query.user_id)
    told = [(kind, "consumer_count", count) for kind, count in counts] + [tuple(row) for row in sums]
    for kind, name, number in told:
        key = "all" if wanted == "all" else kind or "unknown"
        if wanted in (None, key):
            of_type = usages.setdefault(key, {})
            of_type[name] = of_type.get(name, 0) + number
    return dated(ctx, {"usages": usages})
