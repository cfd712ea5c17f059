"""/v2.0/<collection>/{..._id}/tags, of every noun whose things have tags."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from pileus.kernel.context import Ctx
from pileus.kernel.http import Body
from pileus.services.network.http import api
from pileus.services.network.tags import service
from pileus.services.network.tags.service import Taggable

Tag = Annotated[str, Meta(min_length=1, max_length=service.LONGEST)]
Handler = Callable[..., Any]


class Tags(Body, frozen=True):
    tags: list[Tag]


async def list_tags(kind: Taggable, ctx: Ctx, thing_id: UUID) -> list[str]:
    return sorted(await service.list_(ctx, kind, thing_id))


async def has_tag(kind: Taggable, ctx: Ctx, thing_id: UUID, tag: str) -> None:
    await service.has(ctx, kind, thing_id, tag)


async def set_tags(kind: Taggable, ctx: Ctx, thing_id: UUID, body: Tags) -> dict[str, Any]:
    return {"tags": sorted(await service.set_(ctx, kind, thing_id, body.tags))}


async def add_tags(kind: Taggable, ctx: Ctx, thing_id: UUID, body: Tags) -> dict[str, Any]:
    return {"tags": sorted(await service.add(ctx, kind, thing_id, body.tags))}


async def add_tag(kind: Taggable, ctx: Ctx, thing_id: UUID, tag: str) -> None:
    await service.add(ctx, kind, thing_id, [tag])


async def remove_tag(kind: Taggable, ctx: Ctx, thing_id: UUID, tag: str) -> None:
    await service.remove(ctx, kind, thing_id, tag)


async def remove_tags(kind: Taggable, ctx: Ctx, thing_id: UUID) -> None:
    await service.remove_all(ctx, kind, thing_id)


def declare(kind: Taggable) -> None:
    """The routes of one noun."""
    id_, rule = f"{kind.noun}_id", f"{kind.noun}:tags"
    all_, one = f"/v2.0/{kind.collection}/{{{id_}}}/tags", f"/v2.0/{kind.collection}/{{{id_}}}/tags/{{tag}}"

    def of(handler: Handler) -> Handler:
        return named(handler, kind, id_)

    api.get(all_, rule=f"get_{rule}", wrap="tags")(of(list_tags))
    api.put(all_, rule=f"update_{rule}")(of(set_tags))
    api.post(all_, rule=f"update_{rule}", status=201)(of(add_tags))
    api.delete(all_, rule=f"delete_{rule}", status=204)(of(remove_tags))
    api.get(one, rule=f"get_{rule}", status=204)(of(has_tag))
    api.put(one, rule=f"update_{rule}", status=201)(of(add_tag))
    api.delete(one, rule=f"delete_{rule}", status=204)(of(remove_tag))


def named(handler: Handler, kind: Taggable, name: str) -> Handler:
    """The handler for one noun, whose `thing_id` has the name that it has in the noun's paths."""

    async def renamed(ctx: Ctx, **asked: Any) -> Any:
        return await handler(kind, ctx, thing_id=asked.pop(name), **asked)

    hints = {key: hint for key, hint in typing.get_type_hints(handler, include_extras=True).items() if key != "kind"}
    hints = {name if key == "thing_id" else key: hint for key, hint in hints.items()}
    order = [key for key in hints if key != "return"]
    kinds = partial(inspect.Parameter, kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
    renamed.__signature__ = inspect.Signature([kinds(key) for key in order])  # type: ignore[attr-defined]
    renamed.__annotations__ = hints
    renamed.__name__ = f"{handler.__name__}_of_{kind.noun}"
    return renamed
