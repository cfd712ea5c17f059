"""What a service's own quota API sets: kept as Identity's limits, so that there is one place that says what counts.

A service calls its resources by its own names; which registered limit stands for one is said in its `quotas.toml`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.kernel.quota import default_limits
from pileus.services.identity.limits import service as limits
from pileus.services.identity.limits.service import Wanted, names_of, types_of
from pileus.services.identity.registered_limits import service as registered_limits
from pileus.services.identity.registered_limits.service import RegisteredLimit
from pileus.services.identity.revision import service as revision
from pileus.services.identity.services import service as services

__all__ = ["clear", "defaults", "owners", "set_defaults", "set_limits"]


async def defaults(ctx: Ctx, service: str, resources: Collection[str]) -> dict[str, int]:
    """The limit of each resource for who has none of its own."""
    found = await _registered(ctx, service, resources)
    known = default_limits(service, resources)
    return {each: found[each].default_limit if each in found else known[each] for each in resources}


async def set_defaults(ctx: Ctx, service: str, wanted: Mapping[str, int]) -> None:
    """Let these be the limits of who has none of its own. Raises Conflict."""
    async with revision.turn(ctx) as ctx:
        known = await _ensure_registered(ctx, service, wanted)
        for resource, limit in wanted.items():
            await registered_limits.set_default(ctx, known[resource].id, limit)


async def set_limits(ctx: Ctx, service: str, project_id: str, wanted: Mapping[str, int]) -> None:
    """Let these be the project's limits. Raises NotFound, Conflict; Forbidden where the tree of projects says no."""
    async with revision.turn(ctx) as ctx:
        known = await _ensure_registered(ctx, service, wanted)
        own = {each.registered_limit_id: each for each in await limits.of_project(ctx, project_id)}
        new = []
        for resource, limit in wanted.items():
            below = known[resource]
            if below.id in own:
                await limits.change(ctx, own[below.id].id, {"resource_limit": limit})
            else:
                new.append(
                    Wanted(
                        service_id=below.service_id,
                        region_id=below.region_id,
                        resource_name=below.resource_name,
                        resource_limit=limit,
                        project_id=project_id,
                    )
                )
        if new:
            await limits.create(ctx, new)


async def clear(ctx: Ctx, service: str, project_id: str) -> None:
    """Let the defaults count for the project again."""
    async with revision.turn(ctx) as ctx:
        ids = {each.id for each in await _services(ctx, service)}
        for each in await limits.of_project(ctx, project_id):
            if each.service_id in ids:
                await limits.delete(ctx, each.id)


async def owners(ctx: Ctx, service: str) -> list[str]:
    """The projects that have limits of their own of this service, in order."""
    rows = await registered_limits.of_services(ctx, {each.id for each in await _services(ctx, service)})
    return await limits.projects_on(ctx, [row.id for row in rows])


async def _services(ctx: Ctx, service: str) -> list[services.CatalogService]:
    return [found for kind in types_of(service) for found in await services.list_(ctx, {"type": kind})]


async def _registered(ctx: Ctx, service: str, resources: Collection[str]) -> dict[str, RegisteredLimit]:
    """The registered limit that counts for each of these resources, where there is one."""
    rows = await registered_limits.of_services(ctx, {each.id for each in await _services(ctx, service)})
    here = [row for row in rows if row.region_id in (None, ctx.world.config.api.region)]
    found = {}
    for resource, names in names_of(service, resources).items():
        ranked = [
            (names.index(r.resource_name), r.region_id is None, r.id, r) for r in here if r.resource_name in names
        ]
        if ranked:
            found[resource] = min(ranked, key=lambda each: each[:3])[3]
    return found


async def _ensure_registered(ctx: Ctx, service: str, resources: Collection[str]) -> dict[str, RegisteredLimit]:
    """As `_registered`, all of them: one that is not there is made, with the limit that counts without it."""
    found = await _registered(ctx, service, resources)
    missing = [each for each in resources if each not in found]
    if not missing:
        return found
    known = await _services(ctx, service)
    if not known:
        raise Conflict(f"The catalogue has no service of type {types_of(service)[0]}, whose limits these would be.")
    names, now = names_of(service, missing), default_limits(service, missing)
    place = {"service_id": known[0].id, "region_id": None, "description": None}
    wanted = [{"resource_name": names[each][0], "default_limit": now[each], **place} for each in missing]
    made = await registered_limits.create(ctx, wanted)
    return found | dict(zip(missing, made, strict=True))
