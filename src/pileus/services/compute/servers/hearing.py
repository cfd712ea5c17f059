"""What hosts tell of guests by themselves."""

from __future__ import annotations

from uuid import UUID

from pileus.engines.hearing import hears
from pileus.engines.hypervisor import Power
from pileus.engines.verbs import Change, Done
from pileus.kernel.context import Ctx
from pileus.kernel.operations import holder
from pileus.services.compute.servers import sagas_power, store


@hears("hypervisor", "power")
async def power_changed(ctx: Ctx, change: Change) -> None:
    """A guest that is off by its own doing becomes a stopped server; one that its host lost runs again. Whatever is being
    done with it is done first."""
    if not (isinstance(change.answer, Done) and change.answer.facts.get("power") == Power.OFF):
        return
    server_id = UUID(change.subject)
    await ctx.lock("subject", server_id)
    server = await store.find(ctx, server_id)
    if server is not None and (sagas_power.may_go_off(server) or await holder(ctx, server_id)):
        await sagas_power.notice_power.follow(ctx, server_id, lost=bool(change.answer.facts.get("lost")))
