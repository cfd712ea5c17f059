"""A server's disk becomes an image, or its volumes do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.operations import Op, Saga
from pileus.services.compute.servers import neighbours
from pileus.services.compute.servers.sagas import IMAGE_S, VOLUMES_S, failed, here, host_of, settled
from pileus.services.volume.snapshots import service as snapshots

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


# of volumes: the image is made of snapshots that were begun with it

create_image_of_volumes = Saga("compute.create_image_of_volumes")


@create_image_of_volumes.step(deadline_s=VOLUMES_S)
async def await_snapshots(op: Op) -> Any:
    return await snapshots.await_all(op, taken(op))


@create_image_of_volumes.rows
async def show_described(op: Op) -> None:
    await neighbours.complete(op.ctx, UUID(op.memo["image_id"]))
    await settled(op)


@create_image_of_volumes.undone
@create_image_of_volumes.parked
async def take_all_away(op: Op) -> None:
    for subject_id in sorted([UUID(op.memo["image_id"]), *taken(op)]):  # in the order of locks
        await op.ctx.lock("subject", subject_id)
    await snapshots.drop_all(op.ctx, taken(op))
    await abandon_image(op)


def taken(op: Op) -> list[UUID]:
    return [UUID(each) for each in op.memo["snapshots"]]
