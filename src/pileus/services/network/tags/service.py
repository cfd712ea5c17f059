"""Tags: what the nouns whose things have some, and their API, may ask for.

A noun says how its things are found and touched:

    TAGGED = Taggable("networks", "network", target, touch)

puts `filters(networks.c.id)` among those of its list, shows `of(ctx, ids)`, and calls `forget` when things go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.filters import Condition
from pileus.services.network.tags import store
from pileus.services.network.tags.store import gathered_of, of

__all__ = [
    "Taggable",
    "add",
    "filters",
    "forget",
    "gathered_of",
    "has",
    "list_",
    "of",
    "put",
    "remove",
    "remove_all",
    "set_",
]

LONGEST = 255
MOST = 50


@dataclass(frozen=True, slots=True)
class Taggable:
    """A noun whose things have tags: where they are in the API, what policies call one, how one is found and touched."""

    collection: str
    noun: str
    target: Callable[[Ctx, UUID], Awaitable[Mapping[str, Any]]]
    touch: Callable[[Ctx, UUID], Awaitable[None]]

    async def seen(self, ctx: Ctx, verb: str, thing_id: UUID) -> None:
        """Raises NotFound, Forbidden."""
        target = await self.target(ctx, thing_id)
        rule = f"{verb}_{self.noun}:tags"
        if not ctx.world.policy.allows(rule, ctx.caller, target):
            raise ctx.world.policy.refusal(rule, ctx.caller, {})


def checked(words: Iterable[str]) -> list[str]:
    """The tags, each once. Raises BadRequest for one that is none, and for too many."""
    found = list(dict.fromkeys(words))
    for word in found:
        if not 0 < len(word) <= LONGEST:
            raise BadRequest(f"Invalid input for tags: '{word[:80]}' is not between 1 and {LONGEST} characters long.")
    if len(found) > MOST:
        raise BadRequest(f"The number of tags exceed the per-resource limit of {MOST}", type="TagsLimit")
    return found


def filters(id_: sa.ColumnElement[UUID]) -> dict[str, Callable[[Sequence[str]], Condition]]:
    """The filters that a list of things with tags has: all of some words, any of them, and neither."""

    def narrow(every: bool, negated: bool) -> Callable[[Sequence[str]], Condition]:
        def condition(values: Sequence[str]) -> Condition:
            words = [word for value in values for word in value.split(",") if word]
            found = store.having(id_, words, every=every) if words else sa.true()
            return sa.not_(found) if negated and words else found

        return condition

    return {
        "tags": narrow(True, False),
        "tags-any": narrow(False, False),
        "not-tags": narrow(True, True),
        "not-tags-any": narrow(False, True),
    }


async def list_(ctx: Ctx, kind: Taggable, thing_id: UUID) -> set[str]:
    """The tags of one thing that the caller may see. Raises NotFound."""
    async with ctx.read() as ctx:
        await kind.seen(ctx, "get", thing_id)
        return (await of(ctx, [thing_id])).get(thing_id, set())


async def has(ctx: Ctx, kind: Taggable, thing_id: UUID, tag: str) -> None:
    """Raises NotFound when it has not."""
    if tag not in await list_(ctx, kind, thing_id):
        raise no_such_tag(tag)


async def set_(ctx: Ctx, kind: Taggable, thing_id: UUID, words: Iterable[str]) -> set[str]:
    """These tags and no others. Raises NotFound, Forbidden, BadRequest."""
    wished = set(checked(words))
    async with ctx.transaction() as ctx:
        await kind.seen(ctx, "update", thing_id)
        before = (await of(ctx, [thing_id])).get(thing_id, set())
        await _change(ctx, kind, thing_id, wished - before, before - wished)
    return wished


async def add(ctx: Ctx, kind: Taggable, thing_id: UUID, words: Iterable[str]) -> set[str]:
    """These tags, too. Raises NotFound, Forbidden, BadRequest."""
    async with ctx.transaction() as ctx:
        await kind.seen(ctx, "update", thing_id)
        before = (await of(ctx, [thing_id])).get(thing_id, set())
        wished = set(checked([*before, *words]))
        await _change(ctx, kind, thing_id, wished - before, set())
    return wished


async def remove(ctx: Ctx, kind: Taggable, thing_id: UUID, tag: str) -> None:
    """Raises NotFound, also for a tag that it does not have."""
    async with ctx.transaction() as ctx:
        await kind.seen(ctx, "delete", thing_id)
        if tag not in (await of(ctx, [thing_id])).get(thing_id, set()):
            raise no_such_tag(tag)
        await _change(ctx, kind, thing_id, set(), {tag})


async def remove_all(ctx: Ctx, kind: Taggable, thing_id: UUID) -> None:
    """Raises NotFound, Forbidden."""
    async with ctx.transaction() as ctx:
        await kind.seen(ctx, "delete", thing_id)
        await _change(ctx, kind, thing_id, set(), (await of(ctx, [thing_id])).get(thing_id, set()))


async def _change(ctx: Ctx, kind: Taggable, thing_id: UUID, new: Collection[str], old: Collection[str]) -> None:
    if not new and not old:
        return
    await kind.touch(ctx, thing_id)  # first: it holds others off who change the same thing
    await store.remove(ctx, thing_id, {*old, *new})
    await store.add(ctx, [(thing_id, tag) for tag in sorted(new)])


def no_such_tag(tag: str) -> NotFound:
    return NotFound(f"Tag {tag[:80]} could not be found.", type="TagNotFound")


# For the nouns


async def put(ctx: Ctx, tagged: Mapping[UUID, Iterable[str]]) -> None:
    """In the open transaction that makes these things: their tags. Raises BadRequest."""
    await store.add(ctx, [(thing_id, tag) for thing_id, words in tagged.items() for tag in checked(words)])


async def forget(ctx: Ctx, thing_ids: Collection[UUID]) -> None:
    """In the open transaction in which these things go."""
    if thing_ids:
        await store.remove_all(ctx, thing_ids)
