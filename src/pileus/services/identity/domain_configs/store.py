"""The table behind the configuration of domains. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata

options = sa.Table(
    "identity_domain_config",
    metadata,
    sa.Column("domain_id", Text, sa.ForeignKey("identity_project.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("group", Text, primary_key=True),
    sa.Column("option", Text, primary_key=True),
    sa.Column("value", JSON, nullable=False),  # null for a secret
    sa.Column("sealed", sa.LargeBinary),  # a secret: its value as JSON, sealed for this row
)


class Option(msgspec.Struct, frozen=True):
    group: str
    option: str
    value: Any
    sealed: bytes | None


ALL = (
    sa.select(options.c.group, options.c.option, options.c.value, options.c.sealed)
    .where(options.c.domain_id == sa.bindparam("domain_id"))
    .order_by(options.c.group, options.c.option)
)


async def list_(ctx: Ctx, domain_id: str) -> list[Option]:
    return [Option(*row) for row in await ctx.execute(ALL, {"domain_id": domain_id})]


async def put(ctx: Ctx, domain_id: str, written: Iterable[Option]) -> None:
    """Write each, in place of the one of its name."""
    rows = [{"domain_id": domain_id, **msgspec.structs.asdict(each)} for each in written]
    for row in rows:
        await delete(ctx, domain_id, row["group"], row["option"])
    await ctx.execute(options.insert(), rows)


async def delete(ctx: Ctx, domain_id: str, group: str | None = None, option: str | None = None) -> None:
    """All of a domain; of a group; or one."""
    rows = options.delete().where(options.c.domain_id == domain_id)
    if group is not None:
        rows = rows.where(options.c.group == group)
    if option is not None:
        rows = rows.where(options.c.option == option)
    await ctx.execute(rows)
