"""SQLite: one writer, shared commits, a disk that may be full, and blocks that must not await anything else."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from pileus.kernel.db import Database
from pileus.kernel.db.sqlite import SqliteDatabase
from pileus.kernel.errors import Unavailable
from pileus.kernel.operations.worker import due
from pileus.services.network.networks.store import LAST_TUNNEL
from support.databases import sqlite_database
from support.notes import add, kept, write
from support.waiting import pause

SLOW = sa.text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT max(i) FROM n"
).columns(i=sa.Integer)
SUSPENDED = "awaited something that is not the database"


@pytest.fixture
async def database(run_directory: Path, tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    with sqlite_database(run_directory, tmp_path):
        database = SqliteDatabase(tmp_path / "pileus.sqlite")
        await database.start()
        yield database
        await database.close()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def pages(database: Database, most: int | None = None) -> int:
    """Bound the database to so many pages; without, tell how many there are."""
    pragma = "page_count" if most is None else f"max_page_count={most}"
    return int(await database.run_sync(lambda c: c.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()))


# who shares a COMMIT


async def commits_of_fifty(database: SqliteDatabase) -> int:
    """How many it takes for fifty transactions at once."""
    said: list[str] = []
    database._raw.set_trace_callback(said.append)
    await asyncio.gather(*(write(database, number) for number in range(50)))
    return said.count("COMMIT")


async def test_the_loop_serves_others_between_transactions_that_come_in_and_between_those_that_go_on(
    database: SqliteDatabase,
) -> None:
    order: list[str] = []

    async def writes(number: int) -> None:
        async with database.transaction() as connection:
            order.append("in")
            await add(connection, number)
        order.append("on")

    async def others() -> None:
        while True:
            order.append("others")
            await asyncio.sleep(0)

    served = asyncio.create_task(others())
    await asyncio.gather(*map(writes, range(50)))
    served.cancel()
    assert await kept(database) == list(range(50))
    for what in ("in", "on"):
        places = [place for place, each in enumerate(order) if each == what]
        assert len(places) == 50
        assert all("others" in order[a:b] for a, b in itertools.pairwise(places))


async def test_who_waits_for_the_one_connection_shares_the_next_commit(database: SqliteDatabase) -> None:
    database.fill_s = 60.0
    assert await commits_of_fifty(database) == 1


async def test_a_batch_is_full_at_last_however_many_wait(database: SqliteDatabase) -> None:
    database.fill_s = 0.0
    assert await commits_of_fifty(database) > 1


async def test_who_leaves_while_waiting_for_a_turn_holds_up_nobody(database: SqliteDatabase) -> None:
    database.fill_s = 60.0  # for as long would be waited for who is counted among those that come
    tasks = [asyncio.create_task(write(database, number)) for number in range(3)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    await asyncio.wait(tasks, timeout=10)
    assert all(task.done() for task in tasks)
    assert await kept(database) == [0, 1]


# a block that awaits something else


async def test_a_transaction_that_awaits_something_else_is_undone_and_the_others_go_on(
    database: SqliteDatabase,
) -> None:
    before = asyncio.create_task(write(database, 1))

    async def guilty() -> None:
        async with database.transaction() as connection:
            await add(connection, 2)
            others.extend(asyncio.create_task(write(database, n)) for n in (3, 4))
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    others = [before]
    with pytest.raises(AssertionError, match=SUSPENDED):
        await guilty()
    await asyncio.gather(*others)
    assert await kept(database) == [1, 3, 4]


async def test_a_transaction_that_awaits_something_else_and_fails_shows_its_own_error(database: SqliteDatabase) -> None:
    with pytest.raises(LookupError):
        async with database.transaction() as connection:
            await add(connection, 1)
            await asyncio.sleep(0)
            raise LookupError
    await write(database, 2)
    assert await kept(database) == [2]


async def test_a_read_that_awaits_something_else_is_told(database: SqliteDatabase) -> None:
    with pytest.raises(AssertionError, match=SUSPENDED):
        async with database.read():
            await asyncio.sleep(0)
    assert await kept(database) == []


async def test_one_task_cannot_wait_for_itself(database: SqliteDatabase) -> None:
    async with database.transaction() as connection:
        await add(connection, 1)
        with pytest.raises(AssertionError, match="pass the open Ctx on"):
            await write(database, 2)
    async with database.read():
        with pytest.raises(AssertionError, match="pass the open Ctx on"):
            await kept(database)
    assert await kept(database) == [1]


async def test_a_transaction_does_not_hold_up_a_read_and_is_not_seen_by_it(database: SqliteDatabase) -> None:
    async with database.transaction() as connection:
        await add(connection, 1)
        assert await kept(database) == []
    assert await kept(database) == [1]


async def test_a_caller_that_left_while_the_disk_was_written_does_not_disturb_the_others(
    database: SqliteDatabase,
) -> None:
    inserted: list[str] = []
    database.on_statement.append(inserted.append)
    database.fill_s = 60.0  # one COMMIT for all of them, however slow this machine is
    tasks = [asyncio.create_task(write(database, n)) for n in range(3)]
    while len(inserted) < len(tasks):
        await asyncio.sleep(0)
    tasks[1].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(r) for r in results] == [type(None), asyncio.CancelledError, type(None)]
    assert await kept(database) == [0, 1, 2]


# a disk that is full


async def test_a_full_disk_at_a_statement_undoes_the_whole_batch_and_all_are_told(database: SqliteDatabase) -> None:
    await pages(database, await pages(database) + 4)
    results = await asyncio.gather(
        write(database, 1), write(database, 2, "x" * 200_000), write(database, 3), return_exceptions=True
    )
    assert [type(r) for r in results] == [Unavailable, Unavailable, type(None)]
    assert "full" in str(results[1])
    assert await kept(database) == [3]
    await pages(database, 10_000)
    await write(database, 2, "x" * 200_000)
    assert await kept(database) == [2, 3]


async def test_nothing_is_written_by_a_block_that_overlooks_a_full_disk(database: SqliteDatabase) -> None:
    await pages(database, await pages(database) + 4)
    with pytest.raises(Unavailable, match="undid this transaction"):
        async with database.transaction() as connection:
            for number, text in ((1, "x" * 200_000), (2, "")):
                with pytest.raises(Unavailable):
                    await add(connection, number, text)
    assert await kept(database) == []
    await write(database, 3)
    assert await kept(database) == [3]


async def test_a_block_that_awaited_something_else_on_a_full_disk_is_undone_too(database: SqliteDatabase) -> None:
    await pages(database, await pages(database) + 4)
    with pytest.raises(Unavailable):
        async with database.transaction() as connection:
            await asyncio.sleep(0)
            await add(connection, 1, "x" * 200_000)
    await write(database, 2)
    assert await kept(database) == [2]


async def test_a_full_disk_at_commit_undoes_the_batch_and_it_works_again_afterwards(database: SqliteDatabase) -> None:
    await write(database, 1, "x" * 1_000_000)
    log = database.path.with_name(f"{database.path.name}-wal")
    with largest_file(log.stat().st_size):
        results = await asyncio.gather(write(database, 2), write(database, 3, "y" * 9_000), return_exceptions=True)
        assert [type(r) for r in results] == [Unavailable, Unavailable]
        assert await kept(database) == [1]
    await write(database, 4)
    assert await kept(database) == [1, 4]


async def test_what_commit_itself_refuses_leaves_nothing_behind(database: SqliteDatabase) -> None:
    """A deferred constraint speaks at COMMIT, with the transaction still open."""
    await database.run_sync(
        lambda c: c.exec_driver_sql(
            "CREATE TABLE child (id INT REFERENCES test_note (id) DEFERRABLE INITIALLY DEFERRED)"
        )
    )
    with pytest.raises(Unavailable, match="FOREIGN KEY"):
        async with database.transaction() as connection:
            await add(connection, 1)
            await connection.execute(sa.text("INSERT INTO child VALUES (2)"))
    assert await kept(database) == []
    await write(database, 3)
    assert await kept(database) == [3]


# another process


async def test_another_process_that_writes_is_told_of(database: SqliteDatabase) -> None:
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await write(database, 1)
    assert await kept(database) == []
    other.execute("ROLLBACK")
    other.close()
    await write(database, 2)
    assert await kept(database) == [2]


@pytest.mark.parametrize("what", ["directory", "no database"])
async def test_a_file_that_is_no_database_is_named_at_the_start(tmp_path: Path, what: str) -> None:
    path = tmp_path / "state"
    if what == "directory":
        path.mkdir()
    else:
        path.write_bytes(b"#!/bin/sh\n" * 1000)
    with pytest.raises(Unavailable, match="state cannot be opened"):
        await SqliteDatabase(path).start()


# time and the log


async def test_a_read_past_its_deadline_is_ended_and_the_next_one_works(database: SqliteDatabase) -> None:
    database.read_deadline_s = 0.01
    with pytest.raises(Unavailable, match="took too long"):
        async with database.read() as connection:
            await connection.execute(SLOW)
    assert await kept(database) == []


async def test_a_read_survives_a_statement_that_ended_its_snapshot(database: SqliteDatabase) -> None:
    async with database.read() as connection:
        await connection.execute(sa.text("ROLLBACK").columns())
        with pytest.raises(Unavailable):
            await connection.execute(sa.select(1))
    assert await kept(database) == []


@pytest.mark.parametrize("which", ["wal_sweep_bytes", "wal_restart_bytes"])
async def test_the_log_does_not_grow_for_ever(database: SqliteDatabase, which: str) -> None:
    """What was written becomes a multiple of the log; without sweep or restart the log holds all of it, for ever."""
    log = database.path.with_name(f"{database.path.name}-wal")
    setattr(database, which, 100_000)
    written = 0
    async with asyncio.timeout(30):
        while written * 9_000 < 3 * log.stat().st_size + 1_000_000:
            await write(database, written, "x" * 9_000)
            await pause(0.001)
            written += 1
    assert len(await kept(database)) == written


async def test_a_log_that_was_copied_is_small_again(database: SqliteDatabase) -> None:
    """Else each later commit would find it too large, and have it copied once more."""
    log, written = database.path.with_name(f"{database.path.name}-wal"), 0
    while not written or log.stat().st_size <= database.wal_sweep_bytes:
        await write(database, written, "x" * 1_000_000)
        written += 1
    async with asyncio.timeout(30):
        while log.stat().st_size > database.wal_sweep_bytes:
            await write(database, written)
            await pause(0.001)
            written += 1


@pytest.mark.parametrize("which", ["wal_sweep_bytes", "wal_restart_bytes"])
async def test_a_log_that_cannot_be_copied_is_a_warning_and_nothing_is_lost(
    database: SqliteDatabase, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    database.wal_restart_bytes = 1
    for number in range(3):
        await write(database, number, "x" * 500_000)
    database.wal_restart_bytes = 2**40
    setattr(database, which, 1)
    with largest_file(database.path.stat().st_size), caplog.at_level(logging.WARNING, "pileus.kernel.db.sqlite"):
        for number in range(3, 7):
            await write(database, number, "y" * 30_000)
        await until_logged(caplog, "cannot be copied")
    assert await kept(database) == list(range(7))
    await write(database, 7)
    assert await kept(database) == list(range(8))


async def until_logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async with asyncio.timeout(10):
        while text not in caplog.text:
            await pause(0.001)


@pytest.mark.parametrize("sweep_bytes", [0, 2**40], ids=["swept", "not swept"])
@pytest.mark.parametrize("fill_s", [0.005, 0.0], ids=["in one commit", "in several"])
async def test_closing_waits_for_all_that_are_on_their_way(
    run_directory: Path, tmp_path: Path, fill_s: float, sweep_bytes: int
) -> None:
    with sqlite_database(run_directory, tmp_path):
        path = tmp_path / "pileus.sqlite"
        database = SqliteDatabase(path)
        await database.start()
        database.wal_sweep_bytes, database.fill_s = sweep_bytes, fill_s
        writing = [asyncio.create_task(write(database, n)) for n in range(5)]
        await asyncio.sleep(0)
        await database.close()
        await asyncio.gather(*writing)
        assert not os.path.exists(f"{path}-wal")
        raw = sqlite3.connect(path)
        assert raw.execute("SELECT count(*) FROM test_note").fetchone() == (5,)
        raw.close()


async def test_who_looks_for_what_is_due_passes_over_what_has_ended(database: SqliteDatabase) -> None:
    """The planner takes the index of what is live only where it sees that the question is about that."""
    plan = await plan_of(database, due(("demo.create@1",)), now_=0.0, later_=0.0, limit_=1)
    assert plan == ["SCAN operation USING INDEX operation_due"]


async def test_the_next_segment_of_a_network_is_found_by_index(database: SqliteDatabase) -> None:
    (step,) = await plan_of(database, LAST_TUNNEL, kind_="geneve")
    assert step.startswith("SEARCH network_network USING INDEX network_network_segment_uq")


async def plan_of(database: SqliteDatabase, statement: sa.Select[Any], **params: Any) -> list[str]:
    """How SQLite answers this."""
    await database.create_schema()
    text = str(statement.params(params).compile(dialect=sqlite.dialect()))
    with closing(sqlite3.connect(database.path)) as raw:
        return [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * text.count("?"))]
