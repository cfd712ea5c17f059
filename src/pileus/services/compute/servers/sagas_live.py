"""A server goes to another host while it runs.

There it is awaited: with its disks, still empty, and its volumes open to both hosts. Then it is sent, and at a moment that the
hosts agree upon it runs there and not here. That step is the point of no return, and looks at both hosts before it says that
it was not passed: whatever dies, one copy runs in the end, and the other host has nothing of it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from pileus.engines.hypervisor import Domain, VolumeDisk
from pileus.kernel.errors import BadRequest, HostDown
from pileus.kernel.operations import NotPassed, Op, Saga
from pileus.kernel.verbs import Failed, Going
from pileus.services.compute.migrations import service as migrations
from pileus.services.compute.servers import disks, store
from pileus.services.compute.servers.disks import is_done
from pileus.services.compute.servers.sagas import IMAGE_S, VOLUMES_S, failed, settled
from pileus.services.compute.servers.sagas_move import (
    be_at,
    claim_elsewhere,
    claim_one_host,
    gone_from,
    may_be_on_both,
    whole,
)
from pileus.services.compute.servers.store import Device
from pileus.services.volume.attachments import service as attachments

SEND_S = 86_400.0
CALLED_OFF = "It was called off."

migrate_live = Saga("compute.migrate_live")


def left(op: Op) -> str:
    host: str = op.memo["claim_beside"]["left"]
    return host


def there(op: Op) -> str:
    host: str = op.memo["claim_beside"]["there"]
    return host


def check_disks(devices: list[Device], *, copied: bool | None) -> None:
    """Whether local disks shall be copied (None: if there are any) has to be what there is to do. Raises BadRequest."""
    local = any(device.destination == "local" for device in devices)
    if copied and not local:
        raise BadRequest(
            "It is not on local storage: Block migration can not be used with shared storage. All its disks are volumes."
        )
    if local and copied is False:
        raise BadRequest(
            "It is not on shared storage: Shared storage live-migration requires either shared storage or "
            "boot-from-volume with no local disks. Ask for block_migration."
        )


@migrate_live.rows
async def claim_beside(op: Op) -> dict[str, Any]:
    """Room on another host, beside what it uses where it is."""
    check_disks(await store.devices_of(op.ctx, [op.subject_id]), copied=op.memo["copied"])
    claimed = await claim_elsewhere(op, task_state="migrating")
    await migrations.change(op.ctx, op.id, status="preparing", dest=claimed["there"])
    return claimed


@claim_beside.undo
async def claim_only_here(op: Op) -> None:
    await claim_one_host(op)


@migrate_live.step(deadline_s=VOLUMES_S)
async def open_volumes_beside(op: Op) -> Any:
    """To both hosts: QEMU there opens them before it is the one that writes."""
    return await disks.open_all_beside(op, there(op), left(op))


@open_volumes_beside.undo
async def open_volumes_only_here(op: Op) -> Any:
    return await disks.open_all_to(op, left(op))


@migrate_live.step(deadline_s=IMAGE_S)
async def await_there(op: Op) -> Any:
    sizes = await op.engine("hypervisor", left(op)).local_disks(op.subject_id)
    return await op.engine("hypervisor", there(op)).ensure_awaited(await arriving(op), left(op), sizes)


@await_there.undo
async def await_no_more(op: Op) -> Any:
    return await gone_from(op, there(op))


async def arriving(op: Op) -> Domain:
    """The guest as it is there: its volumes are opened from there."""
    domain, connections = await whole(op), op.memo["open_volumes_beside"]
    opened = [
        msgspec.structs.replace(disk, connection=connections[str(disk.id)]) if isinstance(disk, VolumeDisk) else disk
        for disk in domain.disks
    ]
    return msgspec.structs.replace(domain, disks=tuple(opened))


@migrate_live.rows
async def show_running(op: Op) -> None:
    await migrations.change(op.ctx, op.id, status="running")


@migrate_live.step(deadline_s=SEND_S, point_of_no_return=True)
async def send(op: Op) -> Any:
    """Until it runs there. Where it runs is asked of both hosts before anything else is believed."""
    asked = await migrations.get(op.ctx, op.id)
    hypervisor = op.engine("hypervisor", left(op))
    try:
        if op.cancel or asked.called_off:
            await hypervisor.cancel(op.subject_id, "ensure_sent")
            answer: Any = Failed(CALLED_OFF)
        else:
            answer = await hypervisor.ensure_sent(op.subject_id, op.memo["await_there"])
        if isinstance(answer, Going):
            if asked.hurried:
                await hypervisor.ensure_hurried(op.subject_id)
            await note_progress(op, answer.facts)
            return answer
    except HostDown as e:
        answer = Failed(e.message)
    if is_done(answer) or await has_arrived(op):
        return None
    raise NotPassed(answer.cause)


async def has_arrived(op: Op) -> bool:
    """Whether it runs there, and not here. Raises Unavailable while nobody can tell."""
    guest = (await op.engine("hypervisor", there(op)).observe()).get(op.subject_id)
    return guest is not None and guest.defined


async def note_progress(op: Op, facts: dict[str, int]) -> None:
    async with op.ctx.transaction() as ctx:
        await migrations.change(ctx, op.id, progress=facts)


@migrate_live.rows
async def arrive(op: Op) -> None:
    """Its ports are there from now on, and what is known of its volumes is how they are opened there."""
    await be_at(op, there(op), old_host=None)
    for device_id, facts in op.memo["open_volumes_beside"].items():
        await store.change_device(op.ctx, UUID(device_id), connection=facts)
        await attachments.complete(op.ctx, UUID(device_id), host=there(op), connection=facts)
    await migrations.change(op.ctx, op.id, status="post-migrating")


@migrate_live.step(deadline_s=VOLUMES_S)
async def close_volumes_behind(op: Op) -> Any:
    return await disks.open_all_to(op, there(op))


@migrate_live.step
async def leave_behind(op: Op) -> Any:
    return await gone_from(op, left(op))


@migrate_live.rows
async def show_arrived(op: Op) -> None:
    await claim_one_host(op)
    await migrations.change(op.ctx, op.id, status="completed")
    await settled(op, vm_state=op.memo["was"])


@migrate_live.undone
async def show_not_gone(op: Op) -> None:
    """It runs on where it was."""
    called_off = op.cancel or (await migrations.get(op.ctx, op.id)).called_off
    await migrations.change(op.ctx, op.id, status="cancelled" if called_off else "error")
    if called_off and op.successor is None:
        await settled(op, vm_state=op.memo["was"])
    else:
        await failed(op, vm_state=op.memo["was"])


@migrate_live.parked
async def show_nobody_knows_where(op: Op) -> None:
    await migrations.change(op.ctx, op.id, status="error")
    await may_be_on_both(op, op.memo.get("claim_beside"))
    await failed(op, vm_state="error")
