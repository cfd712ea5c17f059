"""What hosts tell of guests by themselves."""

from __future__ import annotations

from uuid import UUID

from pileus.engines.hearing import hears
from pileus.engines.hypervisor import Power
from pileus.engines.verbs import Change, Done
from pileus.kernel.context import Ctx
from pileus.kernel.operations import holder
from pileus.services.compute.servers import history, sagas_power, store

RUNS = frozenset({"active", "paused"})


@hears("hypervisor", "power")
async def power_changed(ctx: Ctx, change: Change) -> None:
    """A guest that is off by its own doing becomes a stopped server. What is being done with it has the last word."""
    if not (isinstance(change.answer, Done) and change.answer.facts.get("power") == Power.OFF):
        return
    server_id = UUID(change.subject)
    await ctx.lock("subject", server_id)
    server = await store.find(ctx, server_id)
    if server is None or server.vm_state not in RUNS or server.task_state is not None or await holder(ctx, server_id):
        return
    operation_id = await sagas_power.notice_power.start(ctx, server_id)
    await history.note(ctx, server_id, operation_id, sagas_power.notice_power)
