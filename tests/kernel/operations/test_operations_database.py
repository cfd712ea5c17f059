"""A worker whose database goes away, or loses the answer to a COMMIT."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from demo.world import DemoWorld
from pileus.kernel.errors import Unavailable
from pileus.kernel.operations import Op, Worker
from pileus.kernel.operations.tables import operations, workers
from support.sagas import at_work, holds, saga_of, until


async def rows_of(world: DemoWorld, table: sa.Table) -> list[Any]:
    return list((await world.ctx().execute(sa.select(table))).all())


async def said(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return text in caplog.text


class Database:
    """A database that can go away, and lose the answer to a COMMIT."""

    def __init__(self, database: Any) -> None:
        self._database, self.away, self.lose_answers = database, False, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @asynccontextmanager
    async def transaction(self, **more: Any) -> AsyncIterator[Any]:
        if self.away:
            raise Unavailable("The database is away.")
        async with self._database.transaction(**more) as connection:
            yield connection
        if self.lose_answers:
            self.lose_answers -= 1
            raise Unavailable("COMMIT was sent and its answer lost.")


async def test_a_database_that_is_away_is_waited_for(
    real: DemoWorld, play: Any, new_saga: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """At the start, while a step acts, and while nothing is to be done."""
    database = Database(real.db)
    real.db = database  # type: ignore[assignment]
    acted: list[int] = []

    async def act(op: Op) -> None:
        acted.append(1)
        database.away = len(acted) == 1

    saga = saga_of(new_saga, act)
    operation = await play.start(saga)
    database.away = True
    async with at_work(Worker(real.ctx())):
        await until(lambda: said(caplog, "the worker waits"))
        database.away = False
        await until(lambda: said(caplog, "operation released"))
        caplog.clear()
        await until(lambda: said(caplog, "the worker waits"))
        database.away = False
        await until(lambda: holds(play, operation))
    assert len(acted) == 2


async def test_a_worker_can_be_stopped_while_the_database_is_away(real: DemoWorld, caplog: Any) -> None:
    database = Database(real.db)
    real.db = database  # type: ignore[assignment]
    database.away = True
    async with at_work(Worker(real.ctx())):
        await until(lambda: said(caplog, "the worker waits"))
    database.away = False
    assert await rows_of(real, workers) == []


async def test_a_lease_whose_commit_was_not_answered_is_given_back(
    real: DemoWorld, play: Any, new_saga: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is this worker's, which does not know of it, and beats: nobody else would ever take it."""
    database = Database(real.db)
    real.db = database  # type: ignore[assignment]

    async def act(op: Op) -> None: ...

    saga = saga_of(new_saga, act)
    worker = Worker(real.ctx())
    await worker.renew()
    operation = await play.start(saga)
    database.lose_answers = 1
    with pytest.raises(Unavailable):
        await worker._take_and_start()
    assert (await rows_of(real, operations))[0].holder == worker.id
    async with at_work(worker):
        await until(lambda: holds(play, operation))


@pytest.mark.parametrize("lost_at", ["forward", "backward", "end"])
async def test_a_step_whose_commit_was_not_answered_is_read_from_the_row(
    real: DemoWorld, play: Any, new_saga: Any, lost_at: str
) -> None:
    """Rows that were committed are not written again: each line of the log is there once."""
    database = Database(real.db)
    real.db = database  # type: ignore[assignment]
    saga = new_saga()

    async def lose(op: Op) -> None:
        database.lose_answers = 1

    async def nothing(op: Op) -> None: ...

    @saga.step
    async def one(op: Op) -> None:
        await (lose if lost_at == "forward" else nothing)(op)

    @one.undo
    async def undo_one(op: Op) -> None:
        await (lose if lost_at == "backward" else nothing)(op)

    @saga.rows
    async def two(op: Op) -> None: ...

    @saga.step
    async def three(op: Op) -> None:
        if lost_at == "backward":
            raise LookupError
        await (lose if lost_at == "end" else nothing)(op)

    operation = await play.start(saga)
    worker = Worker(real.ctx())
    await worker.renew()
    await worker.carry((await worker.take(1))[0])
    assert database.lose_answers == 0
    await worker.drain()
    assert await play.state(operation) == ("undone" if lost_at == "backward" else "done")
    events = await play.events(operation)
    assert len(set(events)) == len(events)
