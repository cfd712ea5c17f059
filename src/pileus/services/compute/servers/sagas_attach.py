"""Volumes and interfaces of a server that is there come and go.

Each attachment is a subject of its own, so that several go on at once; only the guest's shape is said by one after the other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from pileus.kernel.changes import changed
from pileus.kernel.errors import Conflict
from pileus.kernel.operations import ChildFailed, Op, Saga, Wait, holder, views
from pileus.services.compute.servers import history, shape, store, wiring
from pileus.services.compute.servers.store import Device, Server
from pileus.services.volume.attachments import service as attachments
from pileus.services.volume.volumes import service as volumes

PLUG_S = 300.0
SERVER = "compute.server"


def server_of(op: Op) -> UUID:
    return UUID(op.memo["server_id"])


async def tell(op: Op) -> None:
    """The guest's shape is free for others, and who watches the server looks again."""
    await store.leave_shape(op.ctx, server_of(op), op.id)
    server = await store.find(op.ctx, server_of(op))
    if server is not None:
        await changed(op.ctx, SERVER, "updated", server.id, project_id=server.project_id)


async def let_others(op: Op) -> None:
    await store.leave_shape(op.ctx, server_of(op), op.id)


# volumes

attach_volume = Saga("compute.attach_volume")


@attach_volume.step(deadline_s=PLUG_S)
async def open_volume(op: Op) -> Any:
    server = await store.find(op.ctx, server_of(op))
    return await attachments.connect(op, op.subject_id, (server.host if server else None) or "")


@open_volume.undo
async def close_volume(op: Op) -> Any:
    return await attachments.disconnect(op, op.subject_id)


@attach_volume.rows
async def add_to_shape(op: Op) -> None:
    await store.change_device(op.ctx, op.subject_id, plugged=True, connection=op.memo["open_volume"])


@add_to_shape.undo
async def take_from_shape(op: Op) -> None:
    await store.change_device(op.ctx, op.subject_id, plugged=False, connection=None)


@attach_volume.step(deadline_s=PLUG_S)
async def plug(op: Op) -> Any:
    return await shape.say_when_idle(op, server_of(op), must=True)


@plug.undo
async def unplug(op: Op) -> Any:
    async with op.ctx.transaction() as ctx:
        await store.change_device(ctx, op.subject_id, plugged=False)
    return await shape.say_when_idle(op, server_of(op), must=False)


@attach_volume.rows
async def complete_attachment(op: Op) -> None:
    device, server = await store.device(op.ctx, op.subject_id), await store.find(op.ctx, server_of(op))
    if device is not None and server is not None:
        at: dict[str, Any] = {"mountpoint": device.name, "host": server.host, "connection": device.connection}
        await attachments.complete(op.ctx, device.id, **at)
    await tell(op)


@attach_volume.undone
async def give_volume_back(op: Op) -> None:
    await attachments.release(op.ctx, op.subject_id)
    await store.drop_device(op.ctx, op.subject_id)
    await tell(op)


attach_volume.parked(let_others)

detach_volume = Saga("compute.detach_volume")


@detach_volume.rows
async def leave_shape(op: Op) -> None:
    await store.change_device(op.ctx, op.subject_id, plugged=False)


@leave_shape.undo
async def stay_in_shape(op: Op) -> None:
    await store.change_device(op.ctx, op.subject_id, plugged=True)


@detach_volume.step(deadline_s=PLUG_S)
async def unplug_volume(op: Op) -> Any:
    return await shape.say_when_idle(op, server_of(op), must=False)


@unplug_volume.undo
async def plug_again(op: Op) -> Any:
    async with op.ctx.transaction() as ctx:
        await store.change_device(ctx, op.subject_id, plugged=True)
    return await shape.say_when_idle(op, server_of(op), must=False)


@detach_volume.step(deadline_s=PLUG_S, point_of_no_return=True)
async def close_unplugged(op: Op) -> Any:
    return await attachments.disconnect(op, op.subject_id)


@detach_volume.rows
async def forget_attachment(op: Op) -> None:
    await attachments.release(op.ctx, op.subject_id)
    await store.drop_device(op.ctx, op.subject_id)
    await tell(op)


@detach_volume.undone
async def stay_attached(op: Op) -> None:
    await attachments.roll_detaching(op.ctx, op.subject_id)
    await tell(op)


detach_volume.parked(let_others)

grow_volume = Saga("compute.extend_volume")


@grow_volume.step(deadline_s=PLUG_S)
async def extend_volume(op: Op) -> Any:
    """Its guest, if it runs, sees how large the volume is by now; else it sees so when it starts."""

    async def show_size(op: Op, server: Server, hypervisor: Any) -> Any:
        return await hypervisor.ensure_volume_seen(server.id, op.subject_id, op.memo["size_gib"])

    return await shape.say_when_idle(op, server_of(op), must=False, what=show_size)


@grow_volume.rows
async def show_extended(op: Op) -> None:
    await tell(op)


grow_volume.undone(tell)
grow_volume.parked(let_others)


@volumes.extended
async def show_growth(op: Op, volume_id: UUID) -> Wait | None:
    """Each server with a volume that has grown looks at it, by an operation of its own: why one could not, that says."""
    waits = None
    for device in await store.devices_at(op.ctx, volume_id):
        try:
            waits = await begin_growth(op, device) or waits
        except (ChildFailed, Conflict):  # Conflict: it is on its way out
            continue
    return waits


async def begin_growth(op: Op, device: Device) -> Wait | None:
    """Begin it once, and wait for it. Raises ChildFailed, Conflict."""
    label = f"grow:{device.id}"
    volume = await volumes.find(op.ctx, op.subject_id)
    facts = {"server_id": str(device.server_id), "size_gib": volume.size_gib if volume else 0}
    async with op.ctx.transaction() as ctx:
        answer = await replace(op, ctx=ctx).child(label, grow_volume, device.id, **facts)
        await history.note(ctx, device.server_id, op.uuid(f"child:{label}"), grow_volume)
    return answer if isinstance(answer, Wait) else None


# interfaces: the subject is the row of the NIC

attach_interface = Saga("compute.attach_interface")


@attach_interface.step(deadline_s=PLUG_S)
async def plug_nic(op: Op) -> Any:
    return await shape.say_when_idle(op, server_of(op), must=True)


@plug_nic.undo
async def unplug_nic(op: Op) -> Any:
    """The port is left when the guest has it no more: until then its row stays, out of the guest's shape."""
    async with op.ctx.transaction() as ctx:
        await store.change_nic(ctx, op.subject_id, plugged=False)
    return await shape.say_when_idle(op, server_of(op), must=False)


@attach_interface.rows
async def show_attached(op: Op) -> None:
    await tell(op)


@attach_interface.undone
async def give_port_back(op: Op) -> None:
    await leave_port(op)
    await tell(op)


attach_interface.parked(let_others)


async def leave_port(op: Op) -> None:
    nic = await store.nic(op.ctx, op.subject_id)
    if nic is not None:
        await store.drop_nic(op.ctx, nic.id)  # first: a port that goes would be detached
        await wiring.leave_ports(op.ctx, [nic.port_id] if nic.ours else [], [] if nic.ours else [nic.port_id])


detach_interface = Saga("compute.detach_interface")


@detach_interface.rows
async def take_nic_away(op: Op) -> None:
    await store.change_nic(op.ctx, op.subject_id, plugged=False)


@detach_interface.step(deadline_s=PLUG_S)
async def unplug_detached_nic(op: Op) -> Any:
    return await shape.say_when_idle(op, server_of(op), must=False)


@unplug_detached_nic.undo
async def plug_nic_again(op: Op) -> Any:
    async with op.ctx.transaction() as ctx:
        await store.change_nic(ctx, op.subject_id, plugged=True)
    return await shape.say_when_idle(op, server_of(op), must=False)


@detach_interface.rows
async def free_port(op: Op) -> None:
    await leave_port(op)
    await tell(op)


@detach_interface.undone
async def show_still_attached(op: Op) -> None:
    await store.change_nic(op.ctx, op.subject_id, plugged=True)
    await tell(op)


detach_interface.parked(let_others)


# when the server goes


async def end_all(op: Op) -> Wait | None:
    """Let what is being attached or detached for the server come to its end: by detaching, whatever it was. A volume that
    grows stays: it may be the root, and may go with the server."""
    waiting = False
    for device in await store.devices_of(op.ctx, [op.subject_id]):
        busy = await holder(op.ctx, device.id)
        if busy is None:
            continue
        waiting = True
        if (await views.get(op.ctx, busy)).saga != grow_volume.key:
            async with op.ctx.transaction() as ctx:
                await detach_volume.supersede(ctx, device.id, server_id=str(op.subject_id))
    for nic in await store.nics_of(op.ctx, [op.subject_id]):
        if await holder(op.ctx, nic.id) is not None:
            waiting = True
            async with op.ctx.transaction() as ctx:
                await detach_interface.supersede(ctx, nic.id, server_id=str(op.subject_id))
    return Wait(shape.BUSY_S, note="waiting for attachments to end") if waiting else None
