"""Attachments of who has no operation of its own: clients that ask for a connection by HTTP."""

from __future__ import annotations

from typing import Any

from pileus.kernel.operations import Op, Saga
from pileus.services.volume.attachments import states, store
from pileus.services.volume.messages import service as messages

connect_attachment = Saga("volume.connect_attachment")


@connect_attachment.step
async def export(op: Op) -> Any:
    return await states.connect(op, op.subject_id, op.memo["host"])


@export.undo
async def unexport(op: Op) -> Any:
    return await states.disconnect(op, op.subject_id)


@connect_attachment.rows
async def note_connection(op: Op) -> None:
    await states.connected(op.ctx, op.subject_id, op.memo["host"], op.memo["connector"], op.memo["export"])


@connect_attachment.undone
@connect_attachment.parked
async def mark_unconnected(op: Op) -> None:
    attachment = await store.find(op.ctx, op.subject_id)
    if attachment is not None:
        resource = ("VOLUME", attachment.volume_id, attachment.project_id)
        await messages.tell(op.ctx, "update attachment", resource, op.cause)


delete_attachment = Saga("volume.delete_attachment")


@delete_attachment.rows(point_of_no_return=True)
async def begin(op: Op) -> None:
    """From here on it goes."""


@delete_attachment.step
async def close(op: Op) -> Any:
    return await states.disconnect(op, op.subject_id)


@delete_attachment.rows
async def forget(op: Op) -> None:
    await states.release(op.ctx, op.subject_id)


@delete_attachment.parked
async def mark_undeleted(op: Op) -> None:
    await mark_unconnected(op)
