"""The role that runs operations: leases what is due, carries it on, and takes over from workers that fell silent.

A lease is two things: the operation's `holder` is this worker, and this worker's row still beats. Each observer judges
others by its own monotonic clock: a beat that has not moved for `lease_s` belongs to the dead, whose operations are then
free. Wall time only says when a waiting operation is due, and a clock that was set back does not make it wait longer.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import os
import socket
import uuid
from collections import defaultdict
from functools import partial
from typing import Any

import sqlalchemy as sa

from pileus.kernel.clock import SteppingClock
from pileus.kernel.context import Ctx
from pileus.kernel.operations.carry import Carrier, SeamHook
from pileus.kernel.operations.op import op_of
from pileus.kernel.operations.saga import sagas
from pileus.kernel.operations.tables import fences, is_due, is_live, operations, workers

logger = logging.getLogger("pileus.operations")

CLOCK_SLACK_S = 1.0
SWEEP_S = 60.0


class Worker:
    """Runs operations until it is stopped. Many may run on one PostgreSQL; on SQLite there is the one of the process."""

    def __init__(self, ctx: Ctx, *, seam: SeamHook | None = None) -> None:
        self.ctx, self.world, self.seam = ctx, ctx.world, seam
        self.options = ctx.world.config.operations
        self.id = uuid.uuid4()  # never from a seed: two workers must not share it
        self._gates: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(self.options.per_host))
        self._running: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._wakes: list[float] = []  # monotonic times at which something released here is due: a hint
        self._beats: dict[uuid.UUID, tuple[int, float]] = {}
        self._stopping = False

    # life

    async def run(self) -> None:
        """Work until `stop`. A database that is away is waited for."""
        await self._patiently(self._register)
        beating = asyncio.create_task(self._beat())
        try:
            while not self._stopping:
                await self._patiently(self._take_and_start)
                await self.world.doorbell.wait(self._pause_s())
        finally:
            beating.cancel()
            await self._leave()

    def stop(self) -> None:
        """End after the step that each operation is at; others may go on with them at once."""
        self._stopping = True
        self.world.doorbell.ring()

    async def _leave(self) -> None:
        if self._running:
            await asyncio.wait(self._running.values(), timeout=self.options.lease_s)
        for task in self._running.values():
            task.cancel()
        async with self.ctx.transaction() as ctx:
            await free(ctx, operations.c.holder == self.id)
            await ctx.execute(workers.delete().where(workers.c.id == self.id))

    async def _patiently(self, call: Any) -> None:
        """Call it; whatever goes wrong with the database is logged and tried again."""
        while True:
            try:
                await call()
            except Exception as e:
                logger.error("the worker waits: %s", e, exc_info=not hasattr(e, "message"))
                await self.world.clock.sleep(self.options.poll_s)
                if not self._stopping:
                    continue
            return

    # leases

    async def _register(self) -> None:
        async with self.ctx.transaction() as ctx:
            await self._insert(ctx)

    async def _insert(self, ctx: Ctx) -> None:
        name = f"{socket.gethostname()}:{os.getpid()}"
        await ctx.execute(workers.insert(), {"id": self.id, "beat": 0, "name": name, "started_at": ctx.now()})

    async def _beat(self) -> None:
        while True:
            await self.world.clock.sleep(self.options.lease_s / 3)
            await self._patiently(self.renew)

    async def renew(self) -> None:
        """Show that this worker lives, and free what the dead hold. A worker that was taken for dead begins anew."""
        async with self.ctx.transaction() as ctx:
            beat = workers.update().where(workers.c.id == self.id).values(beat=workers.c.beat + 1)
            if not (await ctx.execute(beat)).rowcount:
                for task in self._running.values():
                    task.cancel()
                await self._insert(ctx)
            for row in (await ctx.execute(sa.select(workers.c.id, workers.c.beat))).all():
                if row.id != self.id and self._is_silent(row.id, row.beat):
                    same = sa.and_(workers.c.id == row.id, workers.c.beat == row.beat)
                    await ctx.execute(workers.delete().where(same))
            held_by_nobody = sa.and_(
                operations.c.holder.is_not(None), operations.c.holder.not_in(sa.select(workers.c.id))
            )
            if await free(ctx, held_by_nobody):
                ctx.after_commit(self.world.doorbell.ring)

    def _is_silent(self, worker_id: uuid.UUID, beat: int) -> bool:
        now = self.world.clock.monotonic()
        last, since = self._beats.get(worker_id, (-1, now))
        if beat != last:
            self._beats[worker_id] = (beat, now)
            return False
        return now - since > self.options.lease_s

    # work

    async def _take_and_start(self) -> None:
        room = self.options.concurrency - len(self._running)
        if room <= 0:
            return
        rows = await self.take(room)
        for row in rows:
            task = asyncio.create_task(self._carry(row))
            self._running[row["id"]] = task
            task.add_done_callback(partial(self._done, row["id"]))
        if len(rows) == room:
            self.world.doorbell.ring()

    def _done(self, operation_id: uuid.UUID, task: asyncio.Task[None]) -> None:
        del self._running[operation_id]
        if not task.cancelled() and task.exception() is not None:
            facts = {"operation": str(operation_id)}
            logger.error("an operation was dropped", exc_info=task.exception(), extra={"facts": facts})
        self.world.doorbell.ring()

    async def _carry(self, row: dict[str, Any]) -> None:
        carrier = Carrier(op_of(self.ctx, row, self.id, lambda host: self._gates[host]), row, self.seam)
        try:
            await carrier.run(lambda: not self._stopping)
        except asyncio.CancelledError:
            raise
        except Exception as e:  # the commit failed: the row says where we are, and anybody may go on from there
            logger.warning("operation released: %s", e, extra={"facts": {"operation": str(row["id"])}})
            carrier.wake_in_s = self.options.poll_s
            await self._give_back(row)
        if carrier.wake_in_s is not None:
            heapq.heappush(self._wakes, self.world.clock.monotonic() + carrier.wake_in_s)

    async def _give_back(self, row: dict[str, Any]) -> None:
        async with self.ctx.transaction() as ctx:
            mine = sa.and_(
                operations.c.id == row["id"], operations.c.holder == self.id, operations.c.fence == row["fence"]
            )
            now = ctx.now()
            later = {"wake_at": now + self.options.poll_s, "waiting_since": now}
            await ctx.execute(operations.update().where(mine).values(holder=None, **later))

    async def take(self, limit: int) -> list[dict[str, Any]]:
        """Lease up to `limit` due operations whose saga this release knows, each at a new fence."""
        due = sa.select(operations.c.id).where(is_due, operations.c.saga.in_(list(sagas)))
        async with self.ctx.transaction() as ctx:
            now = ctx.now()
            woken = sa.or_(operations.c.wake_at <= now, operations.c.waiting_since > now + CLOCK_SLACK_S)
            query = due.where(woken).order_by(operations.c.wake_at).limit(limit).with_for_update(skip_locked=True)
            ids = (await ctx.execute(query)).scalars().all()
            if not ids or not await self._is_registered(ctx):
                return []
            fence = await draw_fence(ctx)
            lease = operations.update().where(operations.c.id.in_(ids)).values(holder=self.id, fence=fence)
            rows = (await ctx.execute(lease.returning(*operations.columns))).mappings().all()
        return [dict(row) | {"spent_s": row["spent_s"] + waited(row, now)} for row in rows]

    async def _is_registered(self, ctx: Ctx) -> bool:
        """A worker that was taken for dead must not lease: nobody would see that lease run out."""
        me = sa.select(workers.c.id).where(workers.c.id == self.id).with_for_update(read=True)
        return (await ctx.execute(me)).first() is not None

    def _pause_s(self) -> float:
        now = self.world.clock.monotonic()
        while self._wakes and self._wakes[0] <= now:
            heapq.heappop(self._wakes)
        return min(self.options.poll_s, self._wakes[0] - now + 0.001 if self._wakes else self.options.poll_s)

    # for tests and simulated clouds

    async def drain(self) -> None:
        """Run until no operation is live, moving a stepping clock over the waits. Needs no `run`."""
        if not await self._known():
            await self._register()
        while True:
            rows = await self.take(self.options.concurrency)
            if rows:
                await asyncio.gather(*(self._carry(row) for row in rows))
                continue
            query = sa.select(sa.func.min(operations.c.wake_at)).where(is_live, operations.c.holder.is_(None))
            next_at = (await self.ctx.execute(query)).scalar()
            if next_at is None:
                return
            pause_s = max(0.0, next_at - self.world.clock.now())
            if isinstance(self.world.clock, SteppingClock):
                self.world.clock.advance(pause_s)
            else:
                await self.world.doorbell.wait(max(pause_s, 0.001))

    async def _known(self) -> bool:
        async with self.ctx.transaction() as ctx:
            return await self._is_registered(ctx)


def waited(row: Any, now: float) -> float:
    """How much of the step's deadline a released operation has used up by waiting; never more than was planned, so that
    neither a cloud that was off nor a clock that was set costs it anything."""
    if not row["waiting_since"]:
        return 0.0
    planned = row["wake_at"] - row["waiting_since"] if row["wake_at"] else now - row["waiting_since"]
    return float(max(0.0, min(now - row["waiting_since"], planned)))


async def draw_fence(ctx: Ctx) -> int:
    """The next number of the one database-wide sequence of leases."""
    draw = fences.update().where(fences.c.id == 1).values(value=fences.c.value + 1).returning(fences.c.value)
    value = (await ctx.execute(draw)).scalar()
    if value is None:
        await ctx.execute(fences.insert(), {"id": 1, "value": 1})
        return 1
    return int(value)


async def free(ctx: Ctx, which: sa.ColumnElement[bool]) -> int:
    """Take the lease off these operations: whoever comes first goes on with them."""
    return (await ctx.execute(operations.update().where(which).values(holder=None))).rowcount


async def void_leases(ctx: Ctx) -> None:
    """When the only process starts: whoever held a lease before is gone."""
    async with ctx.transaction() as ctx:
        await free(ctx, operations.c.holder.is_not(None))
        await ctx.execute(workers.delete())
