"""Who did what: one row for each transaction that changed something, written in that transaction.

The row's id is drawn anew for each transaction. When COMMIT was sent and its answer lost, the same id is written again: if
it is taken, the transaction came through; if it still waits for the outcome, so does the second insert. Nothing a request
carries beyond its path enters a row: no body, no header, no query.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, replace
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Connection, Text, insert_if_new, metadata

LONGEST_PATH = 512

audits = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # of the transaction
    sa.Column("request_id", Text, nullable=False, index=True),
    sa.Column("global_request_id", Text),
    sa.Column("at", sa.Double, nullable=False, index=True),  # seconds since the epoch
    sa.Column("user_id", Text, nullable=False),
    sa.Column("project_id", Text),
    sa.Column("action", Text, nullable=False),  # the policy rule that let it pass
    sa.Column("method", Text, nullable=False),
    sa.Column("path", Text, nullable=False),
    sa.Column("target_type", Text),  # compute.server
    sa.Column("target_id", Text),
    sa.Column("outcome", Text, nullable=False),  # success: a row is there only when its change is
)

ADD = audits.insert()
SUCCESS = "success"

_written: ContextVar[UUID | None] = ContextVar("audit_written", default=None)  # by this task's last transaction
_about: ContextVar[tuple[Connection, str, str] | None] = ContextVar("audit_about", default=None)


def audited(ctx: Ctx, *, action: str, method: str, path: str) -> Ctx:
    """A Ctx whose every transaction leaves a row. `path` without its query; a longer one is cut."""
    trail = _Trail(ctx, action, method, path[:LONGEST_PATH])
    return replace(ctx, closing=trail.write, probe=trail.came_through)


def about(ctx: Ctx, target_type: str, target_id: object) -> None:
    """Say in the open transaction which thing it is about; the last one said counts."""
    if ctx.connection is None or not ctx.connection.writes:
        raise AssertionError("nothing is written here that could be about something")
    _about.set((ctx.connection, target_type, str(target_id)))


@dataclass(frozen=True, slots=True)
class _Trail:
    """What a request's rows have in common."""

    ctx: Ctx
    action: str
    method: str
    path: str

    async def write(self, tx: Ctx) -> None:
        """Last in each transaction. The id is kept for the task that awaits the COMMIT: it is the one to ask for it."""
        said = _about.get()
        known = said is not None and said[0] is tx.connection
        audit_id = tx.world.ids.uuid()
        _written.set(audit_id)
        await tx.execute(ADD, self._row(tx, audit_id, said[1:] if said and known else (None, None)))

    async def came_through(self, connection: Connection) -> bool:
        """Whether the transaction that this task has just tried to commit is there. Waits while that is undecided."""
        audit_id = _written.get()
        if audit_id is None:
            return False
        row = self._row(self.ctx, audit_id, (None, None))
        inserted = await connection.execute(insert_if_new(audits), row)
        if inserted.rowcount == 0:
            return True
        await connection.execute(audits.delete().where(audits.c.id == audit_id))
        return False

    def _row(self, ctx: Ctx, audit_id: UUID, target: tuple[str | None, str | None]) -> dict[str, object]:
        return {
            "id": audit_id,
            "request_id": ctx.request_id,
            "global_request_id": ctx.global_request_id,
            "at": ctx.now(),
            "user_id": ctx.caller.user_id,
            "project_id": ctx.caller.project_id,
            "action": self.action,
            "method": self.method,
            "path": self.path,
            "target_type": target[0],
            "target_id": target[1],
            "outcome": SUCCESS,
        }


async def purge(ctx: Ctx, before: float, batch: int = 1000) -> int:
    """Delete at most `batch` rows older than `before` (seconds since the epoch), the oldest first. Returns how many."""
    oldest = sa.select(audits.c.id).where(audits.c.at < before).order_by(audits.c.at, audits.c.id).limit(batch)
    async with ctx.transaction() as tx:
        return (await tx.execute(audits.delete().where(audits.c.id.in_(oldest)))).rowcount
