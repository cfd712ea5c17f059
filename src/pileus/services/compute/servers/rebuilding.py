"""A server is made anew from an image: its disk is, or the volume that it runs from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.services.compute.servers import (
    building,
    guest_data,
    neighbours,
    rules,
    sagas_disks,
    sagas_reimage,
    shape,
    store,
)
from pileus.services.compute.servers.actions import begin
from pileus.services.compute.servers.rules import ImageFacts
from pileus.services.compute.servers.store import Device, Server
from pileus.services.compute.servers.wanted import WantedDevice
from pileus.services.volume.attachments import service as attachments
from pileus.services.volume.volumes import service as volumes


class Rebuild(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a rebuild. `columns`: those of the row that were said to become other ones; `reimage`: whether a root
    volume gets the image, else it stays what it is."""

    image_id: UUID
    admin_pass: str
    columns: Mapping[str, Any]
    reimage: bool
    files: tuple[tuple[str, str], ...] = ()
    key_name: str | None = None
    new_key: bool = False


async def rebuild(ctx: Ctx, server: Server, wanted: Rebuild) -> Server:
    """Begin. Returns the server as it will be. Raises BadRequest, Conflict, Forbidden."""
    async with ctx.read() as reading:
        image = await neighbours.image(reading, wanted.image_id)
        devices = await store.devices_of(reading, [server.id])
        key = await building.key_of(reading, wanted.key_name) if wanted.new_key else server.key
        if not devices:  # it is going
            raise rules.WrongState(f"Instance {server.id} is not ready: it has no disk any more.")
        root = devices[0]
        snapshot_id = await _check(reading, server, image, root, wanted)
    vault = msgspec.structs.replace(guest_data.opened(ctx, server), admin_pass=wanted.admin_pass, files=wanted.files)
    memo: dict[str, Any] = {"new": image, "old": server.image, "edition": server.edition}
    columns: dict[str, Any] = {
        **wanted.columns,
        "key": key,
        "key_name": key.name if key else None,
        "sealed": guest_data.sealed(ctx, vault),
        "task_state": "rebuilding",
    }
    local = shape.has_local_root(devices)
    filled = wanted.reimage and not local
    memo |= {"attachment_id": root.id, "volume_id": root.volume_id, "snapshot_id": snapshot_id} if filled else {}
    saga = sagas_reimage.reimage_server if filled else sagas_disks.rebuild_server
    async with ctx.transaction() as ctx:
        await begin(ctx, server, "rebuild", saga, memo, **columns)
        if filled:
            await attachments.set_aside(ctx, root.id, snapshot_id)
        now = await store.find(ctx, server.id) or server
    return msgspec.structs.replace(now, image=image, image_id=image.id if local else now.image_id)


async def _check(ctx: Ctx, server: Server, image: ImageFacts, root: Device, wanted: Rebuild) -> UUID | None:
    """Whether its root can be made of the image; the snapshot that this stands for, if it has no bytes.

    Raises BadRequest, Conflict.
    """
    if root.destination == "local":
        building.check_sizes(ctx, server.flavor, image, WantedDevice(source="image", destination="local"))
        return None
    if root.volume_id is None:
        raise rules.WrongState(f"Instance {server.id} is not ready: its root volume was never made.")
    volume = await volumes.get(ctx, root.volume_id)
    if not wanted.reimage and (await volumes.IMAGE.of(ctx, volume.id)).get("image_id") != str(image.id):
        raise BadRequest(
            f"Image {image.id} is unacceptable: Unable to rebuild with a different image for a volume-backed server "
            "before microversion 2.93."
        )
    source = "image" if image.size_bytes else "snapshot"
    told = WantedDevice(source=source, destination="volume", size_gib=volume.size_gib)
    building.check_sizes(ctx, server.flavor, image, told)
    return await volumes.check_image(ctx, wanted.image_id, volume) if wanted.reimage else None
