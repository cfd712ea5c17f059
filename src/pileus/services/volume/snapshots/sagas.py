"""Long operations on snapshots. Read top to bottom: that is the order they run in."""

from __future__ import annotations

from typing import Any

from pileus.engines.blocks import Snapshot
from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.operations import Op, Saga, wake_subject
from pileus.services.volume.messages import service as messages
from pileus.services.volume.snapshots import store

KIND = "volume.snapshot"
COPY_S = 3600.0


async def told(ctx: Ctx, snapshot: store.Snapshot) -> None:
    await changed(ctx, KIND, "updated", snapshot.id, project_id=snapshot.project_id)


async def fail(op: Op, action: str, status: str) -> None:
    """The snapshot says that and why it is in error, and so does a message to its project; not if it is to be deleted."""
    snapshot = await store.find(op.ctx, op.subject_id)
    if snapshot is not None and op.successor is None:
        await store.change(op.ctx, snapshot.id, status=status, cause=op.cause, updated_at=op.ctx.now())
        resource = ("VOLUME_SNAPSHOT", snapshot.id, snapshot.project_id)
        await messages.tell(op.ctx, action, resource, op.cause)
        await told(op.ctx, snapshot)


create_snapshot = Saga("volume.create_snapshot")


@create_snapshot.step(deadline_s=COPY_S)
async def take(op: Op) -> Any:
    snapshot = await store.find(op.ctx, op.subject_id)
    assert snapshot is not None
    spec = Snapshot(id=snapshot.id, volume_id=snapshot.volume_id)
    return await op.engine("blocks", op.memo["host"]).ensure_snapshot(spec)


@take.undo
async def untake(op: Op) -> Any:
    return await op.settle(op.memo["host"], "blocks", "ensure_snapshot_gone", op.subject_id)


@create_snapshot.rows
async def mark_available(op: Op) -> None:
    snapshot = await store.find(op.ctx, op.subject_id)
    assert snapshot is not None
    done = {"status": "available", "progress": "100%", "cause": None, "updated_at": op.ctx.now()}
    await store.change(op.ctx, snapshot.id, **done)
    await told(op.ctx, snapshot)


@create_snapshot.undone
@create_snapshot.parked
async def mark_untaken(op: Op) -> None:
    await fail(op, "create snapshot", "error")


delete_snapshot = Saga("volume.delete_snapshot")


@delete_snapshot.rows(point_of_no_return=True)
async def mark_deleting(op: Op) -> dict[str, Any]:
    snapshot = await store.find(op.ctx, op.subject_id)
    await store.change(op.ctx, op.subject_id, status="deleting", updated_at=op.ctx.now())
    return {"host": snapshot.host if snapshot else None}


@delete_snapshot.step(deadline_s=600)
async def destroy(op: Op) -> Any:
    host = op.memo["mark_deleting"]["host"]
    return await op.settle(host, "blocks", "ensure_snapshot_gone", op.subject_id) if host else None


@delete_snapshot.rows
async def forget(op: Op) -> None:
    """A volume that goes, too, may be waiting for it."""
    snapshot = await store.find(op.ctx, op.subject_id)
    await store.remove(op.ctx, op.subject_id)
    if snapshot is not None:
        await changed(op.ctx, KIND, "deleted", snapshot.id, project_id=snapshot.project_id)
        await wake_subject(op.ctx, snapshot.volume_id)


@delete_snapshot.parked
async def mark_undeleted(op: Op) -> None:
    await fail(op, "delete snapshot", "error_deleting")
