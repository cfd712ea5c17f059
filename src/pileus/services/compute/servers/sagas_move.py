"""A server goes to another host: switched off, and back until its owner confirms it; or away from a host that is down.

Where it came from a guest stays behind, off, until it is confirmed. There are never two that run: the one is off, or gone, or
owed by its host, which pays before it is used again, and no volume and no port is open to more than one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.engines.hypervisor import Domain
from pileus.kernel.context import Ctx
from pileus.kernel.errors import HostDown
from pileus.kernel.operations import Op, Saga, Wait
from pileus.services.compute.migrations import service as migrations
from pileus.services.compute.scheduler import service as scheduler
from pileus.services.compute.servers import carrying, disks, store, wiring, wish
from pileus.services.compute.servers.sagas import IMAGE_S, VOLUMES_S, asked_of_scheduler, failed, here, settled
from pileus.services.compute.servers.sagas_disks import (
    claim_what_is,
    keep_what_is,
    make_disks,
    ran,
    run_again,
    show_not_reverted,
    show_unconfirmed,
    show_unreverted,
    states,
    stop,
    take_old_flavor,
    take_old_flavor_in_rows,
)
from pileus.services.compute.servers.sagas_power import POWER_S
from pileus.services.compute.servers.store import Server

FENCE_S = 600.0
SILENT_S = 5.0


async def asked_elsewhere(ctx: Ctx, server: Server, host: str | None, *, forced: bool = False) -> scheduler.Asked:
    """What it asks of another host, this one if it is named; what it uses now it keeps."""
    leaving = msgspec.structs.replace(server, old_host=server.host, host=None)
    return await asked_of_scheduler(ctx, leaving, host, forced=forced)


async def claim_elsewhere(op: Op, **columns: Any) -> dict[str, Any]:
    server = await here(op)
    asked = await asked_elsewhere(op.ctx, server, op.memo["host"], forced=op.memo["forced"])
    there, op.note = await scheduler.place(op.ctx, asked)
    await store.change(op.ctx, server.id, **columns)
    return {"left": server.host, "there": there, **await ran(op)}


async def be_at(op: Op, host: str, *, old_host: str | None) -> None:
    """In a rows step: the server is there, and so are its ports."""
    nics = await store.nics_of(op.ctx, [op.subject_id])
    await wiring.bind_ports(op.ctx, [nic.port_id for nic in nics], op.subject_id, host)
    await store.change(op.ctx, op.subject_id, host=host, old_host=old_host)


async def whole(op: Op) -> Domain:
    return await wish.domain(op.ctx, await here(op))


async def gone_from(op: Op, host: str | None) -> Any:
    """No guest of it is there; a host that is down owes that."""
    return None if host is None else await op.settle(host, "hypervisor", "ensure_gone", op.subject_id)


async def may_be_on_both(op: Op, claimed: Mapping[str, Any] | None) -> None:
    """In the rows of what parks between two hosts: guests go from both with the server, whichever of them has one."""
    server = await store.find(op.ctx, op.subject_id)
    if claimed is not None and server is not None:
        other = claimed["left"] if server.host == claimed["there"] else claimed["there"]
        await store.change(op.ctx, server.id, old_host=other)


async def claim_one_host(op: Op) -> None:
    """In a rows step: it is where its rows say and nowhere else, and so is what it uses."""
    await store.change(op.ctx, op.subject_id, old_host=None)
    await claim_what_is(op)


# migrate: to another host, switched off

migrate_server = Saga("compute.migrate_server")


@migrate_server.rows
async def claim_there(op: Op) -> dict[str, Any]:
    """Room on another host, beside what it uses where it is."""
    claimed = await claim_elsewhere(op, task_state="resize_migrating")
    await migrations.change(op.ctx, op.id, status="migrating", dest=claimed["there"])
    return claimed


@claim_there.undo
async def claim_only_here(op: Op) -> None:
    await take_old_flavor(op)


@migrate_server.step(deadline_s=POWER_S)
async def stop_to_move(op: Op) -> Any:
    return await stop(op)


@stop_to_move.undo
async def run_unmoved(op: Op) -> Any:
    await take_old_flavor_in_rows(op)
    return await run_again(op, running=op.memo["claim_there"]["ran"])


@migrate_server.step(deadline_s=IMAGE_S)
async def send_disks(op: Op) -> Any:
    return await carrying.send(op, await whole(op), op.memo["claim_there"]["left"])


@send_disks.undo
async def stop_sending(op: Op) -> Any:
    return await carrying.stop_sending(op, await whole(op), op.memo["claim_there"]["left"])


@migrate_server.step(deadline_s=VOLUMES_S)
async def open_volumes_there(op: Op) -> Any:
    return await disks.open_all_to(op, op.memo["claim_there"]["there"])


@open_volumes_there.undo
async def open_volumes_here(op: Op) -> Any:
    return await disks.open_all_to(op, op.memo["claim_there"]["left"])


@migrate_server.rows
async def go_there(op: Op) -> None:
    await be_at(op, op.memo["claim_there"]["there"], old_host=op.memo["claim_there"]["left"])


@go_there.undo
async def stay_here(op: Op) -> None:
    await be_at(op, op.memo["claim_there"]["left"], old_host=None)


@migrate_server.step(deadline_s=IMAGE_S)
async def make_moved_disks(op: Op) -> Any:
    domain = await carrying.arriving(op, await whole(op))
    return await op.engine("hypervisor", op.memo["claim_there"]["there"]).ensure_disks(domain)


@make_moved_disks.undo
async def remove_moved(op: Op) -> Any:
    return await gone_from(op, op.memo["claim_there"]["there"])


@migrate_server.step(deadline_s=POWER_S)
async def run_moved(op: Op) -> Any:
    return await run_again(op, running=op.memo["claim_there"]["ran"])


@migrate_server.step(point_of_no_return=True)
async def forget_what_was_sent(op: Op) -> None:
    await carrying.forget(op, await whole(op))


@migrate_server.step
async def leave_at_once(op: Op) -> Any:
    """Where nobody is to confirm it."""
    return await gone_from(op, op.memo["claim_there"]["left"]) if op.memo["sure"] else None


@migrate_server.rows
async def show_moved(op: Op) -> None:
    running = op.memo["claim_there"]["ran"]
    if op.memo["sure"]:
        await claim_one_host(op)
    await migrations.change(op.ctx, op.id, status="confirmed" if op.memo["sure"] else "finished")
    shown = states(running) if op.memo["sure"] else {**states(running), "vm_state": "resized"}
    await settled(op, **shown)


@migrate_server.undone
async def show_not_moved(op: Op) -> None:
    """What it was, even if that took several tries."""
    await migrations.change(op.ctx, op.id, status="error")
    was = op.memo.get("claim_there")
    await failed(op, **(states(was["ran"]) if was else {}))


@migrate_server.parked
async def show_between(op: Op) -> None:
    await migrations.change(op.ctx, op.id, status="error")
    await failed(op, vm_state="error")


confirm_migration = Saga("compute.confirm_migration")


@confirm_migration.step(point_of_no_return=True)
async def leave_nothing_behind(op: Op) -> Any:
    return await gone_from(op, (await here(op)).old_host)


@confirm_migration.rows
async def show_confirmed(op: Op) -> None:
    await keep_what_is(op)


confirm_migration.parked(show_unconfirmed)


revert_migration = Saga("compute.revert_migration")


@revert_migration.rows
async def note_both_hosts(op: Op) -> dict[str, Any]:
    server = await here(op)
    return {"left": server.old_host, "there": server.host, **await ran(op)}


@revert_migration.step(deadline_s=POWER_S, point_of_no_return=True)
async def remove_from_there(op: Op) -> Any:
    return await gone_from(op, op.memo["note_both_hosts"]["there"])


@revert_migration.step(deadline_s=VOLUMES_S)
async def open_volumes_again(op: Op) -> Any:
    return await disks.open_all_to(op, op.memo["note_both_hosts"]["left"])


@revert_migration.rows
async def go_back(op: Op) -> None:
    await be_at(op, op.memo["note_both_hosts"]["left"], old_host=None)
    await take_old_flavor(op)


@revert_migration.step(deadline_s=POWER_S)
async def run_where_it_was(op: Op) -> Any:
    return await run_again(op, running=op.memo["note_both_hosts"]["ran"])


@revert_migration.rows
async def show_reverted(op: Op) -> None:
    await migrations.decide(op.ctx, op.subject_id, "reverted")
    await settled(op, **states(op.memo["note_both_hosts"]["ran"]))


revert_migration.undone(show_not_reverted)
revert_migration.parked(show_unreverted)


INSTEAD = {"compute.confirm_resize": confirm_migration, "compute.revert_resize": revert_migration}
"""What confirms and takes back for a server that came from another host."""


# evacuate: away from a host that is down

evacuate_server = Saga("compute.evacuate_server")


@evacuate_server.rows
async def claim_refuge(op: Op) -> dict[str, Any]:
    claimed = await claim_elsewhere(op, task_state="rebuilding")
    await migrations.change(op.ctx, op.id, status="pre-migrating", dest=claimed["there"])
    return claimed


@claim_refuge.undo
async def claim_no_refuge(op: Op) -> None:
    await claim_one_host(op)


@evacuate_server.step(deadline_s=VOLUMES_S)
async def take_volumes_along(op: Op) -> Any:
    """From here on the host before can write to none of them, whether it is dead or only cut off."""
    return await disks.open_all_to(op, op.memo["claim_refuge"]["there"])


@take_volumes_along.undo
async def leave_volumes_there(op: Op) -> Any:
    return await disks.open_all_to(op, op.memo["claim_refuge"]["left"])


@evacuate_server.rows
async def take_ports_along(op: Op) -> None:
    await be_at(op, op.memo["claim_refuge"]["there"], old_host=None)


@take_ports_along.undo
async def leave_ports_there(op: Op) -> None:
    await be_at(op, op.memo["claim_refuge"]["left"], old_host=None)


@evacuate_server.step(deadline_s=IMAGE_S)
async def make_disks_anew(op: Op) -> Any:
    """From its image: what was on the local disks is on the host that is down."""
    return await make_disks(op)


@make_disks_anew.undo
async def remove_refugee(op: Op) -> Any:
    return await gone_from(op, op.memo["claim_refuge"]["there"])


@evacuate_server.step(deadline_s=FENCE_S, point_of_no_return=True)
async def fence_old_guest(op: Op) -> Any:
    """The guest before is gone; or owed, by a host that can write to none of its volumes, and pays before it is used again.

    A host that has fallen silent since it opened a volume of its own could: nothing runs before it answers.
    """
    left = op.memo["claim_refuge"]["left"]
    if not await disks.any_lives_on(op, left):
        return await gone_from(op, left)
    try:
        return await op.engine("hypervisor", left).ensure_gone(op.subject_id)
    except HostDown as e:
        return Wait(SILENT_S, note=e.message)


@evacuate_server.step(deadline_s=POWER_S)
async def run_refugee(op: Op) -> Any:
    return await run_again(op, running=op.memo["run"])


@evacuate_server.rows
async def show_evacuated(op: Op) -> None:
    await claim_one_host(op)
    await migrations.change(op.ctx, op.id, status="done")
    await settled(op, launched_at=op.ctx.now(), **states(op.memo["run"]))


@evacuate_server.undone
async def show_not_evacuated(op: Op) -> None:
    """What it was, even if that took several tries."""
    await migrations.change(op.ctx, op.id, status="failed")
    await failed(op, vm_state=op.memo["was"])


@evacuate_server.parked
async def show_stranded(op: Op) -> None:
    await migrations.change(op.ctx, op.id, status="failed")
    await may_be_on_both(op, op.memo.get("claim_refuge"))
    await failed(op, vm_state="error")
