"""Operations: looking, retrying, cancelling. The kernel holds the rows."""

from __future__ import annotations

from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.operations import views
from pileus.kernel.operations.views import LogLine, Operation
from pileus.kernel.paging import Page


class OperationWithLog(msgspec.Struct, frozen=True):
    """An operation and what it did so far, oldest first."""

    operation: Operation
    log: list[LogLine]


async def list_(
    ctx: Ctx, *, state: str | None, subject_id: UUID | None, limit: str | None, marker: str | None
) -> tuple[list[Operation], Page]:
    """One page, newest first."""
    return await views.page(ctx, state=state, subject_id=subject_id, ask=views.LISTING.ask(limit, marker))


async def show(ctx: Ctx, operation_id: UUID) -> OperationWithLog:
    """Raises NotFound."""
    async with ctx.read() as ctx:
        return OperationWithLog(await views.get(ctx, operation_id), await views.log_of(ctx, operation_id))


async def retry(ctx: Ctx, operation_id: UUID) -> None:
    """Let a parked operation go on, wake one that waits. Raises NotFound, Conflict."""
    await views.retry(ctx, operation_id)


async def cancel(ctx: Ctx, operation_id: UUID) -> None:
    """Make it unwind. Raises NotFound, Conflict."""
    await views.cancel(ctx, operation_id)
