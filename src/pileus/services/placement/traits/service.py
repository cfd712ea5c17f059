"""Traits: what the rest of Placement, and the services above, may ask for."""

from __future__ import annotations

from collections.abc import Collection

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.services.placement.names import CUSTOM, Name
from pileus.services.placement.resource_providers import service as providers
from pileus.services.placement.traits import store
from pileus.services.placement.traits.store import names

__all__ = ["SHARES", "Name", "delete", "ensure", "get", "in_use", "list_", "missing", "of", "replace", "rows"]

SHARES = "MISC_SHARES_VIA_AGGREGATE"
"""A provider with this trait gives to all trees that are in an aggregate with it."""

list_ = names.list_
missing = names.missing
in_use = store.in_use
rows = store.rows


async def get(ctx: Ctx, name: str) -> Name:
    """Raises NotFound."""
    found = await names.find(ctx, name)
    if found is None:
        raise NotFound(f"No such trait(s): {name}.")
    return found


async def ensure(ctx: Ctx, name: str) -> bool:
    """See to it that there is this custom trait. Returns whether it is new. Raises BadRequest."""
    if CUSTOM.fullmatch(name) is None:
        raise BadRequest(
            "The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "
            '"CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_"'
        )
    return await names.ensure(ctx, name)


async def delete(ctx: Ctx, name: str) -> None:
    """Delete a custom trait that no provider has. Raises NotFound, BadRequest, Conflict."""
    async with ctx.transaction() as ctx:
        await names.hold(ctx, [name])
        await get(ctx, name)
        if name in names.standard:
            raise BadRequest(f"Cannot delete standard trait {name}.")
        if await store.is_used(ctx, name):
            raise Conflict(f"The trait {name} is in use by a resource provider.")
        await names.remove(ctx, name)


async def of(ctx: Ctx, provider_id: str) -> list[str]:
    """What is said of a provider, in order."""
    return [row.trait for row in await store.rows(ctx, [provider_id])]


async def replace(ctx: Ctx, provider_id: str, traits: Collection[str], generation: int | None = None) -> int:
    """Let the provider have these traits and no others. Returns its generation, which is the same if it had them.

    Raises NotFound, Conflict; BadRequest for a trait that there is not.
    """
    async with ctx.transaction() as ctx:
        provider = await providers.held(ctx, provider_id, generation)
        await names.hold(ctx, traits)
        if unknown := await names.missing(ctx, traits):
            raise BadRequest(f"No such trait {', '.join(unknown)}")
        before, wanted = set(await of(ctx, provider_id)), set(traits)
        if before == wanted:
            return provider.generation
        if before - wanted:
            await store.remove(ctx, provider_id, before - wanted)
        if wanted - before:
            await store.add(ctx, provider_id, wanted - before)
        return await providers.touch(ctx, provider)
