"""Volumes and interfaces for a server that is there: what is decided before they are plugged or unplugged."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.operations import Saga
from pileus.services.compute.servers import history, rules, sagas_attach, store, wiring
from pileus.services.compute.servers.actions import refuse_locked
from pileus.services.compute.servers.building import TARGETS
from pileus.services.compute.servers.store import Device, NicRow, Server
from pileus.services.compute.servers.wanted import WantedNic
from pileus.services.volume.attachments import service as attachments
from pileus.services.volume.volumes import service as volumes

SERVER = "compute.server"
MOST_DEVICES = len(TARGETS)


class WantedVolume(msgspec.Struct, frozen=True, kw_only=True):
    """A volume to be attached. `name`: what the guest shall call it, as far as it listens."""

    volume_id: UUID
    name: str | None = None
    tag: str | None = None
    delete_with_server: bool = False


async def volumes_of(ctx: Ctx, server: Server) -> list[Device]:
    """The volumes of a server, in the order of its disks."""
    return [each for each in await store.devices_of(ctx, [server.id]) if each.volume_id is not None]


async def volume_of(ctx: Ctx, server: Server, volume_id: UUID) -> Device:
    """Raises NotFound."""
    found = next((each for each in await volumes_of(ctx, server) if each.volume_id == volume_id), None)
    if found is None:
        raise NotFound(f"volume_id not found: {volume_id}")
    return found


async def attach_volume(ctx: Ctx, server: Server, wanted: WantedVolume) -> Device:
    """Reserve the volume and begin to plug it in. Raises NotFound, BadRequest, Conflict."""
    await volumes.get(ctx, wanted.volume_id)
    attachment_id = ctx.world.ids.uuid()
    async with ctx.transaction() as ctx:
        await _start(ctx, server, sagas_attach.attach_volume, attachment_id)
        server = await _ready(ctx, server, "attach_volume")
        devices = await store.devices_of(ctx, [server.id])
        if any(each.volume_id == wanted.volume_id for each in devices):
            raise BadRequest(f"Invalid volume: volume {wanted.volume_id} already attached")
        device = Device(
            id=attachment_id,
            server_id=server.id,
            position=max((each.position for each in devices), default=-1) + 1,
            source="volume",
            destination="volume",
            volume_id=wanted.volume_id,
            name=free_name(devices, wanted.name),
            delete_with_server=wanted.delete_with_server,
            tag=wanted.tag,
            plugged=False,
        )
        await attachments.reserve(ctx, wanted.volume_id, server_id=server.id, attachment_id=device.id)
        await store.add_devices(ctx, [device])
    return device


def free_name(devices: Sequence[Device], wanted: str | None) -> str:
    """The name that was asked for, or the next one. Raises Conflict, BadRequest."""
    taken = {each.name for each in devices}
    if len(devices) >= MOST_DEVICES:
        raise BadRequest(f"Invalid volume: the server has {len(devices)} disks already, and can have no more.")
    if wanted is not None and wanted in taken:
        raise Conflict(f"The supplied device path ({wanted}) is in use.")
    if wanted is not None and wanted.startswith("/dev/vd"):
        return wanted
    return next(name for letter in TARGETS if (name := f"/dev/vd{letter}") not in taken)


async def _ready(ctx: Ctx, server: Server, action: str) -> Server:
    """The server as it is now, if that may be asked of it. Raises Conflict."""
    now = await store.hold(ctx, server.id)
    if now is None:
        raise NotFound(f"Instance {server.id} could not be found.")
    refuse_locked(ctx, now)
    rules.check(action, now.id, now.vm_state, now.task_state)
    return now


async def _start(ctx: Ctx, server: Server, saga: Saga, subject_id: UUID, *, supersede: bool = False) -> None:
    """First of all, for the order of locks. `supersede`: whatever is just being done to that."""
    begin = saga.supersede if supersede else saga.start
    operation_id = await begin(ctx, subject_id, server_id=str(server.id))
    await history.note(ctx, server.id, operation_id, saga)
    await changed(ctx, SERVER, "updated", server.id, project_id=server.project_id)


async def detach_volume(ctx: Ctx, server: Server, volume_id: UUID) -> None:
    """Begin to unplug it. Raises NotFound, Conflict; BadRequest while its volume is not simply in use."""
    async with ctx.transaction() as ctx:
        device = await volume_of(ctx, server, volume_id)
        await ctx.lock("subject", device.id)
        server = await _ready(ctx, server, "detach_volume")
        if device.boot_index == 0 and server.vm_state not in {"shelved_offloaded"}:
            raise Conflict(f"Cannot detach a root device volume: {volume_id} is the root of the server {server.id}.")
        await attachments.begin_detaching(ctx, device.id)
        await _start(ctx, server, sagas_attach.detach_volume, device.id)


async def keep_volume(ctx: Ctx, server: Server, volume_id: UUID, *, delete_with_server: bool) -> None:
    """Whether it goes with its server. Raises NotFound, Conflict."""
    async with ctx.transaction() as ctx:
        refuse_locked(ctx, server)
        device = await volume_of(ctx, server, volume_id)
        await store.change_device(ctx, device.id, delete_with_server=delete_with_server)
        await changed(ctx, SERVER, "updated", server.id, project_id=server.project_id)


# interfaces


async def interfaces_of(ctx: Ctx, server: Server) -> list[tuple[NicRow, wiring.Wire]]:
    """The NICs of a server in their order, with what they are plugged into."""
    async with ctx.read() as ctx:
        rows = await store.nics_of(ctx, [server.id])
        wires = await wiring.wires(ctx, [row.port_id for row in rows])
    return [(row, wires[row.port_id]) for row in rows if row.port_id in wires]


async def interface_of(ctx: Ctx, server: Server, port_id: UUID) -> tuple[NicRow, wiring.Wire]:
    """Raises NotFound."""
    found = next((each for each in await interfaces_of(ctx, server) if each[0].port_id == port_id), None)
    if found is None:
        raise NotFound(f"Instance {server.id} does not have a port with id {port_id}")
    return found


async def attach_interface(ctx: Ctx, server: Server, wanted: WantedNic | None) -> tuple[NicRow, wiring.Wire]:
    """Begin to plug it in; without a wish, one of the project's only network. Raises BadRequest, Conflict, NotFound."""
    planned = await wiring.plan_nics(ctx, None if wanted is None else (wanted,))
    if not planned:
        raise BadRequest("No network was named, and the project has none that could be meant.")
    async with ctx.transaction() as ctx:
        nic_id = ctx.world.ids.uuid()
        await _start(ctx, server, sagas_attach.attach_interface, nic_id)
        server = await _ready(ctx, server, "attach_interface")
        rows = await store.nics_of(ctx, [server.id])
        (port_id,) = await wiring.make_ports(ctx, [(planned[0], server)], None)
        if server.host is None or await store.ports_taken(ctx, [port_id]):
            raise wiring.port_in_use(port_id)
        row = NicRow(
            id=nic_id,
            port_id=port_id,
            server_id=server.id,
            position=max((each.position for each in rows), default=-1) + 1,
            ours=planned[0].port_id is None,
            tag=planned[0].tag,
        )
        await wiring.bind_ports(ctx, [port_id], server.id, server.host)
        await store.add_nics(ctx, [row])
        return await interface_of(ctx, server, port_id)


async def detach_interface(ctx: Ctx, server: Server, port_id: UUID) -> None:
    """Begin to unplug it, also while it is still being plugged in. May be repeated. Raises NotFound, Conflict."""
    async with ctx.transaction() as ctx:
        row, _ = await interface_of(ctx, server, port_id)
        await _start(ctx, server, sagas_attach.detach_interface, row.id, supersede=True)
        await _ready(ctx, server, "detach_interface")


@attachments.in_use
async def holds(ctx: Ctx, attachment: attachments.Attachment) -> bool:
    """Whether a server has the volume by this attachment: then it is detached from that server, and in no other way."""
    return await store.device(ctx, attachment.id) is not None
