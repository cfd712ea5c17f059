"""Pairs of texts that things carry with them: metadata of volumes and snapshots, what a volume knows of its image, specs.

    METADATA = Bag("volume_metadata")

stands in a noun's store.py. Whoever writes holds the thing's row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata
from pileus.kernel.filters import Condition


class Bag:
    """A table of (thing, key, value)."""

    def __init__(self, name: str) -> None:
        self.table = sa.Table(
            name,
            metadata,
            sa.Column("owner_id", sa.Uuid, primary_key=True),
            sa.Column("key", Text, primary_key=True),
            sa.Column("value", Text, nullable=False),
            sa.Index(f"{name}_key_ix", "key", "value", "owner_id"),
        )
        columns, self._add = self.table.c, self.table.insert()
        self._of = self.table.select().where(among(columns.owner_id, "ids_")).order_by(columns.key)
        self._drop = self.table.delete().where(columns.owner_id == sa.bindparam("id_"))
        self._drop_some = self._drop.where(among(columns.key, "keys_"))

    async def of(self, ctx: Ctx, owner_id: UUID) -> dict[str, str]:
        """What one thing has, in the order of keys."""
        return (await self.of_all(ctx, [owner_id]))[owner_id]

    async def of_all(self, ctx: Ctx, owner_ids: Collection[UUID]) -> dict[UUID, dict[str, str]]:
        """What each of these has, by one query."""
        found: dict[UUID, dict[str, str]] = {owner_id: {} for owner_id in owner_ids}
        if found:
            for owner_id, key, value in await ctx.execute(self._of, {"ids_": found}):
                found[owner_id][key] = value
        return found

    async def put(self, ctx: Ctx, owner_id: UUID, pairs: Mapping[str, str], *, replace: bool = False) -> None:
        """Set these; with `replace` all others go."""
        if replace:
            await ctx.execute(self._drop, {"id_": owner_id})
        elif pairs:
            await ctx.execute(self._drop_some, {"id_": owner_id, "keys_": pairs})
        if pairs:
            rows = [{"owner_id": owner_id, "key": key, "value": value} for key, value in pairs.items()]
            await ctx.execute(self._add, rows)

    async def drop(self, ctx: Ctx, owner_id: UUID, key: str | None = None) -> bool:
        """Take one away, or all. Whether there was any."""
        if key is None:
            return bool((await ctx.execute(self._drop, {"id_": owner_id})).rowcount)
        return bool((await ctx.execute(self._drop_some, {"id_": owner_id, "keys_": [key]})).rowcount)

    def having(self, owner: sa.ColumnElement[Any], pairs: Mapping[str, str]) -> Condition:
        """Of things that have all of these."""
        owners = sa.select(self.table.c.owner_id)
        return sa.and_(
            sa.true(),
            *(owner.in_(owners.where(self.table.c.key == k, self.table.c.value == v)) for k, v in pairs.items()),
        )
