"""Inventories: what the rest of Placement, and the services above, may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.services.placement.inventories import store
from pileus.services.placement.inventories.rules import LARGEST_RATIO, MOST, Inventory, capacity, is_portion
from pileus.services.placement.inventories.store import FIELDS, Held
from pileus.services.placement.resource_classes import service as resource_classes
from pileus.services.placement.resource_providers import service as providers
from pileus.services.placement.resource_providers.service import Provider

__all__ = [
    "FIELDS",
    "LARGEST_RATIO",
    "MOST",
    "Held",
    "Inventory",
    "add",
    "capacity",
    "change",
    "check",
    "inventory",
    "is_portion",
    "of",
    "on_remove",
    "remove",
    "replace",
    "rows",
]

_removed: list[Callable[[Ctx, str, Collection[str]], Awaitable[list[str]]]] = []

of = store.of
inventory = store.inventory
rows = store.rows


def on_remove(
    call: Callable[[Ctx, str, Collection[str]], Awaitable[list[str]]],
) -> Callable[[Ctx, str, Collection[str]], Awaitable[list[str]]]:
    """Call this with a provider, held, and the classes that it shall no longer have. What it gives is in use, and stays.

    For the nouns above."""
    _removed.append(call)
    return call


def check(provider_id: str, wanted: Mapping[str, Inventory], *, may_be_full: bool = True) -> None:
    """Raises BadRequest for an inventory of which nothing can be given away: less than nothing, where it `may_be_full`."""
    for name, inventory in wanted.items():
        if inventory.allocation_ratio < 0 or inventory.capacity < (0 if may_be_full else 1):
            raise BadRequest(
                f"Unable to update inventory for resource provider {provider_id}: Invalid inventory for '{name}' on "
                f"resource provider '{provider_id}'. The reserved value is greater than "
                f"{'' if may_be_full else 'or equal to '}total."
            )


async def replace(ctx: Ctx, provider_id: str, wanted: Mapping[str, Inventory], generation: int | None = None) -> int:
    """Let the provider have these inventories and no others. Returns its generation.

    One may become smaller than what is used of it. Raises NotFound, BadRequest, Conflict.
    """
    async with ctx.transaction() as ctx:
        provider = await providers.held(ctx, provider_id, generation)
        before = await store.of(ctx, provider_id)
        await _check_classes(ctx, provider, wanted)
        if gone := before.keys() - wanted.keys():
            await _remove(ctx, provider, gone)
        if new := wanted.keys() - before.keys():
            await store.add(ctx, provider_id, {name: wanted[name] for name in sorted(new)})
        for name in sorted(wanted.keys() & before.keys()):
            if wanted[name] != before[name].inventory:
                await store.change(ctx, provider_id, name, wanted[name])
        return await providers.touch(ctx, provider)


async def add(ctx: Ctx, provider_id: str, resource_class: str, inventory: Inventory) -> int:
    """Returns the provider's generation. Raises NotFound, BadRequest; Conflict when it has one of that class."""
    async with ctx.transaction() as ctx:
        provider = await providers.held(ctx, provider_id)
        await _check_classes(ctx, provider, [resource_class])
        if resource_class in await store.of(ctx, provider_id):
            raise providers.conflict(f"Update conflict: {provider_id} has an inventory of {resource_class} already.")
        await store.add(ctx, provider_id, {resource_class: inventory})
        return await providers.touch(ctx, provider)


async def change(ctx: Ctx, provider_id: str, resource_class: str, inventory: Inventory, generation: int) -> int:
    """Returns the provider's generation. Raises NotFound, Conflict; BadRequest when it has none of that class."""
    async with ctx.transaction() as ctx:
        provider = await providers.held(ctx, provider_id, generation)
        if resource_class not in await store.of(ctx, provider_id):
            raise BadRequest(
                f"No inventory record with resource class for resource provider {provider_id}: "
                f"No inventory of class {resource_class} found."
            )
        await store.change(ctx, provider_id, resource_class, inventory)
        return await providers.touch(ctx, provider)


async def remove(ctx: Ctx, provider_id: str, resource_class: str) -> None:
    """Raises NotFound, Conflict."""
    async with ctx.transaction() as ctx:
        provider = await providers.held(ctx, provider_id)
        if resource_class not in await store.of(ctx, provider_id):
            raise NotFound(f"No inventory of class {resource_class} found for delete on {provider_id}.")
        await _remove(ctx, provider, [resource_class], code=providers.CONCURRENT_UPDATE)
        await providers.touch(ctx, provider)


async def _check_classes(ctx: Ctx, provider: Provider, names: Collection[str]) -> None:
    """Hold the classes, which must be there."""
    await resource_classes.hold(ctx, names)
    if unknown := await resource_classes.missing(ctx, names):
        raise BadRequest(
            f"Unknown resource class in inventory for resource provider {provider.id}: "
            f"No such resource class {', '.join(unknown)}."
        )


async def _remove(
    ctx: Ctx, provider: Provider, names: Collection[str], code: str = "placement.inventory.inuse"
) -> None:
    in_use = [each for call in _removed for each in await call(ctx, provider.id, names)]
    if in_use:
        raise Conflict(
            f"update conflict: Inventory for '{', '.join(in_use)}' on resource provider '{provider.id}' in use.",
            code=code,
        )
    await store.remove(ctx, provider.id, names)


@resource_classes.on_delete
async def keep_classes_in_use(ctx: Ctx, resource_class: str) -> None:
    if await store.is_used(ctx, resource_class):
        raise Conflict(
            f"Error in delete resource class: Cannot delete resource class {resource_class}. "
            "Class is in use in inventory."
        )


@resource_classes.on_rename
async def rename_class(ctx: Ctx, resource_class: str, new: str) -> None:
    """The providers are not held, because that would be too late: who clashes is run again."""
    having = await store.providers_with(ctx, resource_class)
    await store.rename(ctx, resource_class, new)
    await providers.renew(ctx, having, steps=0)
