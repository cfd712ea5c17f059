"""What benchmarks and crash tests ask of a demonstration cloud beyond the demonstration itself."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from starlette.requests import Request

from demo.machines.store import machines
from demo.networks.store import networks
from pileus.kernel.context import Ctx
from pileus.kernel.http import FilePart, Service, Stream
from pileus.kernel.http.stream import receive_stream
from pileus.kernel.operations import Worker
from pileus.kernel.operations.tables import operations

RULE = "site:anything"
POLICIES = {RULE: "role:admin"}
MOST_BYTES = 2**40
TICK_S = 0.001
STALL_S = 0.003

api = Service("site", "/site")


class Lag:
    """When the event loop was late, looked at a thousand times a second.

    Time in which the loop was ready to run and had no core is told apart: that is the machine's, not the loop's.
    """

    def __init__(self) -> None:
        self.stalls: list[tuple[float, float, float]] = []
        self.watching: asyncio.Task[None] | None = None

    async def watch(self, ctx: Ctx) -> None:
        while True:
            due, waited = time.monotonic() + TICK_S, waited_for_a_core_s()
            await ctx.world.clock.sleep(TICK_S)
            now = time.monotonic()
            if now - due > STALL_S:
                self.stalls.append((due, now, waited_for_a_core_s() - waited))

    def read(self) -> dict[str, Any]:
        """Those since it was last read: from, to (monotonic), and how long of it the loop waited for a core; s."""
        found, self.stalls = self.stalls, []
        return {"stalls": found}


def waited_for_a_core_s() -> float:
    """How long this thread, the loop's, has stood in the scheduler's queue so far."""
    with open("/proc/thread-self/schedstat", "rb", buffering=0) as f:
        return int(f.read().split()[1]) / 1e9


lag = Lag()


async def by(ctx: Ctx, column: sa.Column[str]) -> dict[str, int]:
    """How many rows have each value of this column."""
    rows = await ctx.execute(sa.select(column, sa.func.count()).group_by(column))
    return {value: number for value, number in rows}


@api.get("/counts", rule=RULE)
async def count(ctx: Ctx) -> dict[str, Any]:
    """How many machines, networks and operations are in each status."""
    columns = {"machines": machines.c.status, "networks": networks.c.status, "operations": operations.c.state}
    return {name: await by(ctx, column) for name, column in columns.items()}


@api.post("/drain", rule=RULE, atomic=False)
async def drain(ctx: Ctx) -> dict[str, Any]:
    """Carry out every operation on machines there is, as a worker of this process; how many are ACTIVE then."""
    worker = Worker(Ctx(ctx.world))
    running = asyncio.create_task(worker.run())
    while set(await by(ctx, machines.c.status)) - {"ACTIVE", "ERROR"}:
        await ctx.world.clock.sleep(0.25)
    worker.stop()
    await running
    return {"active": (await by(ctx, machines.c.status)).get("ACTIVE", 0)}


@api.post("/lag", rule=RULE, atomic=False)
async def measure_lag(ctx: Ctx) -> dict[str, Any]:
    """The stalls of the event loop since the last call; the first call begins to look."""
    if lag.watching is None:
        lag.watching = asyncio.create_task(lag.watch(ctx))
    return lag.read()


@api.put("/blob", rule=RULE, media=("application/octet-stream",), atomic=False)
async def take_blob(ctx: Ctx, request: Request) -> dict[str, Any]:
    """Read a body of any size and count its bytes."""
    taken = 0
    async for piece in receive_stream(request, MOST_BYTES, ctx.world.config.http.body_timeout_s):
        taken += len(piece)
    return {"bytes": taken}


@api.get("/blob", rule=RULE)
async def give_blob(ctx: Ctx) -> Stream:
    """The file `blob` of the state directory."""
    path = Path(ctx.world.config.state, "blob")
    return Stream(FilePart(path, 0, path.stat().st_size))
