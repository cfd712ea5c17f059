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
from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial
from typing import Any

import sqlalchemy as sa

from pileus.kernel.clock import SteppingClock
from pileus.kernel.context import Ctx
from pileus.kernel.db import among, insert_if_new
from pileus.kernel.errors import CloudError, TryAgain
from pileus.kernel.ids import drawing_for
from pileus.kernel.operations.carry import Carrier, Seam, SeamHook
from pileus.kernel.operations.op import op_of
from pileus.kernel.operations.saga import sagas
from pileus.kernel.operations.tables import HELD, fences, is_due, operations, workers

logger = logging.getLogger("pileus.operations")

CLOCK_SLACK_S = 1.0
LEASE = operations.update().where(among(operations.c.id, "ids_")).returning(*operations.columns)
DRAW = fences.update().values(value=fences.c.value + 1).returning(fences.c.value)
REGISTERED = sa.select(workers.c.id).where(workers.c.id == sa.bindparam("id_")).with_for_update(read=True)


class Worker:
    """Runs operations until it is stopped. Many may run on one PostgreSQL; on SQLite there is the one of the process."""

    def __init__(self, ctx: Ctx, *, seam: SeamHook | None = None) -> None:
        self.ctx, self.world, self.seam = ctx, ctx.world, seam
        self.options = ctx.world.config.operations
        self.id = uuid.uuid4()  # never from a seed: two workers must not share it
        self._gates: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(self.options.per_host))
        self._running: dict[asyncio.Task[None], uuid.UUID] = {}
        self._wakes: list[float] = []  # monotonic times at which something released here is due: a hint
        self._beats: dict[uuid.UUID, tuple[int, float]] = {}
        self._stopping = False
        self._in_doubt = (
            False  # a lease may have been taken without our knowledge: COMMIT went, its answer did not come
        )

    # life

    async def run(self) -> None:
        """Work until `stop`. A database that is away is waited for."""
        await self._patiently(self.renew)
        beating = asyncio.create_task(self._beat())
        try:
            while not self._stopping:
                await self._patiently(self._take_and_start)
                await self.world.doorbell.wait(self._pause_s())
        finally:
            self._stopping = True
            beating.cancel()
            await asyncio.wait([beating])
            await self._leave()

    def stop(self) -> None:
        """End after the step that each operation is at; others may go on with them at once."""
        self._stopping = True
        self.world.doorbell.ring()

    async def _leave(self) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=self.options.lease_s)
        for task in self._running:
            task.cancel()
        await self._patiently(self._sign_off)

    async def _sign_off(self) -> None:
        async with self.ctx.transaction() as ctx:
            await free(ctx, operations.c.holder == self.id)
            await ctx.execute(workers.delete().where(workers.c.id == self.id))
            ctx.after_commit(self.world.doorbell.ring)

    async def _patiently(self, call: Callable[[], Awaitable[None]]) -> None:
        """Call it; whatever goes wrong with the database is logged and tried again until this worker stops."""
        while True:
            try:
                await call()
            except Exception as e:
                logger.error("the worker waits: %s", e, exc_info=not isinstance(e, (CloudError, TryAgain)))
                if not self._stopping:
                    await self.world.clock.sleep(self.options.poll_s)
                    continue
            return

    # leases

    async def _begin_anew(self, ctx: Ctx) -> None:
        for task in self._running:
            task.cancel()
        await free(ctx, operations.c.holder == self.id)
        name = f"{socket.gethostname()}:{os.getpid()}"
        await ctx.execute(workers.insert(), {"id": self.id, "beat": 0, "name": name, "started_at": ctx.now()})

    async def _beat(self) -> None:
        while True:
            await self.world.clock.sleep(self.options.lease_s / 3)
            await self._patiently(self.renew)

    async def renew(self) -> None:
        """Show that this worker lives, and free what the dead hold. A new worker, or one taken for dead, begins anew."""
        async with self.ctx.transaction() as ctx:
            beat = workers.update().where(workers.c.id == self.id).values(beat=workers.c.beat + 1)
            if not (await ctx.execute(beat)).rowcount:
                await self._begin_anew(ctx)
            others = (await ctx.execute(sa.select(workers.c.id, workers.c.beat).where(workers.c.id != self.id))).all()
            for silent in self._silent({row.id: row.beat for row in others}):
                same = sa.and_(workers.c.id == silent, workers.c.beat == self._beats[silent][0])
                await ctx.execute(workers.delete().where(same))
            held_by_nobody = sa.and_(
                operations.c.holder.is_not(None), operations.c.holder.not_in(sa.select(workers.c.id))
            )
            if await free(ctx, held_by_nobody):
                ctx.after_commit(self.world.doorbell.ring)

    def _silent(self, beats: dict[uuid.UUID, int]) -> list[uuid.UUID]:
        """Those whose beat has not moved for `lease_s`, as this worker saw it."""
        now, before = self.world.clock.monotonic(), self._beats
        self._beats = {
            worker: before[worker] if before.get(worker, (None,))[0] == beat else (beat, now)
            for worker, beat in beats.items()
        }
        return [worker for worker, (_, since) in self._beats.items() if now - since > self.options.lease_s]

    # work

    async def _take_and_start(self) -> None:
        room = self.options.concurrency - len(self._running)
        if room <= 0:
            return
        if self._in_doubt:
            await self._free_forgotten()
        self._in_doubt = True
        rows = await self.take(room)
        self._in_doubt = False
        for row in rows:
            task = asyncio.create_task(self.carry(row))
            self._running[task] = row["id"]
            task.add_done_callback(self._done)
        if len(rows) == room:
            self.world.doorbell.ring()

    async def _free_forgotten(self) -> None:
        """Give back what is leased to this worker and not in its hands."""
        async with self.ctx.transaction() as ctx:
            await free(ctx, (operations.c.holder == self.id) & operations.c.id.not_in(self._running.values()))

    def _done(self, task: asyncio.Task[None]) -> None:
        if len(self._running) >= self.options.concurrency:  # what was due had no room
            self.world.doorbell.ring()
        del self._running[task]

    async def carry(self, row: dict[str, Any]) -> None:
        """Carry a leased operation on until it ends, waits, or this worker stops. Fails for no reason of the database."""
        try:
            # who looks on at all operations of this world: nobody, mostly
            seam = self.seam or self.world.memory.get(Seam)
            carrier = Carrier(op_of(self.ctx, row, self.id, lambda host: self._gates[host]), row, seam)
            with drawing_for(row["id"]):
                await carrier.run(lambda: not self._stopping)
            wake_in_s = carrier.wake_in_s
            if carrier.lost:  # or a host has heard a newer fence of another operation: with a new lease it goes on
                await self._patiently(partial(self._give_back, row))
                wake_in_s = self.options.poll_s
        except Exception as e:  # the commit failed: the row says where we are, and anybody may go on from there
            known = isinstance(e, (CloudError, TryAgain))
            facts = {"operation": str(row["id"])}
            logger.warning("operation released: %s", e, exc_info=not known, extra={"facts": facts})
            wake_in_s = self.options.poll_s
            await self._patiently(partial(self._give_back, row))
        if wake_in_s is not None:
            heapq.heappush(self._wakes, self.world.clock.monotonic() + wake_in_s)
            self.world.doorbell.ring()  # whoever pauses shall see that

    async def _give_back(self, row: dict[str, Any]) -> None:
        async with self.ctx.transaction() as ctx:
            mine = sa.and_(
                operations.c.id == row["id"], operations.c.holder == self.id, operations.c.fence == row["fence"]
            )
            now = ctx.now()
            later = {"wake_at": now + self.options.poll_s, "waiting_since": now, "pause_s": self.options.poll_s}
            await ctx.execute(operations.update().where(mine).values(holder=None, **later))

    async def take(self, limit: int) -> list[dict[str, Any]]:
        """Lease up to `limit` due operations whose saga this release knows, each at a new fence."""
        async with self.ctx.transaction() as ctx:
            now = ctx.now()
            times = {"now_": now, "later_": now + CLOCK_SLACK_S}
            ids = (await ctx.execute(due(tuple(sagas)), {**times, "limit_": limit})).scalars().all()
            if not ids or not await self._is_registered(ctx):
                return []
            lease = {"holder": self.id, "fence": await draw_fence(ctx), "wake_at": now}  # 0 again if rung meanwhile
            rows = (await ctx.execute(LEASE, {"ids_": ids, **lease})).mappings().all()
        return [dict(row) | {"spent_s": row["spent_s"] + waited(row, now)} for row in rows]

    async def _is_registered(self, ctx: Ctx) -> bool:
        """A worker that was taken for dead must not lease: nobody would see that lease run out."""
        return (await ctx.execute(REGISTERED, {"id_": self.id})).first() is not None

    def _pause_s(self) -> float:
        now = self.world.clock.monotonic()
        while self._wakes and self._wakes[0] <= now:
            heapq.heappop(self._wakes)
        return min(self.options.poll_s, self._wakes[0] - now + 0.001 if self._wakes else self.options.poll_s)

    # for tests and simulated clouds

    async def drain(self) -> None:
        """Run until no operation is live, moving a stepping clock over the waits. Needs no `run`."""
        await self.renew()
        while True:
            rows = await self.take(self.options.concurrency)
            if rows:
                await asyncio.gather(*(self.carry(row) for row in rows))
                continue
            query = sa.select(sa.func.min(operations.c.wake_at))
            query = query.where(is_due, is_known(tuple(sagas)), operations.c.wake_at < HELD)
            next_at = (await self.ctx.execute(query)).scalar()
            if next_at is None:
                return
            pause_s = max(0.0, next_at - self.world.clock.now())
            if isinstance(self.world.clock, SteppingClock):
                self.world.clock.advance(pause_s)
            else:
                await self.world.doorbell.wait(max(pause_s, 0.001))


def is_known(known: Sequence[str]) -> sa.ColumnElement[bool]:
    """Whether this release can run the operation; another release may be able to run the others."""
    return operations.c.saga.in_([sa.literal_column(f"'{name}'", sa.Text) for name in known])


@cache
def due(known: tuple[str, ...]) -> sa.Select[tuple[uuid.UUID]]:
    """Asks for at most `limit_` operations of these sagas that wait for nobody at `now_`."""
    woken = sa.or_(operations.c.wake_at <= sa.bindparam("now_"), operations.c.waiting_since > sa.bindparam("later_"))
    query = sa.select(operations.c.id).where(is_due, is_known(known), woken).order_by(operations.c.wake_at)
    return query.limit(sa.bindparam("limit_")).with_for_update(skip_locked=True)


def waited(row: Any, now: float) -> float:
    """How much of the step's deadline a released operation has used up by waiting; never more than was planned, so that
    neither a cloud that was off nor a clock that was set costs it anything."""
    return float(max(0.0, min(now - row["waiting_since"], row["pause_s"])))


async def draw_fence(ctx: Ctx) -> int:
    """The next number of the one database-wide sequence of leases."""
    drawn = (await ctx.execute(DRAW)).scalar()
    if drawn is None:
        await ctx.execute(insert_if_new(fences), {"id": 1, "value": 0})
        drawn = (await ctx.execute(DRAW)).scalar_one()
    return int(drawn)


async def free(ctx: Ctx, which: sa.ColumnElement[bool]) -> int:
    """Take the lease off these operations: whoever comes first goes on with them."""
    return (await ctx.execute(operations.update().where(which).values(holder=None))).rowcount


async def void_leases(ctx: Ctx) -> None:
    """When the only process starts: whoever held a lease before is gone."""
    async with ctx.transaction() as ctx:
        await free(ctx, operations.c.holder.is_not(None))
        await ctx.execute(workers.delete())
