"""Whether the device of a port works: the overlay tells when that changes; and as that may get lost, it is asked."""

from __future__ import annotations

from uuid import UUID

from pileus.engines.hearing import hears
from pileus.engines.overlay import Overlay, Seen
from pileus.engines.verbs import Change
from pileus.kernel import hosts
from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import CloudError
from pileus.services.network.overlay import controller
from pileus.services.network.ports import store
from pileus.services.network.ports.sagas import KIND


@hears("overlay", "port_up", "port_down")
async def device_changed(ctx: Ctx, change: Change) -> None:
    """The overlay says that the device of a port works, or works no more."""
    await _say(ctx, UUID(change.subject), change.verb == "port_up")


async def look_again(ctx: Ctx) -> None:
    """Ask the overlay of a host. An overlay in this process tells all, unless this process dies."""
    try:
        host = await controller(ctx)
        if (await hosts.get(ctx, host)).address != hosts.LOCAL:
            await ask(ctx, host)
    except CloudError:  # nobody is there to be asked
        return


async def ask(ctx: Ctx, host: str) -> None:
    """What it says counts for ports whose rows say something else."""
    said = await store.devices(ctx)
    seen: Seen = await ctx.engine(Overlay.KIND, host).observe()
    for port_id in [each for each in said.keys() & seen.ports.keys() if said[each] != seen.ports[each]]:
        async with ctx.transaction() as writing:
            await _say(writing, port_id, seen.ports[port_id])


async def _say(ctx: Ctx, port_id: UUID, up: bool) -> None:
    port = await store.find(ctx, port_id)
    if port is not None and port.up != up and not (up and port.host is None):
        await store.change(ctx, [port_id], up=up)
        await changed(ctx, KIND, "updated", port_id, project_id=port.project_id or None)
