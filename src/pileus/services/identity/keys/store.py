"""The rows behind token keys. Only this noun imports this module."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.services.identity.keys.rules import Key

keys = sa.Table(
    "identity_fernet_key",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # the key, sealed with the site key for the place of this row
    sa.Column("state", Text, nullable=False),  # staged | primary | secondary
    sa.Column("made_at", sa.Float, nullable=False),
    sa.Column("retired_at", sa.Float),  # when it became secondary: no token was made with it since
    sa.Column(
        "lasts_s", sa.Float, nullable=False, server_default="0"
    ),  # how long a token made with it is valid at most
    sa.Index(
        "identity_fernet_key_one_each",
        "state",
        unique=True,
        sqlite_where=sa.text("state <> 'secondary'"),
        postgresql_where=sa.text("state <> 'secondary'"),
    ),
)


ALL = sa.select(*(keys.c[name] for name in Key.__struct_fields__)).order_by(keys.c.made_at.desc(), keys.c.id)


async def list_(ctx: Ctx) -> list[Key]:
    """Newest first."""
    return [Key(*row) for row in await ctx.execute(ALL)]


async def add(ctx: Ctx, key: Key) -> None:
    await ctx.execute(keys.insert().values(**msgspec.structs.asdict(key)))


async def change(ctx: Ctx, key_id: str, **columns: Any) -> None:
    await ctx.execute(keys.update().where(keys.c.id == key_id).values(**columns))


async def delete(ctx: Ctx, key_id: str) -> None:
    await ctx.execute(keys.delete().where(keys.c.id == key_id))
