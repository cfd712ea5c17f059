"""What hosts tell of guests by themselves."""

from __future__ import annotations

from uuid import UUID

from pileus.engines.hearing import hears
from pileus.engines.hypervisor import Power
from pileus.engines.verbs import Change, Done
from pileus.kernel.context import Ctx
from pileus.kernel.operations import Saga, holder
from pileus.services.compute.servers import history, rules, sagas_power, store
from pileus.services.compute.servers.store import Server

RUNS = frozenset({"active", "paused"})
RETURNS = frozenset({"active", "rescued", "resized"})


@hears("hypervisor", "power")
async def power_changed(ctx: Ctx, change: Change) -> None:
    """A guest that is off by its own doing becomes a stopped server; one that its host lost runs again. What is being done
    with it has the last word."""
    if not (isinstance(change.answer, Done) and change.answer.facts.get("power") == Power.OFF):
        return
    server_id = UUID(change.subject)
    await ctx.lock("subject", server_id)
    server = await store.find(ctx, server_id)
    if server is None or server.task_state is not None or await holder(ctx, server_id):
        return
    if change.answer.facts.get("lost") and server.vm_state in RETURNS and server.power_state == rules.RUNNING:
        await _begin(ctx, server, sagas_power.return_server)
        await store.change(ctx, server_id, task_state="powering-on")
    elif server.vm_state in RUNS:
        await _begin(ctx, server, sagas_power.notice_power)


async def _begin(ctx: Ctx, server: Server, saga: Saga) -> None:
    await history.note(ctx, server.id, await saga.start(ctx, server.id), saga)
