"""The table behind tags. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata
from pileus.kernel.db.given import gathered
from pileus.kernel.filters import Condition

tags = sa.Table(
    "network_tag",
    metadata,
    sa.Column("thing_id", sa.Uuid, primary_key=True),
    sa.Column("tag", Text, primary_key=True),
    sa.Index("network_tag_tag_ix", "tag"),
)

OF = sa.select(tags.c.thing_id, tags.c.tag).where(among(tags.c.thing_id, "ids_"))
ADD = tags.insert()
REMOVE_ALL = tags.delete().where(among(tags.c.thing_id, "ids_"))


async def of(ctx: Ctx, thing_ids: Collection[UUID]) -> dict[UUID, set[str]]:
    """The tags of each; no entry for one without."""
    found: dict[UUID, set[str]] = {}
    if thing_ids:
        for thing_id, tag in await ctx.execute(OF, {"ids_": thing_ids}):
            found.setdefault(thing_id, set()).add(tag)
    return found


def gathered_of(id_: sa.Column[UUID]) -> sa.ScalarSelect[Any]:
    """The tags of a row that a SELECT is about."""
    return gathered(tags.c.tag, tags.c.thing_id == id_)


async def add(ctx: Ctx, rows: Sequence[tuple[UUID, str]]) -> None:
    if rows:
        await ctx.execute(ADD, [{"thing_id": thing_id, "tag": tag} for thing_id, tag in rows])


async def remove(ctx: Ctx, thing_id: UUID, words: Collection[str]) -> None:
    await ctx.execute(tags.delete().where(tags.c.thing_id == thing_id, tags.c.tag.in_(list(words))))


async def remove_all(ctx: Ctx, thing_ids: Collection[UUID]) -> None:
    await ctx.execute(REMOVE_ALL, {"ids_": thing_ids})


def having(id_: sa.ColumnElement[UUID], words: Sequence[str], *, every: bool) -> Condition:
    """The things that have all of these tags, or any of them."""
    if not every:
        return id_.in_(sa.select(tags.c.thing_id).where(tags.c.tag.in_(list(words))))
    return sa.and_(sa.true(), *(id_.in_(sa.select(tags.c.thing_id).where(tags.c.tag == word)) for word in words))
