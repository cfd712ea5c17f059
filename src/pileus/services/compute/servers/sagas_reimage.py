"""A server that runs from a volume is rebuilt: its root volume gets the bytes of an image, in Block Storage.

Until those are being written it can go back to what it was; what the volume held is gone then.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.operations import Op, Saga
from pileus.services.compute.servers import disks, sagas_disks, store
from pileus.services.compute.servers.sagas import IMAGE_S, VOLUMES_S, failed, host_of, settled
from pileus.services.compute.servers.sagas_attach import PLUG_S
from pileus.services.compute.servers.sagas_power import POWER_S
from pileus.services.volume.attachments import service as attachments
from pileus.services.volume.volumes import service as volumes

reimage_server = Saga("compute.reimage_server")


def attachment_of(op: Op) -> UUID:
    """Of the root volume."""
    return UUID(op.memo["attachment_id"])


def volume_of(op: Op) -> UUID:
    return UUID(op.memo["volume_id"])


def ran(op: Op) -> bool:
    return bool(op.memo["note_power"]["ran"])


@reimage_server.rows
async def note_power(op: Op) -> dict[str, bool]:
    return await sagas_disks.ran(op)


@reimage_server.step(deadline_s=POWER_S)
async def stop_to_reimage(op: Op) -> Any:
    return await sagas_disks.stop(op)


@stop_to_reimage.undo
async def run_unimaged(op: Op) -> Any:
    return await sagas_disks.run_again(op, running=ran(op))


@reimage_server.step(deadline_s=PLUG_S)
async def close_root(op: Op) -> Any:
    """Block Storage writes no volume that is open to a host."""
    return await attachments.disconnect(op, attachment_of(op))


@close_root.undo
async def open_old_root(op: Op) -> Any:
    return await open_root_again(op)


async def open_root_again(op: Op) -> Any:
    answer = await attachments.connect(op, attachment_of(op), await host_of(op))
    if disks.is_done(answer):
        async with op.ctx.transaction() as ctx:
            await store.change_device(ctx, attachment_of(op), connection=answer.facts)
            await attachments.opened_again(ctx, attachment_of(op), answer.facts)
    return answer


@reimage_server.step
async def open_image(op: Op) -> Any:
    snapshot_id = op.memo["snapshot_id"]
    return await volumes.opened(op, UUID(op.memo["new"]["id"]), UUID(snapshot_id) if snapshot_id else None)


@reimage_server.step(deadline_s=PLUG_S, point_of_no_return=True)
async def empty_root(op: Op) -> Any:
    return await volumes.emptied(op, volume_of(op))


@reimage_server.step(deadline_s=VOLUMES_S)
async def fill_root(op: Op) -> Any:
    return await volumes.refilled(op, volume_of(op), op.memo["open_image"])


@reimage_server.rows
async def show_filled(op: Op) -> bool:
    await volumes.show_refilled(op.ctx, volume_of(op), op.memo["open_image"])
    return True


@reimage_server.step(deadline_s=PLUG_S)
async def open_root(op: Op) -> Any:
    return await open_root_again(op)


@reimage_server.rows
async def take_new_image(op: Op) -> None:
    await sagas_disks.take_image(op, op.memo["new"], op.memo["edition"] + 1)


@reimage_server.step(deadline_s=IMAGE_S)
async def make_new_disks(op: Op) -> Any:
    """Those beside the root."""
    return await sagas_disks.make_disks(op)


@reimage_server.step(deadline_s=POWER_S)
async def run_reimaged(op: Op) -> Any:
    return await sagas_disks.run_again(op, running=ran(op))


@reimage_server.rows
async def show_reimaged(op: Op) -> None:
    await settled(op, launched_at=op.ctx.now(), **sagas_disks.states(ran(op)))


@reimage_server.undone
async def show_not_reimaged(op: Op) -> None:
    """A hard reboot says that it is well: its volume is what it was."""
    await volumes.show_unfilled(op, volume_of(op))
    await failed(op, vm_state="error")


@reimage_server.parked
async def show_half_reimaged(op: Op) -> None:
    if "show_filled" not in op.memo:
        await volumes.show_half_filled(op, volume_of(op))
    await failed(op, vm_state="error")
