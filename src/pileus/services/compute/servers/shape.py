"""A guest's shape, said whole: one operation at a time does so, with the rows as they are then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

from pileus.kernel.errors import CloudError
from pileus.kernel.operations import Op, Wait, holder
from pileus.services.compute.servers import rules, store, wish
from pileus.services.compute.servers.store import Device, Server

TAKEN_S, BUSY_S = 0.5, 1.0


def has_local_root(devices: Iterable[Device]) -> bool:
    return any(device.destination == "local" and device.source == "image" for device in devices)


def resources(server: Server, devices: Iterable[Device]) -> dict[str, int]:
    """What a server uses of its host; while a resize is not confirmed, so much that either flavor fits."""
    local_root = has_local_root(devices)
    wanted = rules.resources_of(server.flavor, local_root=local_root, image_disk_gib=server.image.min_disk_gib)
    if server.old_flavor is not None:
        wanted = rules.largest(wanted, rules.resources_of(server.old_flavor, local_root=local_root))
    return wanted


def left_behind(server: Server, devices: Iterable[Device]) -> dict[str, dict[str, int]]:
    """What it still uses of the host that it came from, until it is confirmed that it stays where it is."""
    return {} if server.old_host is None else {server.old_host: resources(server, devices)}


Say = Callable[[Op, Server, Any], Awaitable[Any]]
"""Says something of a server to the hypervisor that is given, the one of its host."""


async def define(op: Op, server: Server, hypervisor: Any) -> Any:
    return await hypervisor.ensure_defined(await wish.domain(op.ctx, server))


async def say(op: Op, server_id: UUID, host: str, what: Say = define) -> Any:
    """Say the guest as its rows have it. Whoever began with it says it to the end: `store.leave_shape` lets the next."""
    async with op.ctx.transaction() as ctx:
        if not await store.take_shape(ctx, server_id, op.id):
            return Wait(TAKEN_S, note="another change of the guest is under way")
    server = await store.find(op.ctx, server_id)
    if server is None:
        raise CloudError(f"The server {server_id} is not there any more.")
    return await what(op, server, op.engine("hypervisor", host))


async def say_when_idle(op: Op, server_id: UUID, *, must: bool, what: Say = define) -> Any:
    """The same for an operation that is not the server's own: once nothing else is being done with the server.

    Who has begun to say it goes on: what has come since waits for that.

    `must`: fails for a server that is on its way out; else there is nothing to do then.
    """
    server = await store.find(op.ctx, server_id)
    if server is None or server.host is None or server.task_state == "deleting":
        if must:
            raise CloudError(f"The server {server_id} is being deleted, or on no host.")
        return None
    if server.shaper != op.id and await holder(op.ctx, server_id) is not None:
        return Wait(BUSY_S, note="something else is being done with the server")
    return await say(op, server_id, server.host, what)
