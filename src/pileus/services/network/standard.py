"""What every thing of Networking has: an owner, a name, a description, a revision and two times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text
from pileus.kernel.filters import Field


class Standard(msgspec.Struct, frozen=True, kw_only=True):
    """The beginning of every row."""

    id: UUID
    project_id: str
    name: str = ""
    description: str = ""
    revision: int = 0
    created_at: float = 0.0
    updated_at: float = 0.0


def columns() -> list[sa.Column[Any]]:
    """The beginning of every table."""
    return [
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("project_id", Text, nullable=False, index=True),
        sa.Column("name", Text, nullable=False),
        sa.Column("description", Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
    ]


def filters(table: sa.Table) -> dict[str, Field]:
    """The filters that every list has."""
    return {
        "name": Field(table.c.name),
        "description": Field(table.c.description),
        "project_id": Field(table.c.project_id),
        "tenant_id": Field(table.c.project_id),
        "revision_number": Field(table.c.revision, "integer"),
        "created_at": Field(table.c.created_at, "time"),
        "updated_at": Field(table.c.updated_at, "time"),
        "changed_since": Field(table.c.updated_at, "time", fixed="gte"),
    }


def touched(ctx: Ctx, table: sa.Table) -> dict[str, Any]:
    """The columns that every change changes."""
    return {"revision": table.c.revision + 1, "updated_at": ctx.now()}


async def names_of(
    ctx: Ctx, table: sa.Table, project_ids: Sequence[str], *conditions: sa.ColumnElement[bool]
) -> tuple[int, list[str]]:
    """How many rows these projects have of which this holds, and the names of a few."""
    query = sa.select(table.c.name, sa.func.count().over()).where(table.c.project_id.in_(project_ids), *conditions)
    rows = (await ctx.execute(query.order_by(table.c.name).limit(5))).all()
    return (rows[0][1] if rows else 0), [row[0] for row in rows]


async def every_project(ctx: Ctx, table: sa.Table, there: sa.ColumnElement[bool]) -> dict[UUID, str]:
    """Whose each row is of which this holds."""
    found = await ctx.execute(sa.select(table.c.id, table.c.project_id).where(there))
    return {row.id: row.project_id for row in found}
