"""Migrations: what Compute remembers of servers that went from one host to another, or were made larger where they are.

A row has the id of the operation that does it. It is written in the transaction that begins that operation, and its status in
the commits of its steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.filters import Condition
from pileus.kernel.hosts import Host, on_report
from pileus.kernel.paging import Page
from pileus.services.compute.migrations import store
from pileus.services.compute.migrations.store import Migration

__all__ = [
    "EVACUATION",
    "IN_PROGRESS",
    "LIVE",
    "MIGRATION",
    "RESIZE",
    "Migration",
    "begin",
    "change",
    "complete",
    "decide",
    "get",
    "of_server",
    "page",
]

MIGRATION, RESIZE, EVACUATION, LIVE = "migration", "resize", "evacuation", "live-migration"
IN_PROGRESS = ("queued", "preparing", "running", "post-migrating")
UNDECIDED = "finished"  # moved or resized, and not confirmed yet

c = store.migrations.c
FILTERS: Mapping[str, sa.ColumnElement[Any]] = {
    "instance_uuid": c.server_id,
    "migration_type": c.type,
    "source_compute": c.source,
    "status": c.status,
    "project_id": c.project_id,
    "user_id": c.user_id,
}


async def begin(ctx: Ctx, operation_id: UUID, server_id: UUID, **columns: Any) -> None:
    """In the transaction that begins the operation: `type`, `status`, `source`, `old_flavor`, `new_flavor`, and `dest`."""
    who = {"user_id": ctx.caller.user_id, "project_id": ctx.caller.project_id}
    await store.add(ctx, id=operation_id, server_id=server_id, **who, **columns)


async def change(ctx: Ctx, operation_id: UUID, **columns: Any) -> None:
    """In a step's commit: how far it has come. May be repeated."""
    await store.change(ctx, c.id == operation_id, **columns)


async def decide(ctx: Ctx, server_id: UUID, status: str) -> None:
    """The server's owner, or who asked for it, has confirmed or reverted what was finished."""
    await store.change(ctx, sa.and_(c.server_id == server_id, c.status == UNDECIDED), status=status)


@on_report
async def reported(ctx: Ctx, host: Host) -> None:
    if host.usable:
        await complete(ctx, host.name)


async def complete(ctx: Ctx, host: str) -> None:
    """The host is used again: it has nothing left of the servers that were evacuated from it."""
    await store.complete(ctx, host)


async def get(ctx: Ctx, operation_id: UUID) -> Migration:
    [found] = await store.find(ctx, c.id == operation_id)
    return found


async def of_server(ctx: Ctx, server_id: UUID) -> list[Migration]:
    """Oldest first."""
    return await store.find(ctx, c.server_id == server_id)


async def page(
    ctx: Ctx,
    given: Mapping[str, str],
    *,
    limit: int | None = None,
    marker: str | None = None,
    since: float | None = None,
    before: float | None = None,
) -> tuple[list[Migration], Page]:
    """Those with these facts, the newest first; `host`: of either end. Raises BadRequest for a marker that is none."""
    narrowed: list[Condition] = [equal(FILTERS[name], text) for name, text in given.items() if name in FILTERS]
    if "host" in given:
        narrowed.append(sa.or_(c.source == given["host"], c.dest == given["host"]))
    narrowed += [c.updated_at >= since] if since is not None else []
    narrowed += [c.updated_at <= before] if before is not None else []
    return await store.page(ctx, narrowed, sa.true(), limit=limit, marker=marker)


def equal(column: sa.ColumnElement[Any], text: str) -> Condition:
    """What no id can be is nobody's."""
    if not isinstance(column.type, sa.Uuid):
        return column == text
    try:
        return column == UUID(text)
    except ValueError:
        return sa.false()
