"""What makes a server's disks other ones: rebuild, resize, rescue. What was is kept until the new has worked."""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.engines.hypervisor import Power
from pileus.kernel.context import Ctx
from pileus.kernel.operations import Op, Saga
from pileus.services.compute.migrations import service as migrations
from pileus.services.compute.scheduler import service as scheduler
from pileus.services.compute.servers import disks, rules, shape, store, wish
from pileus.services.compute.servers.disks import is_done
from pileus.services.compute.servers.rules import ImageFacts
from pileus.services.compute.servers.sagas import (
    IMAGE_S,
    asked_of_scheduler,
    claim_root,
    failed,
    here,
    host_of,
    settled,
)
from pileus.services.compute.servers.sagas_power import POWER_S, SOFT_S, power_back
from pileus.services.compute.servers.store import Server

REBUILT, RESIZED = "rebuild", "resize"


async def ran(op: Op) -> dict[str, bool]:
    """What a guest that is stopped for the sake of its disks goes back to."""
    server = await here(op)
    return {"ran": server.power_state in (rules.RUNNING, rules.PAUSED)}


async def stop(op: Op) -> Any:
    return await op.engine("hypervisor", await host_of(op)).ensure_power(op.subject_id, Power.OFF, soft_s=SOFT_S)


async def make_disks(op: Op) -> Any:
    """The local disks as the rows have them now."""
    server = await here(op)
    domain = await wish.domain(op.ctx, server, urls=await disks.sources(op, server))
    return await op.engine("hypervisor", await host_of(op)).ensure_disks(domain)


async def keep_root(op: Op, label: str) -> Any:
    if not await has_local_root(op.ctx, await here(op)):
        return None
    return await op.engine("hypervisor", await host_of(op)).ensure_disk_kept(op.subject_id, "root", label)


async def restore_root(op: Op, label: str) -> Any:
    """The disk as it was; rows have to say so too before the guest is defined again."""
    server = await store.find(op.ctx, op.subject_id)
    if server is None or server.host is None or not await has_local_root(op.ctx, server):
        return None
    return await op.engine("hypervisor", server.host).ensure_disk_restored(op.subject_id, "root", label)


async def forget_kept(op: Op, label: str) -> Any:
    return await op.engine("hypervisor", await host_of(op)).ensure_kept_gone(op.subject_id, label)


async def run_again(op: Op, *, running: bool) -> Any:
    """Say the guest as it is now, and let it run if it did."""
    host = await host_of(op)
    answer = await shape.say(op, op.subject_id, host)
    if not is_done(answer) or not running:
        return answer
    return await op.engine("hypervisor", host).ensure_power(op.subject_id, Power.ON)


async def back_to_work(op: Op, *, running: bool) -> Any:
    """In an undo: the guest as its rows have it again."""
    answer = await make_disks(op)
    return await run_again(op, running=running) if is_done(answer) else answer


async def has_local_root(ctx: Ctx, server: Server) -> bool:
    return shape.has_local_root(await store.devices_of(ctx, [server.id]))


def states(running: bool) -> dict[str, Any]:
    return {
        "vm_state": "active" if running else "stopped",
        "power_state": rules.RUNNING if running else rules.SHUTDOWN,
    }


# rebuild: the same server from another image

rebuild_server = Saga("compute.rebuild_server")


@rebuild_server.rows
async def note_power(op: Op) -> dict[str, bool]:
    return await ran(op)


@rebuild_server.step(deadline_s=POWER_S)
async def stop_to_rebuild(op: Op) -> Any:
    return await stop(op)


@stop_to_rebuild.undo
async def run_unrebuilt(op: Op) -> Any:
    return await run_again(op, running=op.memo["note_power"]["ran"])


@rebuild_server.step(deadline_s=IMAGE_S)
async def keep_old_root(op: Op) -> Any:
    return await keep_root(op, REBUILT)


@keep_old_root.undo
async def put_old_root_back(op: Op) -> Any:
    return await restore_root(op, REBUILT)


@rebuild_server.rows
async def take_new_image(op: Op) -> None:
    await claim_root(op, "old", "new")
    await take_image(op, op.memo["new"], op.memo["edition"] + 1)


@take_new_image.undo
async def take_old_image_back(op: Op) -> None:
    await take_image(op, op.memo["old"], op.memo["edition"])
    await claim_root(op, "old")


async def take_image(op: Op, image: Any, edition: int) -> None:
    """A server that runs from a volume goes on to show what it was made of, if it was said to be of an image."""
    facts = msgspec.convert(image, ImageFacts)
    shown = {"image_id": facts.id} if await has_local_root(op.ctx, await here(op)) else {}
    await store.change(op.ctx, op.subject_id, image=facts, edition=edition, **shown)


@rebuild_server.step(deadline_s=IMAGE_S)
async def make_new_disks(op: Op) -> Any:
    return await make_disks(op)


@rebuild_server.step(deadline_s=POWER_S, point_of_no_return=True)
async def run_rebuilt(op: Op) -> Any:
    return await run_again(op, running=op.memo["note_power"]["ran"])


@rebuild_server.step
async def forget_old_root(op: Op) -> Any:
    return await forget_kept(op, REBUILT)


@rebuild_server.rows
async def show_rebuilt(op: Op) -> None:
    await claim_root(op, "new")
    await settled(op, launched_at=op.ctx.now(), **states(op.memo["note_power"]["ran"]))


@rebuild_server.undone
@rebuild_server.parked
async def show_not_rebuilt(op: Op) -> None:
    """Its old disk is there again, and it runs if it did: a hard reboot says that it is well."""
    await failed(op, vm_state="error")


# resize: another flavor, on the same host; confirmed or taken back by its owner

resize_server = Saga("compute.resize_server")


@resize_server.rows
async def claim_more(op: Op) -> dict[str, bool]:
    """Room for both flavors, whichever is larger, where it is."""
    server = await here(op)
    await scheduler.keep(op.ctx, await asked_of_scheduler(op.ctx, server, server.host))
    await store.change(op.ctx, server.id, task_state="resize_migrating")
    return await ran(op)


@claim_more.undo
async def claim_as_before(op: Op) -> None:
    await take_old_flavor(op)


@resize_server.step(deadline_s=POWER_S)
async def stop_to_resize(op: Op) -> Any:
    return await stop(op)


@stop_to_resize.undo
async def run_as_before(op: Op) -> Any:
    await take_old_flavor_in_rows(op)
    return await run_again(op, running=op.memo["claim_more"]["ran"])


@resize_server.step(deadline_s=IMAGE_S)
async def keep_small_root(op: Op) -> Any:
    return await keep_root(op, RESIZED)


@keep_small_root.undo
async def put_small_root_back(op: Op) -> Any:
    await take_old_flavor_in_rows(op)
    return await restore_root(op, RESIZED)


@resize_server.step(deadline_s=IMAGE_S)
async def grow_disks(op: Op) -> Any:
    return await make_disks(op)


@resize_server.step(deadline_s=POWER_S)
async def run_resized(op: Op) -> Any:
    return await run_again(op, running=op.memo["claim_more"]["ran"])


@run_resized.undo
async def stop_resized(op: Op) -> Any:
    return await power_back(op, Power.OFF)


@resize_server.rows
async def show_resized(op: Op) -> None:
    running = op.memo["claim_more"]["ran"]
    await migrations.change(op.ctx, op.id, status="finished")
    await settled(op, vm_state="resized", power_state=rules.RUNNING if running else rules.SHUTDOWN)


@resize_server.undone
@resize_server.parked
async def show_not_resized(op: Op) -> None:
    await migrations.change(op.ctx, op.id, status="error")
    await failed(op)


async def take_old_flavor_in_rows(op: Op) -> None:
    async with op.ctx.transaction() as ctx:
        server = await store.find(ctx, op.subject_id)
        if server is not None and server.old_flavor is not None:
            await store.change(ctx, server.id, **old_flavor(server))


async def take_old_flavor(op: Op) -> None:
    """The rows and Placement, as they were."""
    server = await store.find(op.ctx, op.subject_id)
    if server is None:
        return
    if server.old_flavor is not None:
        await store.change(op.ctx, server.id, **old_flavor(server))
    await claim_what_is(op)


def old_flavor(server: Server) -> dict[str, Any]:
    old = server.old_flavor
    assert old is not None
    kept = {"flavor": old, "flavor_id": old.id, "old_flavor": None}
    return kept | {"vcpus": old.vcpus, "memory_mib": old.memory_mib}


confirm_resize = Saga("compute.confirm_resize")


@confirm_resize.step(point_of_no_return=True)
async def forget_small_root(op: Op) -> Any:
    return await forget_kept(op, RESIZED)


@confirm_resize.rows
async def show_confirmed(op: Op) -> None:
    await keep_what_is(op)


async def keep_what_is(op: Op) -> None:
    """In a rows step: there is no way back any more, to another flavor or another host."""
    server = await here(op)
    only = {"vcpus": server.flavor.vcpus, "memory_mib": server.flavor.memory_mib}
    await store.change(op.ctx, server.id, old_host=None, old_flavor=None, **only)
    await claim_what_is(op)
    await migrations.decide(op.ctx, server.id, "confirmed")
    await settled(op, **states(server.power_state == rules.RUNNING) | op.memo.get("shown", {}))


@confirm_resize.parked
async def show_unconfirmed(op: Op) -> None:
    await failed(op, vm_state="error")


async def claim_what_is(op: Op) -> None:
    """In Placement what the rows say."""
    server = await here(op)
    await scheduler.keep(op.ctx, await asked_of_scheduler(op.ctx, server, server.host))


revert_resize = Saga("compute.revert_resize")


@revert_resize.rows
async def note_power_to_revert(op: Op) -> dict[str, bool]:
    return await ran(op)


@revert_resize.step(deadline_s=POWER_S, point_of_no_return=True)
async def stop_to_revert(op: Op) -> Any:
    return await stop(op)


@revert_resize.rows
async def take_small_flavor(op: Op) -> None:
    await take_old_flavor(op)


@revert_resize.step(deadline_s=IMAGE_S)
async def restore_small_root(op: Op) -> Any:
    return await restore_root(op, RESIZED)


@revert_resize.step(deadline_s=IMAGE_S)
async def make_small_disks(op: Op) -> Any:
    return await make_disks(op)


@revert_resize.step(deadline_s=POWER_S)
async def run_reverted(op: Op) -> Any:
    return await run_again(op, running=op.memo["note_power_to_revert"]["ran"])


@revert_resize.rows
async def show_reverted(op: Op) -> None:
    await migrations.decide(op.ctx, op.subject_id, "reverted")
    await settled(op, **states(op.memo["note_power_to_revert"]["ran"]))


@revert_resize.undone
async def show_not_reverted(op: Op) -> None:
    await failed(op)


@revert_resize.parked
async def show_unreverted(op: Op) -> None:
    await failed(op, vm_state="error")


# rescue: another disk to start from, its own beside


def rescue_saga(name: str, *, vm_state: str) -> Saga:
    """From `old` to `new`, each an image or none. If it fails, the server is what it was."""
    saga = Saga(f"compute.{name}")

    @saga.rows
    async def note_power(op: Op) -> dict[str, bool]:
        return await ran(op)

    @saga.step(deadline_s=POWER_S)
    async def stop_guest(op: Op) -> Any:
        return await stop(op)

    @stop_guest.undo
    async def run_as_it_was(op: Op) -> Any:
        return await back_to_work(op, running=op.memo["note_power"]["ran"])

    @saga.rows
    async def take_image(op: Op) -> None:
        await store.change(op.ctx, op.subject_id, rescue=rescuer(op.memo["new"]))

    @take_image.undo
    async def take_image_back(op: Op) -> None:
        await store.change(op.ctx, op.subject_id, rescue=rescuer(op.memo["old"]))

    @saga.step(deadline_s=IMAGE_S)
    async def change_disks(op: Op) -> Any:
        return await make_disks(op)

    @saga.step(deadline_s=POWER_S)
    async def run_guest(op: Op) -> Any:
        return await run_again(op, running=True)

    @run_guest.undo
    async def stop_again(op: Op) -> Any:
        return await power_back(op, Power.OFF)

    @saga.rows
    async def show(op: Op) -> None:
        await settled(op, vm_state=vm_state, power_state=rules.RUNNING)

    saga.undone(failed)
    saga.parked(failed)
    return saga


def rescuer(facts: Any) -> ImageFacts | None:
    return None if facts is None else msgspec.convert(facts, ImageFacts)


rescue_server = rescue_saga("rescue_server", vm_state="rescued")
unrescue_server = rescue_saga("unrescue_server", vm_state="active")
