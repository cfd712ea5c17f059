"""The table behind QoS specs. Only this noun imports this module."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.filters import Field
from pileus.services.volume.bags import Bag
from pileus.services.volume.lists import Asked, Found, Listed

qos_specs = sa.Table(
    "volume_qos",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("consumer", Text, nullable=False),  # front-end | back-end | both
    sa.Column("created_at", sa.Double, nullable=False),
)
SPECS = Bag("volume_qos_spec")


class Qos(msgspec.Struct, frozen=True, kw_only=True):
    """A row."""

    id: UUID
    name: str
    consumer: str = "back-end"
    created_at: float = 0.0


ALL = sa.select(*(qos_specs.c[name] for name in Qos.__struct_fields__))
LISTED = Listed(
    Qos,
    ALL,
    qos_specs.c.id,
    filters={"name": Field(qos_specs.c.name), "consumer": Field(qos_specs.c.consumer)},
    sorts={"name": qos_specs.c.name, "created_at": qos_specs.c.created_at, "consumer": qos_specs.c.consumer},
)


async def page(ctx: Ctx, asked: Asked) -> Found[Qos]:
    return await LISTED.page(ctx, asked, sa.true())


async def find(ctx: Ctx, qos_id: UUID) -> Qos | None:
    row = (await ctx.execute(ALL.where(qos_specs.c.id == qos_id))).one_or_none()
    return None if row is None else Qos(**row._mapping)


async def named(ctx: Ctx, name: str) -> bool:
    return (await ctx.execute(ALL.where(qos_specs.c.name == name))).first() is not None


async def add(ctx: Ctx, qos: Qos) -> None:
    await ctx.execute(qos_specs.insert(), msgspec.structs.asdict(qos))


async def change(ctx: Ctx, qos_id: UUID, **columns: Any) -> None:
    await ctx.execute(qos_specs.update().where(qos_specs.c.id == qos_id).values(**columns))


async def remove(ctx: Ctx, qos_id: UUID) -> None:
    await SPECS.drop(ctx, qos_id)
    await ctx.execute(qos_specs.delete().where(qos_specs.c.id == qos_id))
