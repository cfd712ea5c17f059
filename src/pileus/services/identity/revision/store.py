"""One row. Only this noun imports this module."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata

revisions = sa.Table(
    "identity_revision",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),  # always 1
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("mark", Text, nullable=False),  # random: tells apart what has the same number in a restored database
    sa.CheckConstraint("one = 1", name="identity_revision_one"),
)


class Revision(NamedTuple):
    number: int
    mark: str


CURRENT = sa.select(revisions.c.number, revisions.c.mark)
QUESTION = str(CURRENT)  # each request asks it
BUMP = (
    revisions.update()
    .values(number=revisions.c.number + 1, mark=sa.bindparam("new_mark"))
    .returning(revisions.c.number, revisions.c.mark)
)


async def current(ctx: Ctx) -> Revision | None:
    row = await ctx.look(QUESTION)
    return None if row is None else Revision(row[0], row[1])


async def bump(ctx: Ctx, mark: str) -> Revision:
    number, mark = (await ctx.execute(BUMP, {"new_mark": mark})).one()
    return Revision(number, mark)


async def hold(ctx: Ctx) -> None:
    """Hold off whoever would bump it until this transaction ends. (On SQLite every transaction does.)"""
    await ctx.hold(CURRENT.with_for_update())


async def add(ctx: Ctx, mark: str) -> None:
    await ctx.execute(revisions.insert().values(one=1, number=1, mark=mark))
