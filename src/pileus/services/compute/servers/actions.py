"""What can be asked of a server that is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, Forbidden
from pileus.kernel.operations import Saga, holder
from pileus.kernel.quota import Claim, claim_all
from pileus.services.compute.migrations import service as migrations
from pileus.services.compute.quotas import CORES, RAM_MIB
from pileus.services.compute.servers import (
    building,
    counts,
    guest_data,
    history,
    neighbours,
    rules,
    sagas_disks,
    sagas_move,
    sagas_power,
    store,
    wiring,
)
from pileus.services.compute.servers.store import Server

SERVER = "compute.server"


class Simple(msgspec.Struct, frozen=True):
    """An action without arguments: what it needs, which saga does it, what is shown meanwhile."""

    needs: str
    saga: Saga
    task_state: str


SIMPLE: Mapping[str, Simple] = {
    "start": Simple("start", sagas_power.start_server, "powering-on"),
    "stop": Simple("stop", sagas_power.stop_server, "powering-off"),
    "soft reboot": Simple("soft reboot", sagas_power.reboot_server, "reboot_started"),
    "hard reboot": Simple("hard reboot", sagas_power.hard_reboot_server, "reboot_started_hard"),
    "pause": Simple("pause", sagas_power.pause_server, "pausing"),
    "unpause": Simple("unpause", sagas_power.unpause_server, "unpausing"),
    "suspend": Simple("suspend", sagas_power.suspend_server, "suspending"),
    "resume": Simple("resume", sagas_power.resume_server, "resuming"),
    "confirmResize": Simple("confirmResize", sagas_disks.confirm_resize, "resize_confirming"),
    "revertResize": Simple("revertResize", sagas_disks.revert_resize, "resize_reverting"),
    "unrescue": Simple("unrescue", sagas_disks.unrescue_server, "unrescuing"),
}


async def simple(ctx: Ctx, server: Server, name: str) -> None:
    """Start an action that needs nothing to be said. Raises Conflict."""
    action = SIMPLE[name]
    await begin(ctx, server, action.needs, action.saga, task_state=action.task_state)


async def begin(ctx: Ctx, server: Server, needs: str, saga: Saga, memo: Any = None, **columns: Any) -> UUID:
    """Start an operation on a server in a state for it, and write these columns. Returns its id. Raises Conflict."""
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", server.id)
        now = await store.find(ctx, server.id) or server
        refuse_locked(ctx, now)
        rules.check(needs, now.id, now.vm_state, now.task_state)
        if now.host is None:  # it was never built
            raise rules.WrongState(f"Instance {now.id} is not ready: it is on no host. Delete it, and make another.")
        saga = instead(now, saga)
        operation_id = await saga.start(ctx, now.id, **(memo or {}))
        await history.note(ctx, now.id, operation_id, saga)
        await store.change(ctx, now.id, **columns)
        await changed(ctx, SERVER, "updated", now.id, project_id=now.project_id)
    return operation_id


def instead(server: Server, saga: Saga) -> Saga:
    """What confirms and reverts one that came from another host is another saga."""
    return saga if server.old_host is None else sagas_move.INSTEAD.get(saga.name, saga)


def refuse_locked(ctx: Ctx, server: Server) -> None:
    """Raises Conflict for a locked server, but for administrators."""
    if server.locked_by is not None and not is_admin(ctx):
        raise Conflict(f"Instance {server.id} is locked")


def is_admin(ctx: Ctx) -> bool:
    return ctx.world.policy.allows("compute/context_is_admin", ctx.caller, {})


# locks and states


async def lock(ctx: Ctx, server: Server, reason: str | None) -> None:
    """The owner's lock is lifted by the project, an administrator's only by administrators."""
    by = "owner" if ctx.caller.project_id == server.project_id else "admin"
    await _write(ctx, server, locked_by=by, locked_reason=reason)


async def unlock(ctx: Ctx, server: Server) -> None:
    """Raises Forbidden for a lock of an administrator's."""
    rule = "os_compute_api:os-lock-server:unlock:unlock_override"
    if server.locked_by == "admin" and not ctx.world.policy.allows(rule, ctx.caller, {"project_id": server.project_id}):
        raise Forbidden(f"The server {server.id} was locked by an administrator: only one can unlock it.")
    await _write(ctx, server, locked_by=None, locked_reason=None)


async def reset_state(ctx: Ctx, server: Server, vm_state: str) -> None:
    """What an administrator says that it is. Nothing is done with the guest; but one that waits to be confirmed or reverted
    can be neither from here on, so that it stays as it is, and nothing of what it was."""
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", server.id)
        now = await store.find(ctx, server.id) or server
        if now.vm_state == "resized" and await holder(ctx, now.id) is None:
            shown = {"vm_state": vm_state} if vm_state == "error" else {}
            saga = instead(now, sagas_disks.confirm_resize)
            await history.note(ctx, now.id, await saga.start(ctx, now.id, shown=shown), saga)
        await _write(ctx, server, vm_state=vm_state, task_state=None)


async def _write(ctx: Ctx, server: Server, **columns: Any) -> None:
    async with ctx.transaction() as ctx:
        await store.change(ctx, server.id, **columns)
        await changed(ctx, SERVER, "updated", server.id, project_id=server.project_id)


def restore(server: Server) -> None:
    """Bring back what waits for its end: none does, for what is deleted here goes at once. Raises Conflict."""
    rules.check("restore", server.id, server.vm_state, server.task_state)


# resize


async def resize(ctx: Ctx, server: Server, flavor_id: str, disk_config: str | None) -> None:
    """Raises BadRequest, Conflict, OverQuota."""
    async with ctx.read() as reading:
        new = await building.flavor_of(reading, flavor_id)
        devices = await store.devices_of(reading, [server.id])
    if new.id == server.flavor.id and new == server.flavor:
        raise BadRequest("When resizing, instances must change flavor!")
    local = bool(devices) and devices[0].destination == "local"
    if local and new.disk_gib < server.flavor.disk_gib:
        raise BadRequest(
            f"Unable to resize disk down: the disk has {server.flavor.disk_gib} GiB, the flavor {new.name} gives {new.disk_gib}."
        )
    if not local and not new.memory_mib:
        raise BadRequest("The flavor has no memory.")
    columns: dict[str, Any] = {"flavor": new, "flavor_id": new.id, "old_flavor": server.flavor}
    columns |= {"vcpus": max(new.vcpus, server.vcpus), "memory_mib": max(new.memory_mib, server.memory_mib)}
    if disk_config is not None:
        columns["disk_config"] = disk_config
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", server.id)
        more = [
            Claim(CORES, new.vcpus - server.vcpus, counts.cores_of),
            Claim(RAM_MIB, new.memory_mib - server.memory_mib, counts.memory_of),
        ]
        operation_id = await begin(ctx, server, "resize", sagas_disks.resize_server, task_state="resize_prep")
        where = {"source": server.host, "dest": server.host, "old_flavor": server.flavor.id, "new_flavor": new.id}
        await migrations.begin(ctx, operation_id, server.id, type=migrations.RESIZE, status="migrating", **where)
        await claim_all(ctx, server.project_id, more)
        await store.change(ctx, server.id, **columns)


# rescue


async def rescue(ctx: Ctx, server: Server, image_id: UUID | None, admin_pass: str) -> None:
    """Start it from another disk, with its own beside. Raises BadRequest, Conflict."""
    wanted = image_id or server.image_id
    if wanted is None:
        raise BadRequest(f"Cannot rescue the volume-backed server {server.id} without a rescue_image_ref.")
    image = await neighbours.image(ctx, wanted)
    if not image.size_bytes:
        raise BadRequest(f"Cannot rescue the server {server.id} from image {image.id}, which has no data.")
    vault = msgspec.structs.replace(guest_data.opened(ctx, server), admin_pass=admin_pass)
    memo, sealed = {"new": image, "old": None}, guest_data.sealed(ctx, vault)
    await begin(ctx, server, "rescue", sagas_disks.rescue_server, memo, task_state="rescuing", sealed=sealed)


async def unrescue(ctx: Ctx, server: Server) -> None:
    """Raises Conflict."""
    action = SIMPLE["unrescue"]
    memo = {"new": None, "old": server.rescue}
    await begin(ctx, server, action.needs, action.saga, memo, task_state=action.task_state)


# metadata and tags


async def set_metadata(ctx: Ctx, server: Server, metadata: Mapping[str, str], *, action: str) -> dict[str, str]:
    """All of it, from now on. Raises Conflict, OverQuota."""
    refuse_locked(ctx, server)
    rules.check(action, server.id, server.vm_state, server.task_state)
    await building.check_numbers(ctx, server.project_id, {"metadata_items": len(metadata)})
    await _write(ctx, server, metadata=dict(metadata))
    return dict(metadata)


async def set_tags(ctx: Ctx, server: Server, names: Iterable[str]) -> list[str]:
    """These, and no others. Raises Conflict."""
    refuse_locked(ctx, server)
    rules.check("tags", server.id, server.vm_state, server.task_state)
    wanted = sorted(names)
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", server.id)
        await store.drop_tags(ctx, server.id)
        await store.add_tags(ctx, server.id, wanted)
        await _write(ctx, server)
    return wanted


# what the guest's host tells


async def numbers(ctx: Ctx, server: Server) -> Mapping[str, int | float]:
    """What the hypervisor counts of it. Raises Conflict, Unavailable."""
    rules.check("get_diagnostics", server.id, server.vm_state, server.task_state)
    return await _host(ctx, server).stats(server.id)  # type: ignore[no-any-return]


async def console_log(ctx: Ctx, server: Server, lines: int | None) -> str:
    """The last lines that it wrote; what stands behind the last newline, if only nothing, is one of them.

    Raises Conflict, NotFound, Unavailable.
    """
    text: str = await _host(ctx, server).console_log(server.id, lines)
    return text if lines is None else "\n".join(text.split("\n")[-lines:] if lines else ())


def _host(ctx: Ctx, server: Server) -> Any:
    if server.host is None:
        raise Conflict(f"Instance {server.id} is not ready")
    return ctx.engine("hypervisor", server.host)


async def security_groups(ctx: Ctx, server: Server) -> list[dict[str, Any]]:
    """The groups of its ports, as Compute shows them."""
    nics = await store.nics_of(ctx, [server.id])
    return await wiring.groups_of(ctx, [nic.port_id for nic in nics])


async def change_group(ctx: Ctx, server: Server, name: str, *, leave: bool) -> None:
    """Let its ports be in a security group, or in it no more. Raises BadRequest, Conflict, NotFound."""
    rules.check("addSecurityGroup", server.id, server.vm_state, server.task_state)
    nics = await store.nics_of(ctx, [server.id])
    await wiring.join_group(ctx, [nic.port_id for nic in nics], name, leave=leave)
