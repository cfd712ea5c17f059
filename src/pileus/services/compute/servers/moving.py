"""What is asked of a server that shall be on another host, and what stands against it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.operations import Saga, holder
from pileus.services.compute.hypervisors import service as hypervisors
from pileus.services.compute.migrations import service as migrations
from pileus.services.compute.scheduler import service as scheduler
from pileus.services.compute.servers import actions, guest_data, rules, sagas_live, sagas_move, store
from pileus.services.compute.servers.store import Server

LIVE = "os-migrateLive"


async def migrate(ctx: Ctx, server: Server, host: str | None, *, sure: bool = False) -> None:
    """Begin to move it to another host, switched off; then it waits to be confirmed, unless that is `sure`.

    Raises BadRequest, Conflict.
    """
    if host is not None:
        await _known(ctx, host, BadRequest)
    if host is not None and host == server.host:
        raise BadRequest("Cannot migrate to the host where the server exists.")
    await _room(ctx, server, host)
    memo = {"host": host, "forced": False, "sure": sure}
    await _begin(ctx, server, "migrate", sagas_move.migrate_server, memo, task_state="resize_prep")


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """How a server shall move while it runs. `copied`: its local disks are (None: if it has any); `at_once`: who asks is told
    now what stands against it, and else sees it in the server's actions."""

    host: str | None = None
    forced: bool = False
    copied: bool | None = None
    at_once: bool = False


async def migrate_live(ctx: Ctx, server: Server, wanted: Live) -> None:
    """Begin to move it to another host while it runs. Raises BadRequest, Conflict."""
    actions.refuse_locked(ctx, server)
    rules.check(LIVE, server.id, server.vm_state, server.task_state)
    if wanted.host is not None:
        await _known(ctx, wanted.host, BadRequest)
    if wanted.at_once:
        if wanted.host is not None and wanted.host == server.host:
            raise BadRequest(f"Unable to migrate instance ({server.id}) to current host ({server.host}).")
        sagas_live.check_disks(await store.devices_of(ctx, [server.id]), copied=wanted.copied)
        await _room(ctx, server, wanted.host, forced=wanted.forced)
    memo = {"host": wanted.host, "forced": wanted.forced, "copied": wanted.copied, "was": server.vm_state}
    await _begin(ctx, server, LIVE, sagas_live.migrate_live, memo, task_state="migrating")


class Refuge(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of an evacuation. `on_shared_storage` None: nobody says; `stay_off`: it is not started there."""

    admin_pass: str
    host: str | None = None
    forced: bool = False
    on_shared_storage: bool | None = None
    stay_off: bool = False


async def evacuate(ctx: Ctx, server: Server, wanted: Refuge) -> None:
    """Begin to make it anew on another host, as its own is down. Raises BadRequest, Conflict, NotFound."""
    if wanted.host is not None:
        await _known(ctx, wanted.host, NotFound)
    if wanted.host is not None and wanted.host == server.host:
        raise BadRequest("The target host can't be the same one.")
    await _refuse_living(ctx, server)
    devices = await store.devices_of(ctx, [server.id])
    if wanted.on_shared_storage and any(device.destination == "local" for device in devices):
        raise BadRequest(
            f"The server {server.id} is not on shared storage: it has disks that are on its host alone, and are made anew "
            "from its image elsewhere. Ask for that by onSharedStorage false."
        )
    await _room(ctx, server, wanted.host, forced=wanted.forced)
    memo = {
        "host": wanted.host,
        "forced": wanted.forced,
        "was": server.vm_state,
        "run": server.vm_state != "stopped" and not wanted.stay_off,
    }
    vault = msgspec.structs.replace(guest_data.opened(ctx, server), admin_pass=wanted.admin_pass)
    columns = {"task_state": "rebuilding", "sealed": guest_data.sealed(ctx, vault)}
    await _begin(ctx, server, "evacuate", sagas_move.evacuate_server, memo, **columns)


async def _refuse_living(ctx: Ctx, server: Server) -> None:
    """A host that may be running the guest is not evacuated. Raises BadRequest."""
    host = (await hypervisors.named(ctx, [server.host or ""])).get(server.host or "")
    if host is not None and host.up:
        raise BadRequest(
            f"Compute service of {host.name} is still in use: its guests run there. Migrate the server; or, if the host is "
            f"dead, state it (`pileus host fence {host.name}`, or force its service down) and ask again."
        )


async def _known(ctx: Ctx, host: str, error: type[BadRequest] | type[NotFound]) -> None:
    if host not in await hypervisors.named(ctx, [host]):
        raise error(f"Compute host {host} not found.")


async def _room(ctx: Ctx, server: Server, host: str | None, *, forced: bool = False) -> None:
    """Raises BadRequest when no host could take it now; which does is decided by the operation."""
    if server.host is None:
        return
    async with ctx.read() as reading:
        asked = await sagas_move.asked_elsewhere(reading, server, host, forced=forced)
        verdict = await scheduler.judge(reading, asked)
    if not verdict.hosts:
        raise BadRequest(verdict.message(asked.resources), **verdict.details())


async def _begin(ctx: Ctx, server: Server, action: str, saga: Saga, memo: dict[str, Any], **columns: Any) -> UUID:
    """Raises Conflict, also while a part of it comes or goes: that is opened to one host."""
    kind, status = KINDS[action]
    async with ctx.transaction() as ctx:
        operation_id = await actions.begin(ctx, server, action, saga, memo, **columns)
        now = await store.find(ctx, server.id) or server
        parts = [device.id for device in await store.devices_of(ctx, [now.id])]
        parts += [nic.id for nic in await store.nics_of(ctx, [now.id])]
        for part_id in parts:
            if (busy := await holder(ctx, part_id)) is not None:
                raise Conflict(
                    f"A volume or an interface of {now.id} is being attached or detached (operation {busy}): let that "
                    "come to its end first."
                )
        await migrations.begin(
            ctx,
            operation_id,
            now.id,
            type=kind,
            status=status,
            source=now.host,
            old_flavor=now.flavor.id,
            new_flavor=now.flavor.id,
        )
    return operation_id


KINDS = {
    "migrate": (migrations.MIGRATION, "pre-migrating"),
    "evacuate": (migrations.EVACUATION, "accepted"),
    LIVE: (migrations.LIVE, "queued"),
}
