"""The rows behind machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.errors import NotFound

machines = sa.Table(
    "demo_machine",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("project_id", Text, nullable=False, index=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("status", Text, nullable=False),  # BUILD | ACTIVE | MOVING | DELETING | ERROR
    sa.Column("host", Text),
    sa.Column("disk_id", sa.Uuid),
    sa.Column("cause", Text),
)
ONE = sa.select(machines).where(machines.c.id == sa.bindparam("id_"))
VISIBLE = ONE.where(machines.c.project_id == sa.bindparam("project_"))


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    project_id: str
    name: str
    status: str
    host: str | None = None
    disk_id: UUID | None = None
    cause: str | None = None


async def find(ctx: Ctx, machine_id: UUID) -> Machine | None:
    row = (await ctx.execute(ONE, {"id_": machine_id})).one_or_none()
    return None if row is None else Machine(**row._mapping)


async def get(ctx: Ctx, machine_id: UUID, *, project_id: str) -> Machine:
    row = (await ctx.execute(VISIBLE, {"id_": machine_id, "project_": project_id})).one_or_none()
    if row is None:
        raise NotFound(f"Machine {machine_id} could not be found.")
    return Machine(**row._mapping)


async def list_(ctx: Ctx, *, project_id: str, limit: int, marker: UUID | None) -> list[Machine]:
    query = sa.select(machines).where(machines.c.project_id == project_id).order_by(machines.c.id).limit(limit)
    if marker is not None:
        query = query.where(machines.c.id > marker)
    return [Machine(**row._mapping) for row in await ctx.execute(query)]


async def add(ctx: Ctx, machine: Machine) -> None:
    await ctx.execute(machines.insert(), msgspec.structs.asdict(machine))


async def change(ctx: Ctx, machine_id: UUID, **columns: Any) -> None:
    await ctx.execute(machines.update().where(machines.c.id == machine_id).values(**columns))


async def remove(ctx: Ctx, machine_id: UUID) -> None:
    await ctx.execute(machines.delete().where(machines.c.id == machine_id))


async def count_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    query = sa.select(machines.c.name, sa.func.count().over()).where(machines.c.project_id.in_(project_ids))
    rows = (await ctx.execute(query.order_by(machines.c.name).limit(5))).all()
    return (rows[0][1] if rows else 0), [row[0] for row in rows]


async def undeleted_of(ctx: Ctx, project_ids: Sequence[str], most: int) -> list[UUID]:
    left = sa.select(machines.c.id).where(machines.c.project_id.in_(project_ids), machines.c.status != "DELETING")
    return list((await ctx.execute(left.order_by(machines.c.id).limit(most))).scalars())


async def disk_ids(ctx: Ctx) -> set[UUID]:
    return set((await ctx.execute(sa.select(machines.c.disk_id).where(machines.c.disk_id.is_not(None)))).scalars())
