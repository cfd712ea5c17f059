"""Resource providers: what the rest of Placement, and the services above, may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from msgspec import UNSET, UnsetType

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.services.placement.resource_providers import store
from pileus.services.placement.resource_providers.store import Provider

__all__ = [
    "CONCURRENT_UPDATE",
    "Provider",
    "by_ids",
    "change",
    "conflict",
    "create",
    "delete",
    "edition",
    "editions",
    "ensure",
    "get",
    "held",
    "hold",
    "list_",
    "on_delete",
    "renew",
    "some",
    "touch",
]

KIND = "placement.resource_provider"
CONCURRENT_UPDATE = "placement.concurrent_update"

_deleted: list[Callable[[Ctx, Provider], Awaitable[None]]] = []

by_ids = store.by_ids
list_ = store.list_
edition, editions = store.edition, store.editions


async def some(ctx: Ctx, provider_ids: Collection[str] | None) -> Collection[Provider]:
    """Those of these ids; all, if None."""
    return await list_(ctx, {}) if provider_ids is None else (await by_ids(ctx, provider_ids)).values()


def on_delete(call: Callable[[Ctx, Provider], Awaitable[None]]) -> Callable[[Ctx, Provider], Awaitable[None]]:
    """Call this with a provider in the transaction that deletes it. It may raise, and so keep it. For the nouns above."""
    _deleted.append(call)
    return call


def conflict(message: str) -> Conflict:
    """What the caller knew is no longer so."""
    return Conflict(message, code=CONCURRENT_UPDATE)


async def get(ctx: Ctx, provider_id: str) -> Provider:
    """Raises NotFound."""
    found = (await store.by_ids(ctx, [provider_id])).get(provider_id)
    if found is None:
        raise NotFound(f"No resource provider with uuid {provider_id} found")
    return found


async def hold(ctx: Ctx, provider_ids: Iterable[str]) -> None:
    """Hold others off who change these providers, or what is used of them, until the open transaction ends.

    Whoever needs several takes them at once: they are locked in the order of their ids.
    """
    for provider_id in sorted(set(provider_ids)):
        await ctx.lock("provider", provider_id)


async def held(ctx: Ctx, provider_id: str, generation: int | None = None) -> Provider:
    """The provider, held; as it is at that generation, if one is said. Raises NotFound, Conflict."""
    await hold(ctx, [provider_id])
    found = await get(ctx, provider_id)
    if generation is not None and found.generation != generation:
        raise conflict(
            "Resource provider's generation already changed. Please update the generation and try again. (resource "
            f"provider generation conflict: {provider_id} is at {found.generation}, not at {generation}.)"
        )
    return found


async def renew(ctx: Ctx, provider_ids: Collection[str], *, steps: int = 1) -> None:
    """Note in the open transaction that these providers, which it holds, have changed: so many generations on."""
    if provider_ids:
        await store.renew(ctx, sorted(provider_ids), ctx.world.ids.hex(), steps)


async def touch(ctx: Ctx, provider: Provider, *, steps: int = 1) -> int:
    """As `renew`, for one of which something was set, which is told. Returns its generation."""
    await renew(ctx, [provider.id], steps=steps)
    await changed(ctx, KIND, "updated", provider.id, project_id=None)
    return provider.generation + steps


async def _hold_trees(ctx: Ctx) -> None:
    """One at a time decides on names, ids and trees. To be taken before any provider is held."""
    await ctx.lock("provider", "")


async def create(ctx: Ctx, provider_id: str, name: str, parent_id: str | None = None) -> Provider:
    """A provider, below another or as the root of a tree. Raises BadRequest, Conflict."""
    async with ctx.transaction() as ctx:
        await _hold_trees(ctx)
        taken = [f"uuid: {provider_id}"] if provider_id in await store.by_ids(ctx, [provider_id]) else []
        await _check_name(ctx, provider_id, name, taken)
        if parent_id == provider_id:
            raise _unsaved(provider_id, "parent provider UUID cannot be same as UUID.")
        root_id = await _root(ctx, provider_id, parent_id)
        provider = Provider(provider_id, name, 0, parent_id, root_id, ctx.now())
        await store.add(ctx, provider, ctx.world.ids.hex())
        await changed(ctx, KIND, "created", provider_id, project_id=None)
    return provider


async def ensure(ctx: Ctx, provider_id: str, name: str, parent_id: str | None = None) -> Provider:
    """See to it that there is this provider. Raises BadRequest, Conflict."""
    async with ctx.transaction() as ctx:
        await _hold_trees(ctx)
        found = (await store.by_ids(ctx, [provider_id])).get(provider_id)
        return found or await create(ctx, provider_id, name, parent_id)


def _unsaved(provider_id: str, why: str) -> BadRequest:
    return BadRequest(f"Unable to save resource provider {provider_id}: {why}")


async def _root(ctx: Ctx, provider_id: str, parent_id: str | None) -> str:
    """The root of the tree in which a provider is with this parent. Raises BadRequest."""
    if parent_id is None:
        return provider_id
    parent = (await store.by_ids(ctx, [parent_id])).get(parent_id)
    if parent is None:
        raise _unsaved(provider_id, "parent provider UUID does not exist.")
    return parent.root_id


async def _check_name(ctx: Ctx, provider_id: str, name: str, taken: Sequence[str] = ()) -> None:
    """Raises BadRequest for no name, Conflict when another has it or something else is `taken`."""
    if not name:
        raise _unsaved(provider_id, "name is required.")
    same = await store.named(ctx, name)
    if same is not None and same.id != provider_id:
        taken = [*taken, f"name: {name}"]
    if taken:
        raise Conflict(
            f"Conflicting resource provider {', '.join(taken)} already exists.", code="placement.duplicate_name"
        )


async def change(
    ctx: Ctx, provider_id: str, name: str, parent_id: str | UnsetType | None = UNSET, *, may_move: bool = True
) -> Provider:
    """Give it this name, and this parent if one is said. Raises NotFound, Conflict; BadRequest for a circle, and where
    it has a parent and shall get another one, or none, unless it `may_move`."""
    async with ctx.transaction() as ctx:
        await _hold_trees(ctx)
        before = await get(ctx, provider_id)
        await _check_name(ctx, provider_id, name)
        if parent_id is not UNSET and parent_id != before.parent_id:
            await _move(ctx, before, parent_id, may_move=may_move)
        await store.change(ctx, [provider_id], name=name, updated_at=ctx.now())
        await changed(ctx, KIND, "updated", provider_id, project_id=None)
        return await get(ctx, provider_id)


async def _move(ctx: Ctx, before: Provider, parent_id: str | None, *, may_move: bool) -> None:
    """Put it, with all below, under another parent; without one it becomes a root."""
    if before.parent_id is not None and not may_move:
        how = "un-parenting" if parent_id is None else "re-parenting"
        raise _unsaved(before.id, f"{how} a provider is not currently allowed.")
    root_id = await _root(ctx, before.id, parent_id)
    below = await store.subtree(ctx, before.id)
    if parent_id in below:
        raise _unsaved(before.id, "creating loop in the provider tree is not allowed.")
    await hold(ctx, below)
    await store.change(ctx, [before.id], parent_id=parent_id)
    await store.change(ctx, below, root_id=root_id)
    await renew(ctx, below, steps=0)


async def delete(ctx: Ctx, provider_id: str) -> None:
    """Delete a provider that none is below and nothing is used of, with all it has. Raises NotFound, Conflict."""
    async with ctx.transaction() as ctx:
        await _hold_trees(ctx)
        provider = await held(ctx, provider_id)
        if await store.has_child(ctx, provider_id):
            raise Conflict(
                f"Unable to delete parent resource provider {provider_id}: It has child resource providers.",
                code="placement.resource_provider.cannot_delete_parent",
            )
        for call in _deleted:
            await call(ctx, provider)
        await store.delete(ctx, provider_id)
        await changed(ctx, KIND, "deleted", provider_id, project_id=None)
