"""Servers that move while they run: how far they are, and what may be asked of them meanwhile."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.operations import wake_subject
from pileus.services.compute.migrations import service as migrations
from pileus.services.compute.migrations.service import Migration
from pileus.services.compute.servers import actions, rules
from pileus.services.compute.servers.store import Server


async def all_of(ctx: Ctx, server: Server) -> list[Migration]:
    """There is at most one."""
    return [each for each in await migrations.of_server(ctx, server.id) if is_under_way(each)]


def is_under_way(migration: Migration) -> bool:
    return migration.type == migrations.LIVE and migration.status in migrations.IN_PROGRESS


async def get(ctx: Ctx, server: Server, number: str) -> Migration:
    """One that is under way. Raises NotFound."""
    found = await find(ctx, server, number)
    if found is None:
        raise NotFound(f"In-progress live migration {number[:80]} is not found for server {server.id}.")
    if found.type != migrations.LIVE:
        raise NotFound(f"Migration {number} for server {server.id} is not live-migration.")
    if not is_under_way(found):
        raise NotFound(f"Live migration {number} for server {server.id} is not in progress.")
    return found


async def find(ctx: Ctx, server: Server, number: str) -> Migration | None:
    found = await migrations.of_server(ctx, server.id)
    return next((each for each in found if str(each.number) == number), None)


async def hurry(ctx: Ctx, server: Server, number: str) -> None:
    """It stands still from now on until it has arrived. Raises BadRequest, Conflict."""
    actions.refuse_locked(ctx, server)
    rules.check("force_complete", server.id, server.vm_state, server.task_state)
    found = await find(ctx, server, number)
    if found is None:
        raise BadRequest(absent(server, number))
    await _ask(ctx, server, found, "force_complete", ("running",), hurried=True)


async def call_off(ctx: Ctx, server: Server, number: str, *, early: bool) -> None:
    """It stays where it is. `early`: also if it has not been begun to be sent. Raises BadRequest, Conflict, NotFound."""
    actions.refuse_locked(ctx, server)
    rules.check("abort live migration", server.id, server.vm_state, server.task_state)
    found = await find(ctx, server, number)
    if found is None:
        raise NotFound(absent(server, number))
    statuses = ("queued", "preparing", "running") if early else ("running",)
    await _ask(ctx, server, found, "abort live migration", statuses, called_off=True)


def absent(server: Server, number: str) -> str:
    return f"Migration {number[:80]} not found for instance {server.id}"


async def _ask(
    ctx: Ctx, server: Server, migration: Migration, what: str, statuses: tuple[str, ...], **columns: Any
) -> None:
    """Note it for the operation, which looks at once. Raises BadRequest when it is too late, or too early."""
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", server.id)
        now = await migrations.get(ctx, migration.id)
        if now.type != migrations.LIVE or now.status not in statuses:
            raise BadRequest(
                f"Migration {now.number} state of instance {server.id} is {now.status}. Cannot {what} while the migration "
                "is in this state."
            )
        await migrations.change(ctx, now.id, **columns)
        await wake_subject(ctx, server.id)
