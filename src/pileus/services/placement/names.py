"""Names of things that are counted or said of providers: the standard ones, which are data, and custom ones, which are rows.

Resource classes and traits are such vocabularies. A custom name begins with CUSTOM_; whoever refers to one in a row of his
own holds it (`hold`) while he writes, so that nobody takes it away in between.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

import msgspec
import sqlalchemy as sa

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata

CUSTOM = re.compile(r"CUSTOM_[A-Z0-9_]{1,248}")


class Name(msgspec.Struct, frozen=True):
    name: str
    updated_at: float | None = None  # None: a standard one


class Vocabulary:
    """The names of one kind (`resource_class`), in a table of their own."""

    def __init__(self, kind: str, standard: Sequence[str]) -> None:
        self.kind, self.standard = kind, dict.fromkeys(standard)
        self.rows = sa.Table(
            f"placement_{kind}",
            metadata,
            sa.Column("name", Text, primary_key=True),  # CUSTOM_...
            sa.Column("updated_at", sa.Double, nullable=False),
        )
        self._all = sa.select(self.rows.c.name, self.rows.c.updated_at)
        self._named = self._all.where(self.rows.c.name.in_(sa.bindparam("names", expanding=True)))

    async def list_(self, ctx: Ctx) -> list[Name]:
        """The standard ones in their order, then the custom ones by name."""
        rows = await ctx.execute(self._all.order_by(self.rows.c.name))
        return [*(Name(each) for each in self.standard), *(Name(*row) for row in rows)]

    async def find(self, ctx: Ctx, name: str) -> Name | None:
        if name in self.standard:
            return Name(name)
        row = (await ctx.execute(self._named, {"names": [name]})).one_or_none()
        return None if row is None else Name(*row)

    async def missing(self, ctx: Ctx, names: Collection[str]) -> list[str]:
        """Those that there are not, in order. At most one query."""
        custom = sorted(set(names) - self.standard.keys())
        if not custom:
            return []
        found = {row.name for row in await ctx.execute(self._named, {"names": custom})}
        return [each for each in custom if each not in found]

    async def hold(self, ctx: Ctx, names: Iterable[str]) -> None:
        """Keep these from being taken away until the open transaction ends. Standard ones always stay."""
        for name in sorted(set(names) - self.standard.keys()):
            await ctx.lock(self.kind, name)

    async def ensure(self, ctx: Ctx, name: str) -> bool:
        """See to it that there is this custom name. Returns whether it is new."""
        async with ctx.transaction() as ctx:
            await self.hold(ctx, [name])
            if await self.find(ctx, name) is not None:
                return False
            await ctx.execute(self.rows.insert().values(name=name, updated_at=ctx.now()))
            await changed(ctx, f"placement.{self.kind}", "created", name, project_id=None)
        return True

    async def rename(self, ctx: Ctx, name: str, new: str) -> None:
        """In the open transaction, which holds both."""
        await ctx.execute(self.rows.update().where(self.rows.c.name == name).values(name=new, updated_at=ctx.now()))
        await changed(ctx, f"placement.{self.kind}", "updated", new, project_id=None)

    async def remove(self, ctx: Ctx, name: str) -> None:
        """In the open transaction, which holds it."""
        await ctx.execute(self.rows.delete().where(self.rows.c.name == name))
        await changed(ctx, f"placement.{self.kind}", "deleted", name, project_id=None)
