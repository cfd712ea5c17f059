"""A server's disk becomes an image."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.operations import Op, Saga
from pileus.services.compute.servers import neighbours
from pileus.services.compute.servers.sagas import IMAGE_S, failed, here, host_of, settled

create_image = Saga("compute.create_image")


@create_image.step(deadline_s=IMAGE_S)
async def upload_root(op: Op) -> Any:
    """A job of the host: it sends the disk as it is now. The image is active when it is whole."""
    url = await neighbours.receive(op.ctx, UUID(op.memo["image_id"]), op.subject_id)
    if url is None:
        return None
    return await op.engine("hypervisor", await host_of(op)).ensure_uploaded(op.subject_id, "root", url)


@create_image.step
async def rotate(op: Op) -> None:
    """Of the backups of this kind only so many stay."""
    if op.memo["backup"] is not None:
        await neighbours.rotate_backups(op.ctx, op.subject_id, op.memo["backup"], op.memo["rotation"])


@create_image.rows
async def show_uploaded(op: Op) -> None:
    server = await here(op)
    await settled(op, vm_state=server.vm_state)


@create_image.undone
@create_image.parked
async def abandon_image(op: Op) -> None:
    await neighbours.abandon(op.ctx, UUID(op.memo["image_id"]))
    await failed(op)
