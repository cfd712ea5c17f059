"""Long operations on images. Read top to bottom: that is the order they run in."""

from __future__ import annotations

from pileus.engines.blobs import Blobs
from pileus.kernel.hosts import LOCAL
from pileus.kernel.operations import Op, Saga
from pileus.services.image.images import store

delete_image = Saga("image.delete_image")


@delete_image.rows(point_of_no_return=True)
async def mark_deleted(op: Op) -> list[str]:
    """Returns the bytes that go with it."""
    image = await store.find(op.ctx, op.subject_id)
    if image is None:
        return []
    await store.change(op.ctx, op.subject_id, status="deleted", writer_id=None)
    return [str(blob) for blob in (image.blob_id, image.staged_id, image.writer_id) if blob is not None]


@delete_image.step
async def remove_bytes(op: Op) -> None:
    blobs: Blobs = op.ctx.engine(Blobs.KIND, LOCAL)
    for blob_id in op.memo["mark_deleted"]:
        await blobs.ensure_gone(blob_id)


@delete_image.rows
async def forget(op: Op) -> None:
    await store.forget(op.ctx, op.subject_id)
