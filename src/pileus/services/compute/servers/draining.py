"""A host that shall be empty: which of its servers go where, and what stands in the way of the others."""

from __future__ import annotations

from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import CloudError
from pileus.services.compute.hypervisors import service as hypervisors
from pileus.services.compute.hypervisors.service import Hypervisor
from pileus.services.compute.scheduler import service as scheduler
from pileus.services.compute.servers import counts, moving, rules, sagas_move, store
from pileus.services.compute.servers.moving import Live
from pileus.services.compute.servers.store import Server

REASON = "drained"
WHY = {"active": "it runs", "paused": "its memory is kept", "stopped": "it is off"}


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A server on the host. `to`: where it goes, or would; None: `why_not` says what is in the way, and the way out. `how`: live,
    or cold, and `why`."""

    server_id: UUID
    name: str
    status: str
    to: str | None = None
    how: str | None = None
    why: str | None = None
    why_not: str | None = None


async def plan(ctx: Ctx, name: str) -> list[Move]:
    """What `drain` would do now: each server finds its place after those before it. Nothing on a host without guests."""
    async with ctx.read() as ctx:
        host = await _host(ctx, name)
        if host is None:
            return []
        found = await store.by_ids(ctx, [row.id for row in await counts.on_hosts(ctx, [name])])
        servers = sorted(found.values(), key=lambda server: (server.name, server.id))
        stay = {server.id: why for server in servers if (why := _in_the_way(host, server)) is not None}
        go = [server for server in servers if server.id not in stay]
        asked = [await sagas_move.asked_elsewhere(ctx, server, None) for server in go]
        verdicts = await scheduler.judge_in_turn(ctx, asked)
    to = {server.id: verdict.hosts[0] for server, verdict in zip(go, verdicts, strict=True) if verdict.hosts}
    for each, verdict in zip(asked, verdicts, strict=True):
        if not verdict.hosts:
            hosts = "; ".join(f"{name}: {why}" for name, why in verdict.details().items())
            stay[each.server_id] = f"{verdict.message(each.resources)} {hosts}".rstrip()
    return [
        Move(
            server_id=server.id,
            name=server.name,
            status=rules.status_of(server.vm_state, server.task_state),
            to=to.get(server.id),
            how=("live" if runs(server) else "cold") if server.id in to else None,
            why=WHY.get(server.vm_state) if server.id in to else None,
            why_not=stay.get(server.id),
        )
        for server in servers
    ]


async def drain(ctx: Ctx, name: str) -> list[Move]:
    """Let the host have no new guests, and begin to move those that can be. They need not be confirmed."""
    host = await _host(ctx, name)
    if host is not None and host.enabled:
        await hypervisors.change(ctx, name, {"enabled": False, "disabled_reason": REASON})
    planned = await plan(ctx, name)
    return [move if move.to is None else await _begun(ctx, move) for move in planned]


async def _begun(ctx: Ctx, move: Move) -> Move:
    try:
        server = await store.find(ctx, move.server_id)
        if server is not None:
            if runs(server):
                await moving.migrate_live(ctx, server, Live(host=move.to))
            else:
                await moving.migrate(ctx, server, move.to, sure=True)
    except CloudError as e:  # something has come between
        return msgspec.structs.replace(move, to=None, how=None, why=None, why_not=e.message)
    return move


def runs(server: Server) -> bool:
    """Whether it has a memory to take along."""
    return server.vm_state in ("active", "paused")


async def _host(ctx: Ctx, name: str) -> Hypervisor | None:
    """None when it is no hypervisor: a host of volumes or networks alone."""
    return (await hypervisors.named(ctx, [name])).get(name)


def _in_the_way(host: Hypervisor, server: Server) -> str | None:
    """Why it cannot go anywhere, and the way out."""
    if not host.up:
        return f"The host {host.name} is down: evacuate the server."
    if server.old_host is not None or server.old_flavor is not None:
        return "It was resized or migrated before: confirm or revert that first."
    try:
        rules.check(moving.LIVE if runs(server) else "migrate", server.id, server.vm_state, server.task_state)
    except CloudError as e:
        return f"{e.message}: start or stop it first, or wait until it is done."
    return None
