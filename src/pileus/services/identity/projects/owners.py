"""What projects own outside of Identity: how much of it there is, and how it goes.

    @owner("compute.server")
    async def owned(ctx: Ctx, ids: Sequence[str]) -> Owned: ...

    @owned.delete
    async def delete_some(ctx: Ctx, ids: Sequence[str]) -> int: ...

stands in the noun whose things belong to projects. A project that owns something is not deleted, unless with all of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

import msgspec

from pileus.kernel.context import Ctx

BATCH = 500
NAMES = 5


class Owned(msgspec.Struct, frozen=True):
    """What some projects have of one kind: how many things, and the names of the first few."""

    count: int
    names: list[str]


class Line(msgspec.Struct, frozen=True):
    """One kind of what would be left behind."""

    kind: str
    count: int
    names: list[str]


Count = Callable[[Ctx, Sequence[str]], Awaitable[Owned]]
Named = Callable[[Ctx, Sequence[str]], Awaitable[tuple[int, list[str]]]]
Delete = Callable[[Ctx, Sequence[str]], Awaitable[int]]


class Owner:
    """A noun whose things belong to projects.

    `count` counts what is on its way out, too: a project is gone when the last thing of it is.
    """

    def __init__(self, kind: str, count: Count, *, at_once: bool) -> None:
        self.kind, self.count, self.at_once = kind, count, at_once
        self._delete: Delete | None = None

    def delete(self, call: Delete) -> Delete:
        """Declare what sees to it that these projects' things are deleted, in the open transaction.

        It takes on so many as fit into one transaction of those that are not being deleted yet, and says how many: it
        deletes rows (`at_once`), or starts operations, in the order of their subjects. It is asked again until `count`
        is 0, so it may pass over what cannot go yet, and it tries again what could not be deleted.
        """
        self._delete = call
        return call

    async def delete_some(self, ctx: Ctx, ids: Sequence[str]) -> int:
        assert self._delete is not None, f"nobody says how {self.kind} is deleted"
        return await self._delete(ctx, ids)


_owners: dict[str, Owner] = {}


def owner(kind: str, *, at_once: bool = False) -> Callable[[Count], Owner]:
    """Declare a kind of things (service.noun, as events have it) that belong to projects, by what counts them.

    `at_once`: they are rows and nothing else, so that deleting them needs no operation. Raises ValueError for a kind
    that is declared already.
    """

    def declare(count: Count) -> Owner:
        if kind in _owners:
            raise ValueError(f"{kind} has two owners")
        _owners[kind] = made = Owner(kind, count, at_once=at_once)
        return made

    return declare


def owned_by(kind: str, named: Named, delete: Delete, *, at_once: bool = False) -> None:
    """Declare a kind by two functions of its noun: how many there are with the names of a few, and what deletes some."""

    async def count(ctx: Ctx, ids: Sequence[str]) -> Owned:
        return Owned(*await named(ctx, ids))

    owner(kind, at_once=at_once)(count).delete(delete)


async def left(ctx: Ctx, ids: Sequence[str]) -> list[Line]:
    """What these projects own, by kinds that are there. What stands on other things comes before them."""
    found = [(each.kind, await _owned(ctx, each, ids)) for each in _in_order()]
    return [Line(kind, owned.count, owned.names) for kind, owned in found if owned.count]


async def _owned(ctx: Ctx, owner: Owner, ids: Sequence[str]) -> Owned:
    parts = [await owner.count(ctx, batch) for batch in batches(ids)]
    names = [name for part in parts for name in part.names]
    return Owned(sum(part.count for part in parts), names[:NAMES])


async def delete_some(ctx: Ctx, ids: Sequence[str]) -> int:
    """Begin to delete what these projects own. Returns how many things were taken on by this call.

    A transaction for each owner, unless one is open: so that each takes locks in an order of its own.
    """
    taken = 0
    for each in _in_order():
        for batch in batches(ids):
            async with ctx.transaction() as writing:
                taken += await each.delete_some(writing, batch)
    return taken


def all_at_once(lines: Iterable[Line]) -> bool:
    """Whether all that is owned are rows and nothing else."""
    return all(_owners[each.kind].at_once for each in lines if each.kind in _owners)


def _in_order() -> Iterator[Owner]:
    """Who was declared last first: a service is imported after those it stands on."""
    return reversed(_owners.values())


def batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids in parts that fit into one statement."""
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
