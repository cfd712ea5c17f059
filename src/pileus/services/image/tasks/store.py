"""Operations that import, read as tasks. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.operations.tables import operations
from pileus.kernel.paging import Listing, Page, Sort

SAGA = "image.import_image@1"
KEPT_S = 48 * 3600.0
STATES = {"running": "processing", "undoing": "processing", "done": "success", "undone": "failure", "parked": "failure"}


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """An import. Times are seconds since the epoch."""

    id: UUID
    image_id: UUID
    status: str
    owner: str | None
    user_id: str
    request_id: str
    asked: dict[str, Any]
    message: str
    created_at: float
    updated_at: float
    expires_at: float | None


ALL = sa.select(operations).where(operations.c.saga == SAGA)
LISTING = Listing(
    operations.c.id,
    {"created_at": operations.c.created_at, "updated_at": operations.c.ended_at, "status": operations.c.state},
    default=(Sort("created_at", descending=True),),
)


def task_of(row: Mapping[Any, Any]) -> Task:
    ended = row["ended_at"]
    return Task(
        id=row["id"],
        image_id=row["subject_id"],
        status=STATES[row["state"]],
        owner=row["project_id"],
        user_id=row["caller"]["user_id"],
        request_id=row["request_id"],
        asked=row["memo"]["asked"],
        message=(row["cause"] or "") if STATES[row["state"]] == "failure" else "",
        created_at=row["created_at"],
        updated_at=ended or row["created_at"],
        expires_at=ended + KEPT_S if ended else None,
    )


async def page(ctx: Ctx, status: str | None, sort: Sort, limit: int, marker: str | None) -> tuple[list[Task], Page]:
    query = ALL if status is None else ALL.where(operations.c.state.in_([s for s, t in STATES.items() if t == status]))
    ask = LISTING.ask(limit, marker)
    found = await LISTING.page(ctx, query, visible=operations.c.saga == SAGA, order=LISTING.order([sort]), ask=ask)
    return [task_of(row._mapping) for row in found.rows], found


async def find(ctx: Ctx, task_id: UUID) -> Task | None:
    row = (await ctx.execute(ALL.where(operations.c.id == task_id))).one_or_none()
    return None if row is None else task_of(row._mapping)


async def of_image(ctx: Ctx, image_id: UUID) -> list[Task]:
    """Newest first."""
    mine = ALL.where(operations.c.subject_id == image_id).order_by(operations.c.created_at.desc(), operations.c.id)
    return [task_of(row._mapping) for row in await ctx.execute(mine)]
