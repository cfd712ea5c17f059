"""What is past its retention goes, batch by batch; the rest stays; queues are counted; a database that is away is waited for."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
import sqlalchemy as sa

from kernel.small_world import SmallWorld
from pileus.kernel.config import Config, Operations
from pileus.kernel.context import Ctx
from pileus.kernel.db import Database
from pileus.kernel.errors import TryAgain, Unavailable
from pileus.kernel.housekeeping import BATCH, EVERY_S, Housekeeping
from support.notes import notes

KEPT_S = 1000.0


@pytest.fixture
def world(database: Database) -> SmallWorld:
    return SmallWorld(database, config=Config(operations=Operations(retention_s=KEPT_S)))


async def purge(ctx: Ctx, before: float, limit: int) -> int:
    """A note is as old as its number says."""
    old = sa.select(notes.c.id).where(notes.c.id < before).limit(limit)
    async with ctx.transaction() as tx:
        done = await tx.execute(notes.delete().where(notes.c.id.in_(old)))
    return int(done.rowcount)


async def written(world: SmallWorld, ids: range) -> None:
    async with world.db.transaction() as connection:
        await connection.execute(notes.insert(), [{"id": n, "text": "", "facts": None} for n in ids])


async def left(world: SmallWorld) -> list[int]:
    async with world.db.read() as connection:
        return list((await connection.execute(sa.select(notes.c.id).order_by(notes.c.id))).scalars())


async def test_what_is_past_its_retention_goes_in_batches_and_the_rest_stays(world: SmallWorld) -> None:
    limit = int(world.clock.now() - KEPT_S)
    await written(world, range(limit - 2 * BATCH, limit + 10))
    sizes: list[int] = []

    async def counted(ctx: Ctx, before: float, most: int) -> int:
        sizes.append(await purge(ctx, before, most))
        return sizes[-1]

    await Housekeeping(world.ctx(), [counted]).once()
    assert sizes[:2] == [BATCH, BATCH]
    assert sizes[2] < BATCH
    assert await left(world) == list(range(limit + sizes[2], limit + 10))


async def test_what_is_due_is_done(world: SmallWorld) -> None:
    done = []

    async def chore(ctx: Ctx) -> None:
        done.append(ctx.now())

    await Housekeeping(world.ctx(), [purge], [chore, chore]).once()
    assert len(done) == 2


async def test_operations_are_counted_by_their_state(world: SmallWorld) -> None:
    await Housekeeping(world.ctx(), []).once()
    numbers = world.metrics.exposition().decode()
    for state in ("running", "undoing", "parked"):
        assert f'pileus_operations{{state="{state}"}} 0.0' in numbers


@pytest.mark.parametrize("trouble", [Unavailable("away"), TryAgain("busy")])
async def test_a_database_that_is_away_is_waited_for(world: SmallWorld, trouble: Exception) -> None:
    again = asyncio.Event()
    tries: list[float] = []

    async def away_once(ctx: Ctx, before: float, limit: int) -> int:
        tries.append(ctx.now())
        if len(tries) == 1:
            raise trouble
        again.set()
        return 0

    running = asyncio.create_task(Housekeeping(world.ctx(), [away_once]).run())
    while not again.is_set():
        await asyncio.sleep(0)
        world.clock.advance(EVERY_S)  # type: ignore[attr-defined]
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert tries[1] - tries[0] >= EVERY_S
