"""Servers come and go. Read top to bottom: that is the order in which it happens."""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.engines.hypervisor import Power
from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import CloudError
from pileus.kernel.operations import Op, Saga
from pileus.services.compute.scheduler import service as scheduler
from pileus.services.compute.servers import counts, disks, rules, sagas_attach, shape, store, wiring, wish
from pileus.services.compute.servers.rules import Fault, ImageFacts
from pileus.services.compute.servers.store import Server

SERVER = "compute.server"
IMAGE_S, VOLUMES_S = 3600.0, 3600.0

create_server = Saga("compute.create_server")


@create_server.rows
async def claim_host(op: Op) -> dict[str, str]:
    """A host with room for it, what it uses of that, and its ports there. Fails with the verdict of the scheduler."""
    server = await here(op)
    host, op.note = await scheduler.place(
        op.ctx, await asked_of_scheduler(op.ctx, server, op.memo["host"], forced=op.memo["forced"])
    )
    await store.change(op.ctx, server.id, host=host, task_state="spawning")
    nics = await store.nics_of(op.ctx, [server.id])
    await wiring.bind_ports(op.ctx, [nic.port_id for nic in nics], server.id, host)
    return {"host": host}


@claim_host.undo
async def give_up_host(op: Op) -> None:
    await scheduler.release(op.ctx, op.subject_id)
    await leave_ports(op)
    await store.change(op.ctx, op.subject_id, host=None)


@create_server.step(deadline_s=VOLUMES_S)
async def connect_volumes(op: Op) -> Any:
    """Volumes to boot from, or beside: made if they are to be, and open to the host."""
    return await disks.connect_all(op, op.memo["claim_host"]["host"])


@connect_volumes.undo
async def disconnect_volumes(op: Op) -> Any:
    return await disks.disconnect_all(op, made=True)


@create_server.step(deadline_s=IMAGE_S)
async def make_disks(op: Op) -> Any:
    """A job of the host: it fetches the image, if it has not got it, and makes the local disks."""
    server = await here(op)
    urls = await disks.sources(op, server)
    domain = await wish.domain(op.ctx, server, urls=urls)
    return await op.engine("hypervisor", op.memo["claim_host"]["host"]).ensure_disks(domain)


@make_disks.undo
async def remove_guest(op: Op) -> Any:
    host = op.memo["claim_host"]["host"]
    return await op.settle(host, "hypervisor", "ensure_gone", op.subject_id)


@create_server.step(deadline_s=300)
async def boot(op: Op) -> Any:
    hypervisor = op.engine("hypervisor", op.memo["claim_host"]["host"])
    answer = await hypervisor.ensure_defined(await wish.domain(op.ctx, await here(op)))
    if not disks.is_done(answer):
        return answer
    return await hypervisor.ensure_power(op.subject_id, Power.ON)


@create_server.rows
async def mark_active(op: Op) -> None:
    now = op.ctx.now()
    await settled(op, vm_state="active", power_state=rules.RUNNING, launched_at=now)


@create_server.undone
@create_server.parked
async def mark_failed(op: Op) -> None:
    await failed(op, vm_state="error", power_state=rules.NO_POWER)


delete_server = Saga("compute.delete_server")


@delete_server.rows(point_of_no_return=True)
async def mark_deleting(op: Op) -> dict[str, str | None]:
    server = await store.find(op.ctx, op.subject_id)
    if server is None:
        return {"host": None, "old_host": None}
    await store.change(op.ctx, server.id, task_state="deleting")
    return {"host": server.host, "old_host": server.old_host}


@delete_server.step(deadline_s=VOLUMES_S)
async def end_attachments(op: Op) -> Any:
    """What is just being attached or detached comes to its end first: nobody defines the guest anew once it is gone."""
    return await sagas_attach.end_all(op)


@delete_server.step(deadline_s=600)
async def destroy(op: Op) -> Any:
    """Where it is, and where it came from if that is not confirmed."""
    for host in (op.memo["mark_deleting"]["host"], op.memo["mark_deleting"]["old_host"]):
        answer = await op.settle(host, "hypervisor", "ensure_gone", op.subject_id) if host else None
        if not disks.is_settled(answer):
            return answer
    return None


@delete_server.step(deadline_s=VOLUMES_S)
async def leave_volumes(op: Op) -> Any:
    answer = await disks.disconnect_all(op)
    if not disks.is_settled(answer):
        return answer
    return await disks.delete_owned(op, op.subject_id)


@delete_server.rows
async def forget(op: Op) -> None:
    server = await store.find(op.ctx, op.subject_id)
    if server is None:
        return
    await scheduler.release(op.ctx, server.id)
    await leave_ports(op)
    now = op.ctx.now()
    states = {
        "vm_state": "deleted",
        "task_state": None,
        "power_state": rules.NO_POWER,
        "shaper": None,
        "old_host": None,
    }
    await store.change(op.ctx, server.id, deleted_at=now, sealed=None, user_data=None, **states)
    await changed(op.ctx, SERVER, "deleted", server.id, project_id=server.project_id)


@delete_server.parked
async def mark_undeleted(op: Op) -> None:
    await failed(op, vm_state="error")


# what the sagas of servers have in common


async def here(op: Op) -> Server:
    """The server that the operation is about."""
    server = await store.find(op.ctx, op.subject_id)
    if server is None:
        raise CloudError(f"The server {op.subject_id} is not there any more.")
    return server


async def host_of(op: Op) -> str:
    """Where the server is."""
    server = await here(op)
    if server.host is None:
        raise CloudError(f"The server {server.id} is on no host.")
    return server.host


async def settled(op: Op, **columns: Any) -> None:
    """The last rows of an operation that went well: nothing is being done with the server any more."""
    server = await here(op)
    await store.leave_shape(op.ctx, server.id, op.id)
    await store.change(op.ctx, server.id, task_state=None, fault=None, **columns)
    await changed(op.ctx, SERVER, "updated", server.id, project_id=server.project_id)


async def failed(op: Op, **columns: Any) -> None:
    """The last rows of an operation that came to nothing: the server says why, unless it is being deleted.

    Without a `vm_state` it stays what it was.
    """
    server = await store.find(op.ctx, op.subject_id)
    if server is None:
        return
    await store.leave_shape(op.ctx, server.id, op.id)
    if op.successor is not None:
        return
    details = f"{op.cause or ''}\n{await op.facts()}".strip()
    fault = Fault(500, (op.cause or "It failed.")[:255], op.ctx.now(), details)
    await store.change(op.ctx, server.id, task_state=None, fault=fault, **columns)
    await changed(op.ctx, SERVER, "updated", server.id, project_id=server.project_id)


async def leave_ports(op: Op) -> None:
    nics = await store.nics_of(op.ctx, [op.subject_id])
    ours = [nic.port_id for nic in nics if nic.ours]
    await store.drop_nics(op.ctx, op.subject_id)  # first: a port that goes would be detached
    await wiring.leave_ports(op.ctx, ours, [nic.port_id for nic in nics if not nic.ours])


async def asked_of_scheduler(ctx: Ctx, server: Server, host: str | None, *, forced: bool = False) -> scheduler.Asked:
    """What the server asks of a host."""
    devices = await store.devices_of(ctx, [server.id])
    beside = await counts.hosts_of(ctx, [scheduler.uuid(each) for each in server.hints.get("same_host", [])])
    apart = await counts.hosts_of(ctx, [scheduler.uuid(each) for each in server.hints.get("different_host", [])])
    group_hosts = [] if server.group_id is None else await counts.hosts_of_group(ctx, server.group_id, server.id)
    return scheduler.Asked(
        server_id=server.id,
        project_id=server.project_id,
        user_id=server.user_id,
        resources=shape.resources(server, devices),
        beside=shape.left_behind(server, devices),
        zone=server.zone,
        host=host,
        forced=forced,
        same_host=[each for each in beside.values() if each] if "same_host" in server.hints else None,
        different_host=[each for each in apart.values() if each],
        group_id=server.group_id,
        group_hosts=group_hosts,
        flavor=server.flavor.name,
        extra_specs=server.flavor.extra_specs,
        image=server.image.properties,
    )


async def claim_root(op: Op, *images: str) -> None:
    """In Placement room for a root of each of these images of the memo: a flavor without a disk leaves its size to them."""
    server, devices = await here(op), await store.devices_of(op.ctx, [op.subject_id])
    old, new = (
        shape.resources(msgspec.structs.replace(server, image=msgspec.convert(op.memo[name], ImageFacts)), devices)
        for name in ("old", "new")
    )
    if old != new:
        asked = await asked_of_scheduler(op.ctx, server, server.host)
        wanted = rules.largest(*({"old": old, "new": new}[name] for name in images))
        await scheduler.keep(op.ctx, msgspec.structs.replace(asked, resources=wanted))
