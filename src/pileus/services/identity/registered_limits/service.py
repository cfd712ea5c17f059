"""Registered limits: what the rest of Identity may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Forbidden, NotFound
from pileus.services.identity.faults import duplicate, expecting
from pileus.services.identity.regions import service as regions
from pileus.services.identity.registered_limits import store
from pileus.services.identity.registered_limits.store import RegisteredLimit
from pileus.services.identity.revision import service as revision
from pileus.services.identity.services import service as services

__all__ = [
    "RegisteredLimit",
    "change",
    "check_places",
    "create",
    "delete",
    "every",
    "get",
    "of_services",
    "page",
    "set_default",
    "used_by",
]

REGISTERED = "identity.registered_limit"

InUse = Callable[[Ctx, str], Awaitable[bool]]

_in_use: list[InUse] = []

page = store.page
of_services = store.of_services


def used_by(call: InUse) -> InUse:
    """Ask this whether something rests on the registered limit of that id, which then stays as it is."""
    _in_use.append(call)
    return call


def every() -> sa.Select[Any]:
    """A SELECT of all registered limits, with the columns of RegisteredLimit."""
    return store.ALL


async def get(ctx: Ctx, id_: str) -> RegisteredLimit:
    """The registered limit of that id. Raises NotFound."""
    found = await store.get(ctx, id_)
    if found is None:
        raise NotFound(f"Could not find registered limit for {id_}.")
    return found


async def create(ctx: Ctx, wanted: Sequence[Mapping[str, Any]]) -> list[RegisteredLimit]:
    """Registered limits of these columns, all or none. Raises BadRequest, Conflict."""
    made = [RegisteredLimit(id=ctx.world.ids.hex(), **columns) for columns in wanted]
    async with revision.turn(ctx) as ctx:
        await check_places(ctx, made, "registered_limit")
        await _check_unique(ctx, made)
        await store.add(ctx, made)
        for each in made:
            await changed(ctx, REGISTERED, "created", each.id, project_id=None)
    return made


async def check_places(ctx: Ctx, places: Sequence[Any], target: str) -> None:
    """Raises BadRequest unless the service and the region of each are there."""
    known = {service.id for service in await services.list_(ctx, {})}
    if any(place.service_id not in known for place in places):
        raise expecting("service_id", target)
    parents = await regions.parents(ctx)
    if any(place.region_id is not None and place.region_id not in parents for place in places):
        raise expecting("region_id", target)


async def _check_unique(ctx: Ctx, wanted: Sequence[RegisteredLimit]) -> None:
    taken = {each.key: each.id for each in await store.of_services(ctx, {each.service_id for each in wanted})}
    for each in wanted:
        if taken.setdefault(each.key, each.id) != each.id:
            raise duplicate("registered_limit")


async def change(ctx: Ctx, id_: str, wanted: Mapping[str, Any]) -> RegisteredLimit:
    """Write these columns. Raises NotFound, BadRequest, Conflict; Forbidden while a limit rests on it."""
    async with revision.turn(ctx) as ctx:
        after = msgspec.structs.replace(await _unused(ctx, id_), **wanted)
        await check_places(ctx, [after], "registered_limit")
        await _check_unique(ctx, [after])
        if wanted:
            await store.change(ctx, id_, wanted)
        await changed(ctx, REGISTERED, "updated", id_, project_id=None)
    return after


async def set_default(ctx: Ctx, id_: str, limit: int) -> None:
    """Write what counts for who has no limit of its own. Unlike `change` also where limits rest on it: those stay."""
    async with revision.turn(ctx) as ctx:
        await get(ctx, id_)
        await store.change(ctx, id_, {"default_limit": limit})
        await changed(ctx, REGISTERED, "updated", id_, project_id=None)


async def delete(ctx: Ctx, id_: str) -> None:
    """Raises NotFound; Forbidden while a limit rests on it."""
    async with revision.turn(ctx) as ctx:
        await _unused(ctx, id_)
        await store.delete(ctx, id_)
        await changed(ctx, REGISTERED, "deleted", id_, project_id=None)


async def _unused(ctx: Ctx, id_: str) -> RegisteredLimit:
    found = await get(ctx, id_)
    for in_use in _in_use:
        if await in_use(ctx, id_):
            raise Forbidden(
                f"Unable to update or delete registered limit {id_} because there are project limits associated with it."
            )
    return found
