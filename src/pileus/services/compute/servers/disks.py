"""A server's disks on their way to its host: images fetched, volumes made, opened and closed again."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.operations import Op, Wait
from pileus.kernel.verbs import Done
from pileus.services.compute.servers import neighbours, store
from pileus.services.compute.servers.store import Device, Server
from pileus.services.volume.attachments import service as attachments
from pileus.services.volume.snapshots import service as snapshots
from pileus.services.volume.volumes import service as volumes
from pileus.services.volume.volumes.service import Wanted

POLL_S = 1.0


def is_done(answer: Any) -> bool:
    return isinstance(answer, Done)


def is_settled(answer: Any) -> bool:
    """Whether an undo has brought it about, or left it as a debt of its host."""
    return answer is None or isinstance(answer, Done)


async def sources(op: Op, server: Server) -> dict[UUID, str]:
    """From where the host fetches the images of the server's local disks."""
    devices = await store.devices_of(op.ctx, [server.id])
    local = any(each.destination == "local" and each.source == "image" for each in devices)
    wanted = {server.image.id} if local else set()
    if server.rescue is not None:
        wanted.add(server.rescue.id)
    return {id_: await neighbours.transfer(op.ctx, id_, server.id) for id_ in wanted if id_ is not None}


# volumes


async def volumes_of(op: Op, server_id: UUID) -> list[Device]:
    return [each for each in await store.devices_of(op.ctx, [server_id]) if each.destination == "volume"]


async def connect_all(op: Op, host: str) -> Any:
    """Each volume of the server is there, reserved for it, and open to its host."""
    for device in await volumes_of(op, op.subject_id):
        if device.connection is not None:
            continue
        answer = await ensure_volume(op, device)
        if isinstance(answer, Wait):
            return answer
        answer = await attachments.connect(op, device.id, host)
        if not is_done(answer):
            return answer
        async with op.ctx.transaction() as ctx:
            await store.change_device(ctx, device.id, connection=answer.facts)
            at = {"mountpoint": device.name, "host": host, "connection": answer.facts}
            await attachments.complete(ctx, device.id, **at)
    return None


async def open_all_to(op: Op, host: str) -> Any:
    """That host may open each volume that the server has, and the host before it may no more."""
    for device in await volumes_of(op, op.subject_id):
        if device.connection is None:
            continue
        answer = await attachments.connect(op, device.id, host)
        if not is_done(answer):
            return answer
        async with op.ctx.transaction() as ctx:
            await store.change_device(ctx, device.id, connection=answer.facts)
            await attachments.complete(ctx, device.id, host=host, connection=answer.facts)
    return None


async def open_all_beside(op: Op, host: str, now: str) -> Any:
    """That host may open each volume that the server has, beside the one where it runs now. By device, how; or Wait, Failed."""
    found = {}
    for device in await volumes_of(op, op.subject_id):
        if device.connection is not None:
            answer = await attachments.connect(op, device.id, host, also=now)
            if not is_done(answer):
                return answer
            found[str(device.id)] = answer.facts
    return found


async def any_lives_on(op: Op, host: str) -> bool:
    """Whether a volume of the server is that host's own: nobody but the host itself can keep a guest there from writing to it."""
    ids = [device.volume_id for device in await volumes_of(op, op.subject_id) if device.volume_id is not None]
    found = [await volumes.find(op.ctx, volume_id) for volume_id in ids]
    return any(volume is not None and volume.host == host for volume in found)


async def ensure_volume(op: Op, device: Device) -> Any:
    """Its volume, made if it is to be, and reserved. Wait while it is made."""
    volume_id = device.volume_id
    if volume_id is None:
        wanted = Wanted(
            size_gib=device.size_gib or None,
            type=device.volume_type or None,
            image_id=device.source_id if device.source == "image" else None,
            snapshot_id=device.source_id if device.source == "snapshot" else None,
        )
        made = await volumes.ensure_created(op, label_of(device), wanted)
        if isinstance(made, Wait):
            return made
        volume_id = UUID(made)
    async with op.ctx.transaction() as ctx:
        await store.change_device(ctx, device.id, volume_id=volume_id)
        if await attachments.find(ctx, device.id) is None:
            await attachments.reserve(ctx, volume_id, server_id=device.server_id, attachment_id=device.id)
    return None


def label_of(device: Device) -> str:
    return f"volume:{device.id}"


async def disconnect_all(op: Op, *, made: bool = False) -> Any:
    """No volume of the server is open to a host or reserved for it any more; those that this operation `made` are gone."""
    for device in await volumes_of(op, op.subject_id):
        answer = await attachments.disconnect(op, device.id)
        if not is_settled(answer):
            return answer
        async with op.ctx.transaction() as ctx:
            await attachments.release(ctx, device.id)
            await store.change_device(ctx, device.id, connection=None)
        if made and device.source != "volume":
            wait = await volumes.ensure_deleted(op, label_of(device))
            if wait is not None:
                return wait
            async with op.ctx.transaction() as ctx:
                await store.change_device(ctx, device.id, volume_id=None)
    return None


async def delete_owned(op: Op, server_id: UUID) -> Wait | None:
    """Begin to delete the volumes that go with the server, once they grow no more and what was just made of them, for an image
    that goes, too, is away. What cannot go stays its project's."""
    for device in await volumes_of(op, server_id):
        if device.delete_with_server and device.volume_id is not None:
            volume = await volumes.find(op.ctx, device.volume_id)
            if volume is not None and volume.status == "extending":
                return Wait(POLL_S, note="waiting for a volume to have grown")
            if await snapshots.any_goes(op.ctx, device.volume_id):
                return Wait(POLL_S, note="waiting for a snapshot to go")
            with suppress(BadRequest, NotFound):
                await volumes.delete(op.ctx, device.volume_id)
    return None
