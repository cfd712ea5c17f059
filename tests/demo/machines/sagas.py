"""Long operations on machines. Read top to bottom: that is the order they run in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from demo.machines import store
from demo.volumes import service as volumes
from pileus.engines.hypervisor import Domain, LocalDisk, Power
from pileus.kernel.operations import Op, Saga

DISK = LocalDisk(name="root", size_mib=1)


def guest(op: Op) -> Domain:
    return Domain(id=op.subject_id, vcpus=1, memory_mib=64, disks=(DISK,))


create_machine = Saga("demo.create_machine")


@create_machine.rows
async def claim_host(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, host=op.memo["host"])


@claim_host.undo
async def release_host(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, host=None)


@create_machine.step(deadline_s=300)
async def make_disk(op: Op) -> Any:
    """The disk is a volume of its own: a child operation makes it."""
    if not op.memo["disk"]:
        return None
    return await op.child("disk", volumes.create_volume, op.uuid("disk"), host=op.memo["host"])


@make_disk.undo
async def remove_disk(op: Op) -> Any:
    if not op.memo["disk"]:
        return None
    if wait := await op.cancel_child("disk"):
        return wait
    return await op.child("no disk", volumes.delete_volume, op.uuid("disk"), host=op.memo["host"])


@create_machine.step(deadline_s=120)
async def copy_image(op: Op) -> Any:
    """A job of the host: Going until the copy is there."""
    return await op.engine("hypervisor", op.memo["host"]).ensure_disks(guest(op))


@copy_image.undo
async def remove_copy(op: Op) -> Any:
    return await op.settle(op.memo["host"], "hypervisor", "ensure_gone", op.subject_id)


@create_machine.step
async def define(op: Op) -> Any:
    return await op.engine("hypervisor", op.memo["host"]).ensure_defined(guest(op))


@create_machine.step
async def power_on(op: Op) -> Any:
    return await op.engine("hypervisor", op.memo["host"]).ensure_power(op.subject_id, Power.ON)


@power_on.undo
async def power_off(op: Op) -> Any:
    return await op.settle(op.memo["host"], "hypervisor", "ensure_gone", op.subject_id)


@create_machine.rows
async def mark_active(op: Op) -> None:
    disk_id = op.uuid("disk") if op.memo["disk"] else None
    await store.change(op.ctx, op.subject_id, status="ACTIVE", disk_id=disk_id, cause=None)


@create_machine.undone
@create_machine.parked
async def mark_failed(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, status="ERROR", cause=op.cause)


move_machine = Saga("demo.move_machine")


@move_machine.rows
async def mark_moving(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, status="MOVING")


@mark_moving.undo
async def mark_unmoved(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, status="ACTIVE", cause=op.cause)


@move_machine.step(deadline_s=120)
async def copy_to_target(op: Op) -> Any:
    return await op.engine("hypervisor", op.memo["target"]).ensure_disks(guest(op))


@copy_to_target.undo
async def remove_from_target(op: Op) -> Any:
    return await op.settle(op.memo["target"], "hypervisor", "ensure_gone", op.subject_id)


@move_machine.step
async def define_on_target(op: Op) -> Any:
    return await op.engine("hypervisor", op.memo["target"]).ensure_defined(guest(op))


@move_machine.step(point_of_no_return=True)
async def switch(op: Op) -> Any:
    """The guest runs on the target from here on: there is no way back."""
    return await op.engine("hypervisor", op.memo["target"]).ensure_power(op.subject_id, Power.ON)


@move_machine.rows
async def name_new_host(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, host=op.memo["target"])


@move_machine.step
async def remove_from_source(op: Op) -> Any:
    return await op.settle(op.memo["source"], "hypervisor", "ensure_gone", op.subject_id)


@move_machine.rows
async def mark_moved(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, status="ACTIVE", cause=None)


@move_machine.parked
async def mark_stranded(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, status="ERROR", cause=op.cause)


delete_machine = Saga("demo.delete_machine")


@delete_machine.rows(point_of_no_return=True)
async def mark_deleting(op: Op) -> dict[str, str | None]:
    machine = await store.find(op.ctx, op.subject_id)
    await store.change(op.ctx, op.subject_id, status="DELETING")
    if machine is None:
        return {}
    return {"host": machine.host, "disk": str(machine.disk_id) if machine.disk_id else None}


@delete_machine.step
async def remove_guest(op: Op) -> Any:
    host = op.memo["mark_deleting"].get("host")
    return await op.settle(host, "hypervisor", "ensure_gone", op.subject_id) if host else None


@delete_machine.step(deadline_s=300)
async def delete_disk(op: Op) -> Any:
    found = op.memo["mark_deleting"]
    if not found.get("disk"):
        return None
    return await op.child("no disk", volumes.delete_volume, UUID(found["disk"]), host=found["host"])


@delete_machine.rows
async def forget(op: Op) -> None:
    await store.remove(op.ctx, op.subject_id)


@delete_machine.parked
async def mark_undeleted(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, status="ERROR", cause=op.cause)
