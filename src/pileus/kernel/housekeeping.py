"""What is done now and then by whoever runs operations: old rows go in batches, queues are counted, chores are done."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import TryAgain, Unavailable
from pileus.kernel.operations.tables import operations

logger = logging.getLogger("pileus.housekeeping")

EVERY_S = 60.0
BATCH = 500
COUNTED = ("running", "undoing", "parked")

Purge = Callable[[Ctx, float, int], Awaitable[int]]
"""Deletes at most so many rows that ended before that stamp, in a transaction of its own; returns how many."""

Chore = Callable[[Ctx], Awaitable[None]]
"""Does what is due, in a transaction of its own; most often nothing is."""


class Housekeeping:
    """Safe to run in any number of processes: a row that another has deleted is simply not there."""

    def __init__(self, ctx: Ctx, purges: Sequence[Purge], chores: Sequence[Chore] = ()) -> None:
        self.ctx, self.purges, self.chores = ctx, tuple(purges), tuple(chores)

    async def run(self) -> None:
        """For ever, once a minute. To be run as a task and cancelled."""
        while True:
            try:
                await self.once()
            except (Unavailable, TryAgain) as e:
                logger.warning("housekeeping put off: %s", e)
            await self.ctx.world.clock.sleep(EVERY_S)

    async def once(self) -> None:
        """Do what is due, purge what is past its retention, a batch at a time, and count the queue."""
        for chore in self.chores:
            await chore(self.ctx)
        before = self.ctx.now() - self.ctx.world.config.operations.retention_s
        for purge in self.purges:
            while await purge(self.ctx, before, BATCH) == BATCH:
                pass
        states = operations.c.state
        count = sa.select(states, sa.func.count()).where(states.in_(COUNTED)).group_by(states)
        found = {state: n for state, n in (await self.ctx.execute(count)).all()}
        for state in COUNTED:
            self.ctx.world.metrics.queue(state, found.get(state, 0))
