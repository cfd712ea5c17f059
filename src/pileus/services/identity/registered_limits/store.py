"""The table behind registered limits. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Field, Found, Listed

registered = sa.Table(
    "identity_registered_limit",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("service_id", Text, sa.ForeignKey("identity_service.id", ondelete="CASCADE"), nullable=False),
    sa.Column("region_id", Text, sa.ForeignKey("identity_region.id", ondelete="CASCADE"), index=True),
    sa.Column("resource_name", Text, nullable=False),
    sa.Column("default_limit", sa.Integer, nullable=False),  # -1: no limit
    sa.Column("description", Text),
    sa.UniqueConstraint("service_id", "region_id", "resource_name", name="identity_registered_limit_uq"),
    sa.Index(
        "identity_registered_limit_anywhere_uq",  # two NULLs are not equal, so those of all regions need one of their own
        "service_id",
        "resource_name",
        unique=True,
        sqlite_where=sa.text("region_id IS NULL"),
        postgresql_where=sa.text("region_id IS NULL"),
    ),
)


class RegisteredLimit(msgspec.Struct, frozen=True):
    id: str
    service_id: str
    region_id: str | None
    resource_name: str
    default_limit: int
    description: str | None

    @property
    def key(self) -> tuple[str, str | None, str]:
        """What there is one of."""
        return self.service_id, self.region_id, self.resource_name


ALL = sa.select(*(registered.c[name] for name in RegisteredLimit.__struct_fields__))
BY_ID = ALL.where(registered.c.id == sa.bindparam("id"))
LISTED = Listed(
    RegisteredLimit,
    ALL,
    registered.c.id,
    filters={name: Field(registered.c[name]) for name in ("service_id", "region_id", "resource_name")},
    sorts={"service_id": registered.c.service_id, "resource_name": registered.c.resource_name},
)


async def page(ctx: Ctx, query: Query) -> Found[RegisteredLimit]:
    """The registered limits that the query string asks for. Raises BadRequest."""
    return await LISTED.page(ctx, query)


async def get(ctx: Ctx, id_: str) -> RegisteredLimit | None:
    row = (await ctx.execute(BY_ID, {"id": id_})).one_or_none()
    return None if row is None else RegisteredLimit(*row)


async def of_services(ctx: Ctx, service_ids: Collection[str]) -> list[RegisteredLimit]:
    return [RegisteredLimit(*row) for row in await ctx.execute(ALL.where(registered.c.service_id.in_(service_ids)))]


async def add(ctx: Ctx, rows: Sequence[RegisteredLimit]) -> None:
    await ctx.execute(registered.insert(), [msgspec.structs.asdict(row) for row in rows])


async def change(ctx: Ctx, id_: str, columns: Mapping[str, Any]) -> None:
    await ctx.execute(registered.update().where(registered.c.id == id_).values(**columns))


async def delete(ctx: Ctx, id_: str) -> None:
    await ctx.execute(registered.delete().where(registered.c.id == id_))
