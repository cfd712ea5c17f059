"""Resource classes: what the rest of Placement may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.services.placement.names import CUSTOM, Name
from pileus.services.placement.resource_classes.store import names

__all__ = ["Name", "create", "delete", "ensure", "get", "hold", "list_", "missing", "on_delete", "on_rename", "rename"]

_deleted: list[Callable[[Ctx, str], Awaitable[None]]] = []
_renamed: list[Callable[[Ctx, str, str], Awaitable[None]]] = []

list_ = names.list_
missing = names.missing
hold = names.hold


def on_delete(call: Callable[[Ctx, str], Awaitable[None]]) -> Callable[[Ctx, str], Awaitable[None]]:
    """Call this with the name of a class in the transaction that deletes it. It may raise, and so keep it. For nouns above."""
    _deleted.append(call)
    return call


def on_rename(call: Callable[[Ctx, str, str], Awaitable[None]]) -> Callable[[Ctx, str, str], Awaitable[None]]:
    """Call this with the old and the new name of a class in the transaction that renames it. For nouns above."""
    _renamed.append(call)
    return call


def _check(name: str) -> None:
    if CUSTOM.fullmatch(name) is None:
        raise BadRequest(
            f"Invalid resource class {name[:255]!r}: a custom one begins with CUSTOM_, has only A-Z, 0-9 and _, and "
            "is at most 255 long."
        )


async def get(ctx: Ctx, name: str) -> Name:
    """Raises NotFound."""
    found = await names.find(ctx, name)
    if found is None:
        raise NotFound(f"No such resource class {name}.")
    return found


async def ensure(ctx: Ctx, name: str) -> bool:
    """See to it that there is this custom class. Returns whether it is new. Raises BadRequest."""
    _check(name)
    return await names.ensure(ctx, name)


async def create(ctx: Ctx, name: str) -> None:
    """A custom class. Raises BadRequest, and Conflict when there is one."""
    if not await ensure(ctx, name):
        raise Conflict(f"Conflicting resource class already exists: {name}")


async def rename(ctx: Ctx, name: str, new: str) -> Name:
    """Give a custom class another name, wherever it is used. Raises NotFound, BadRequest, Conflict."""
    _check(new)
    async with ctx.transaction() as ctx:
        await hold(ctx, [name, new])
        await get(ctx, name)
        if name in names.standard:
            raise BadRequest(f"Cannot update standard resource class {name}")
        if name != new and await names.find(ctx, new) is not None:
            raise Conflict(f"Resource class already exists: {new}")
        await names.rename(ctx, name, new)
        for call in _renamed:
            await call(ctx, name, new)
        return await get(ctx, new)


async def delete(ctx: Ctx, name: str) -> None:
    """Delete a custom class that no inventory is of. Raises NotFound, BadRequest, Conflict."""
    async with ctx.transaction() as ctx:
        await hold(ctx, [name])
        await get(ctx, name)
        if name in names.standard:
            raise BadRequest(f"Error in delete resource class: Cannot delete standard resource class {name}.")
        for call in _deleted:
            await call(ctx, name)
        await names.remove(ctx, name)
