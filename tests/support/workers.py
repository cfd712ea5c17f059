"""Workers that come after others."""

from __future__ import annotations

from pileus.kernel.clock import SteppingClock
from pileus.kernel.context import Ctx
from pileus.kernel.operations import Worker


async def successor(ctx: Ctx) -> Worker:
    """Another worker, once it has seen the leases of those before run out. Moves the clock."""
    worker, clock = Worker(ctx), ctx.world.clock
    assert isinstance(clock, SteppingClock)
    await worker.renew()
    clock.advance(ctx.world.config.operations.lease_s + 1)
    await worker.renew()
    return worker
