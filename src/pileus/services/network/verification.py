"""What `pileus verify` looks at: the networks and ports that the overlay has, and the rows that name them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pileus.engines.overlay import Overlay, Seen
from pileus.kernel import verify
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Unavailable
from pileus.kernel.verify import Difference, Looking
from pileus.services.network.networks import service as networks
from pileus.services.network.overlay import controller
from pileus.services.network.ports import service as ports


@verify.check("network.networks")
async def networks_are_what_the_rows_say(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """The overlay has every network, and no other."""
    host, seen = await _seen(ctx, looking)
    if seen is not None:
        wanted = dict.fromkeys(await networks.every_id(ctx), True)
        for each in verify.compared("network", wanted, dict.fromkeys(seen.networks, True), host=host):
            yield each


@verify.check("network.ports")
async def ports_are_what_the_rows_say(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """The overlay has every port, up where the rows say so, and no other."""
    host, seen = await _seen(ctx, looking)
    if seen is not None:
        for each in verify.compared("port", await ports.every_state(ctx), seen.ports, host=host):
            yield each


async def _seen(ctx: Ctx, looking: Looking) -> tuple[str, Seen | None]:
    try:
        host = await controller(ctx)
    except Unavailable:  # no host yet: nothing can be anywhere
        return "", None
    return host, await looking.at(Overlay.KIND, host)
