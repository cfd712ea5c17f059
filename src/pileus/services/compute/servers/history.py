"""What was done with a server: each operation that was begun for it, and its step log. This *is* os-instance-actions.

A row says what was asked, by whom; how it went is the operation's, for as long as that is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.errors import BadRequest, CloudError
from pileus.kernel.filters import Condition
from pileus.kernel.operations import FACTS, Saga, views
from pileus.kernel.operations.views import LogLine, Operation
from pileus.kernel.paging import Listing, Page, Sort

actions = sa.Table(
    "compute_server_action",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # of the operation
    sa.Column("server_id", sa.Uuid, sa.ForeignKey("compute_server.id", ondelete="CASCADE"), nullable=False),
    sa.Column("action", Text, nullable=False),
    sa.Column("request_id", Text, nullable=False),
    sa.Column("user_id", Text, nullable=False),
    sa.Column("project_id", Text),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Index("compute_server_action_server", "server_id", "started_at", "id"),
)

NAMES = {
    "create_server": "create",
    "delete_server": "delete",
    "reboot_server": "reboot",
    "hard_reboot_server": "reboot",
    "confirm_resize": "confirmResize",
    "revert_resize": "revertResize",
    "confirm_migration": "confirmResize",
    "revert_migration": "revertResize",
    "create_image": "createImage",
    "create_image_of_volumes": "createImage",
    "reimage_server": "rebuild",
    "migrate_live": "live-migration",
}
FINISHED = {"done": "Success", "undone": "Success", "failed": "Error", "parked": "Error", "cancelled": "Error"}


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was begun. `operation` None: so long ago that how it went is not kept any more."""

    id: UUID
    server_id: UUID
    action: str
    request_id: str
    user_id: str
    project_id: str | None
    started_at: float
    operation: Operation | None = None

    @property
    def failed(self) -> bool:
        return self.operation is not None and self.operation.state in {"undone", "parked"}

    @property
    def updated_at(self) -> float:
        ended = self.operation.ended_at if self.operation is not None else None
        return ended or self.started_at


def missing(marker: str) -> CloudError:
    return BadRequest(f"marker [{marker[:80]}] not found")


LISTING = Listing(
    actions.c.request_id,
    {"started_at": actions.c.started_at},
    default=(Sort("started_at", descending=True),),
    missing=missing,
)


def name_of(saga: Saga) -> str:
    plain = saga.name.partition(".")[2]
    return NAMES.get(plain, plain.removesuffix("_server"))


async def note(ctx: Ctx, server_id: UUID, operation_id: UUID, saga: Saga, *, action: str | None = None) -> None:
    """In the transaction that begins an operation: it is one of the server's. `action`: unless it is called like the saga."""
    name = action or name_of(saga)
    row = {"id": operation_id, "server_id": server_id, "action": name, "request_id": ctx.request_id}
    who = {"user_id": ctx.caller.user_id, "project_id": ctx.caller.project_id, "started_at": ctx.now()}
    known = sa.select(actions.c.id).where(actions.c.id == operation_id)
    if (await ctx.execute(known)).first() is None:
        await ctx.execute(actions.insert(), row | who)


async def page(
    ctx: Ctx, server_id: UUID, *, limit: int | None, marker: str | None, since: float | None, before: float | None
) -> tuple[list[Action], Page]:
    """The newest first. Raises BadRequest for a marker that is none."""
    narrowed: list[Condition] = []
    if since is not None:
        narrowed.append(actions.c.started_at >= since)
    if before is not None:
        narrowed.append(actions.c.started_at <= before)
    found = await LISTING.page(
        ctx,
        sa.select(actions).where(*narrowed),
        visible=actions.c.server_id == server_id,
        order=LISTING.order(),
        ask=LISTING.ask(limit, marker),
    )
    return await _whole(ctx, found.rows), found


async def find(ctx: Ctx, server_id: UUID, request_id: str) -> Action | None:
    query = sa.select(actions).where(actions.c.server_id == server_id, actions.c.request_id == request_id)
    found = await _whole(ctx, (await ctx.execute(query.order_by(actions.c.started_at).limit(1))).all())
    return found[0] if found else None


async def _whole(ctx: Ctx, rows: Sequence[sa.Row[Any]]) -> list[Action]:
    known = await views.by_ids(ctx, [row.id for row in rows])
    return [Action(**row._mapping, operation=known.get(row.id)) for row in rows]


async def steps(ctx: Ctx, action: Action, *, facts: bool) -> list[LogLine]:
    """What has come to an end of it, step by step; `facts`: with what is for administrators alone."""
    found: list[LogLine] = []
    for line in await views.log_of(ctx, action.id):
        if line.event in FINISHED:
            found.append(line)
        elif facts and line.event == FACTS and found:
            found[-1] = msgspec.structs.replace(found[-1], note=f"{found[-1].note}\n{line.note}")
    return found
