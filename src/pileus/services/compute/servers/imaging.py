"""A server becomes an image: its disk, or snapshots of the volumes that it runs from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, OverQuota
from pileus.services.compute.quotas import ComputeOverQuota
from pileus.services.compute.servers import building, image_disks, neighbours, sagas_image, store
from pileus.services.compute.servers.actions import begin
from pileus.services.compute.servers.image_disks import Snapped
from pileus.services.compute.servers.store import Device, Server
from pileus.services.volume.snapshots import service as snapshots
from pileus.services.volume.volumes import service as volumes
from pileus.services.volume.volumes.service import Volume

OF_VOLUMES = "os_compute_api:servers:create_image:allow_volume_backed"
NAME_LENGTH = 255
MEANWHILE = "image_snapshot"


async def create_image(ctx: Ctx, server: Server, name: str, metadata: Mapping[str, str]) -> UUID:
    """Begin to make an image of its disk; of its volumes, if it runs from one. Returns its id.

    Raises BadRequest, Conflict, Forbidden, OverQuota.
    """
    devices = await store.devices_of(ctx, [server.id])
    if not runs_from_a_volume(devices):
        return await _of_its_disk(ctx, server, name, metadata)
    building.require(ctx, OF_VOLUMES, {"project_id": server.project_id, "user_id": server.user_id})
    return await _of_its_volumes(ctx, server, name, metadata, [each for each in devices if each.plugged])


async def create_backup(
    ctx: Ctx, server: Server, name: str, metadata: Mapping[str, str], *, kind: str, rotation: int
) -> UUID:
    """The same, of which only so many are kept. Raises BadRequest, Conflict, OverQuota."""
    if runs_from_a_volume(await store.devices_of(ctx, [server.id])):
        raise BadRequest(
            f"Backup is not supported for volume-backed instances: make snapshots of the volumes of {server.id}, or an image."
        )
    properties = {**metadata, "image_type": "backup", "backup_type": kind}
    return await _of_its_disk(ctx, server, name, properties, backup=kind, rotation=rotation)


def runs_from_a_volume(devices: Sequence[Device]) -> bool:
    return bool(devices) and devices[0].destination == "volume"


async def _of_its_disk(
    ctx: Ctx, server: Server, name: str, metadata: Mapping[str, str], *, backup: str | None = None, rotation: int = 0
) -> UUID:
    about = {"image_type": "snapshot", "instance_uuid": str(server.id)}
    mine = {"user_id": ctx.caller.user_id, "base_image_ref": str(server.image_id or "")}
    facts = msgspec.structs.replace(server.image, min_disk_gib=max(server.image.min_disk_gib, server.flavor.disk_gib))
    image_id = ctx.world.ids.uuid()
    memo = {"image_id": image_id, "backup": backup, "rotation": rotation}
    action = "createImage" if backup is None else "createBackup"
    async with ctx.transaction() as ctx:
        await begin(ctx, server, action, sagas_image.create_image, memo, task_state=MEANWHILE)
        await neighbours.image_for(ctx, image_id, name, facts, {**about, **metadata, **mine}, disk_format="qcow2")
    return image_id


async def _of_its_volumes(
    ctx: Ctx, server: Server, name: str, metadata: Mapping[str, str], devices: Sequence[Device]
) -> UUID:
    """Snapshots and image are recorded together, or none of them."""
    found = await volumes.by_ids(ctx, [each.volume_id for each in devices if each.volume_id])
    of = {each.id: found[each.volume_id] for each in devices if each.volume_id in found}
    taken = {id_: Snapped(ctx.world.ids.uuid(), volume.size_gib) for id_, volume in of.items()}
    disk_bus = str(server.image.properties.get("hw_disk_bus", "virtio"))
    properties = {**metadata, **image_disks.mapping(devices, taken, disk_bus)}
    image_id, saga = ctx.world.ids.uuid(), sagas_image.create_image_of_volumes
    memo = {"image_id": image_id, "snapshots": [each.id for each in taken.values()]}
    async with ctx.transaction() as ctx:
        for subject_id in sorted([server.id, *(each.id for each in taken.values())]):  # in the order of locks
            await ctx.lock("subject", subject_id)
        operation_id = await begin(ctx, server, "createImage", saga, memo, task_state=MEANWHILE)
        await neighbours.image_for(ctx, image_id, name, server.image, properties, disk_format="raw")
        for id_, each in taken.items():
            await _snapshot(ctx, of[id_], f"snapshot for {name}"[:NAME_LENGTH], each.id, operation_id)
    return image_id


async def _snapshot(ctx: Ctx, volume: Volume, name: str, snapshot_id: UUID, operation_id: UUID) -> None:
    wanted = snapshots.Wanted(volume_id=volume.id, name=name, description=volume.description, in_use=True)
    try:
        await snapshots.create(ctx, wanted, snapshot_id=snapshot_id, parent_id=operation_id)
    except OverQuota as e:
        raise ComputeOverQuota(e.message, **e.facts) from None
