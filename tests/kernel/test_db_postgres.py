"""PostgreSQL: what happens to a transaction when the server undoes it, goes away, or answers too late."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from pileus.kernel.db import Connection, Database, open_database
from pileus.kernel.db.postgres import PostgresDatabase
from pileus.kernel.errors import TryAgain, Unavailable
from support.notes import add, kept, notes, write
from support.postgres import PostgresServer, free_port
from support.proxy import Proxy, proxy

pytestmark = pytest.mark.database("postgresql")
PID = sa.select(sa.func.pg_backend_pid())
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
SLOW = sa.select(sa.func.pg_sleep(30))


async def test_of_two_that_wait_for_each_other_one_is_told_to_try_again(database: Database) -> None:
    await write(database, 1)
    await write(database, 2)
    both_hold = asyncio.Barrier(2)

    async def change(first: int, second: int) -> None:
        async with database.transaction() as connection:
            await connection.execute(sa.text("SET LOCAL deadlock_timeout = '10ms'"))
            await connection.execute(notes.update().where(notes.c.id == first).values(text="x"))
            await both_hold.wait()
            await connection.execute(notes.update().where(notes.c.id == second).values(text="y"))

    results = await asyncio.gather(change(1, 2), change(2, 1), return_exceptions=True)
    assert sorted(type(r).__name__ for r in results) == ["NoneType", "TryAgain"]


async def test_a_transaction_whose_backend_was_ended_is_to_be_tried_again(
    database: Database, postgres_server: PostgresServer
) -> None:
    with pytest.raises(TryAgain):
        async with database.transaction() as connection:
            await add(connection, 1)
            await end_backend_of(connection, postgres_server)
            await add(connection, 2)
    assert await kept(database) == []


async def end_backend_of(connection: Connection, server: PostgresServer) -> None:
    pid = (await connection.execute(PID)).scalar_one()
    server.execute(f"SELECT pg_terminate_backend({pid}, 5000)")


async def test_a_block_that_fails_without_its_backend_shows_its_own_error(
    database: Database, postgres_server: PostgresServer
) -> None:
    with pytest.raises(LookupError):
        async with database.transaction() as connection:
            await add(connection, 1)
            await end_backend_of(connection, postgres_server)
            raise LookupError
    await write(database, 2)
    assert await kept(database) == [2]


async def test_what_commit_refuses_is_told_as_it_is(database: Database) -> None:
    """A deferred constraint speaks at COMMIT: the transaction is undone, and nobody is told to try again."""
    async with database.transaction() as connection:
        await connection.execute(sa.text("ALTER TABLE test_note ADD UNIQUE (text) DEFERRABLE INITIALLY DEFERRED"))
    with pytest.raises(sa.exc.IntegrityError):
        async with database.transaction() as connection:
            await add(connection, 1, "same")
            await add(connection, 2, "same")
    assert await kept(database) == []


async def test_a_statement_that_takes_too_long_is_ended(database: Database) -> None:
    with pytest.raises(Unavailable, match="took too long"):
        async with database.transaction() as connection:
            await add(connection, 1)
            await connection.execute(sa.text("SET LOCAL statement_timeout = 10"))
            await connection.execute(SLOW)
    await write(database, 2)
    assert await kept(database) == [2]


async def test_a_lock_that_is_not_to_be_had_in_time_is_told(database: Database) -> None:
    async with database.transaction() as holder:
        await holder.lock("quota", "p")
        with pytest.raises(Unavailable, match="took too long"):
            async with database.transaction() as connection:
                await connection.execute(sa.text("SET LOCAL lock_timeout = 10"))
                await connection.lock("quota", "p")


async def test_a_read_past_its_deadline_is_ended_and_the_next_one_works(database_url: str) -> None:
    database = open_database(database_url, pool_size=2)
    await database.start()
    assert isinstance(database, PostgresDatabase)
    database.read_deadline_s = 0.05
    for _ in range(3):
        with pytest.raises(Unavailable, match="took too long"):
            async with database.read() as connection:
                await connection.execute(SLOW)
    database.read_deadline_s = 5.0
    assert await kept(database) == []
    await database.close()


async def test_those_who_wait_for_a_lock_keep_nobody_from_reading(
    database_url: str, postgres_server: PostgresServer
) -> None:
    database = open_database(database_url, pool_size=4)
    await database.start()
    held, released = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with database.transaction() as connection:
            await connection.lock("quota", "p")
            held.set()
            await released.wait()

    async def want() -> None:
        async with database.transaction() as connection:
            await connection.lock("quota", "p")

    holding = asyncio.create_task(hold())
    await held.wait()
    wanting = [asyncio.create_task(want()) for _ in range(8)]
    while not postgres_server.query(WAITING)[0][0]:
        await asyncio.sleep(0)
    assert await kept(database) == []
    released.set()
    await asyncio.gather(holding, *wanting)
    await database.close()


@pytest.mark.parametrize("what", ["nobody listens", "no such database"])
async def test_unreachable_at_the_start_is_said_with_its_cause(postgres_server: PostgresServer, what: str) -> None:
    url, cause = {
        "nobody listens": (f"postgresql://postgres@127.0.0.1:{free_port()}/x", "refused|failed"),
        "no such database": (f"{postgres_server.url}/nowhere", '"nowhere" does not exist'),
    }[what]
    with pytest.raises(Unavailable, match=cause):
        await open_database(url).start()


# the connection is lost


@asynccontextmanager
async def behind_a_proxy(url: str) -> AsyncIterator[tuple[PostgresDatabase, Proxy]]:
    async with proxy(url) as line:
        database = PostgresDatabase(line.front.replace("postgresql:", "postgresql+asyncpg:"), pool_size=2)
        database.probe_pauses_s = (0.01,) * 3
        await database.start()
        try:
            yield database, line
        finally:
            await database.close()


async def is_there(connection: Connection) -> bool:
    return (await connection.execute(sa.select(notes.c.id).where(notes.c.id == 1))).first() is not None


async def write_and_tell(database: Database, told: list[int], probe: Any = None) -> None:
    async with database.transaction(probe=probe) as connection:
        await add(connection, 1)
        connection.after_commit(lambda: told.append(1))


async def test_commit_that_took_effect_is_found_though_its_answer_was_lost(database_url: str) -> None:
    told: list[int] = []
    async with behind_a_proxy(database_url) as (database, line):
        line.cut = "after"
        await write_and_tell(database, told, is_there)
        assert told == [1]
        assert await kept(database) == [1]


async def test_commit_that_never_arrived_is_to_be_tried_again(database_url: str) -> None:
    told: list[int] = []
    async with behind_a_proxy(database_url) as (database, line):
        line.cut = "before"
        with pytest.raises(TryAgain, match="before COMMIT took effect"):
            await write_and_tell(database, told, is_there)
        assert told == []
        assert await kept(database) == []


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_without_a_probe_a_lost_commit_is_to_be_tried_again(database_url: str, cut: str) -> None:
    told: list[int] = []
    async with behind_a_proxy(database_url) as (database, line):
        line.cut = cut
        with pytest.raises(TryAgain, match="lost in COMMIT"):
            await write_and_tell(database, told)
        assert told == []
        assert await kept(database) == ([1] if cut == "after" else [])


async def test_when_the_server_is_away_after_a_lost_commit_nobody_guesses(database_url: str) -> None:
    told: list[int] = []
    async with behind_a_proxy(database_url) as (database, line):
        line.cut, line.away_after_cut = "after", True
        with pytest.raises(Unavailable, match="look before you send it again"):
            await write_and_tell(database, told, is_there)
        with pytest.raises(TryAgain):
            await kept(database)  # by a line of before
        with pytest.raises(Unavailable, match="does not answer"):
            await kept(database)
        line.away = False
        assert told == []
        assert await kept(database) == [1]


async def test_as_long_as_the_backend_lives_its_commit_may_still_come(database_url: str) -> None:
    """What is not there yet is no answer: "it never was" may be said only when its backend is gone."""
    async with behind_a_proxy(database_url) as (database, line):
        database.probe_pauses_s = (0.0,)
        line.cut = "before"
        with pytest.raises(Unavailable, match="look before you send it again"):
            async with database.transaction(probe=is_there) as connection:
                pid = (await connection.execute(PID)).scalar_one()
                os.kill(pid, signal.SIGSTOP)
        os.kill(pid, signal.SIGCONT)
        assert await kept(database) == []


async def test_ten_that_lose_their_commit_at_once_do_not_wait_for_each_other(database_url: str) -> None:
    """Whoever asks what became of a COMMIT needs a connection, and must not hold the broken one meanwhile."""
    async with behind_a_proxy(database_url) as (database, line):
        line.cut = "after"
        async with asyncio.timeout(20):
            results = await asyncio.gather(
                write_and_tell(database, [], is_there), *(write(database, n) for n in (2, 3)), return_exceptions=True
            )
        assert [r for r in results if r is not None and not isinstance(r, TryAgain)] == []
        assert 1 in await kept(database)
