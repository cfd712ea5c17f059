"""What both databases promise alike."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from pileus.kernel.db import Database, open_database
from pileus.kernel.db.base import LockOrder, lock_number
from pileus.kernel.errors import Unavailable
from support.notes import add, kept, notes, write


async def test_a_transaction_is_there_when_its_block_has_ended(database: Database) -> None:
    told: list[list[int]] = []
    async with database.transaction() as connection:
        await add(connection, 1)
        connection.after_commit(lambda: told.append([1]))
        assert told == []
    assert told == [[1]]
    assert await kept(database) == [1]


async def test_a_transaction_that_raises_never_was(database: Database) -> None:
    told: list[int] = []
    with pytest.raises(LookupError):
        async with database.transaction() as connection:
            await add(connection, 1)
            connection.after_commit(lambda: told.append(1))
            raise LookupError
    assert told == []
    assert await kept(database) == []


async def test_of_many_at_once_only_the_one_that_fails_is_undone(database: Database) -> None:
    async def one(number: int) -> None:
        async with database.transaction() as connection:
            await add(connection, number)
            if number == 7:
                raise LookupError

    results = await asyncio.gather(*(one(number) for number in range(20)), return_exceptions=True)
    assert [type(r) for r in results if r is not None] == [LookupError]
    assert await kept(database) == [n for n in range(20) if n != 7]


async def test_a_statement_at_fault_is_told_as_it_is_and_the_next_transaction_works(database: Database) -> None:
    await write(database, 1)
    with pytest.raises(sa.exc.IntegrityError):
        await write(database, 1)
    await write(database, 2)
    assert await kept(database) == [1, 2]


async def test_a_read_refuses_to_write(database: Database) -> None:
    async with database.read() as connection:
        with pytest.raises(AssertionError, match="asked to write"):
            await add(connection, 1)
    assert await kept(database) == []


async def test_what_a_read_block_raises_is_its_own(database: Database) -> None:
    for error in (TimeoutError("mine"), FileNotFoundError("mine"), LookupError("mine")):
        with pytest.raises(type(error), match="mine"):
            async with database.read():
                raise error
    assert await kept(database) == []


async def test_whoever_counts_statements_sees_each(database: Database) -> None:
    seen: list[str] = []
    database.on_statement.append(seen.append)
    await write(database, 1)
    await kept(database)
    assert [s.split()[0] for s in seen] == ["INSERT", "SELECT"]


async def test_json_and_text_come_back_and_sort_by_code_point(database: Database) -> None:
    words = ["b", "a", "B", "ä", "Z", "_", "á"]
    async with database.transaction() as connection:
        for number, word in enumerate(words):
            await add(connection, number, word, {"word": [word, None, 2**53]})
    async with database.read() as connection:
        rows = (await connection.execute(sa.select(notes).order_by(notes.c.text))).all()
    assert [row.text for row in rows] == sorted(words)
    assert [row.facts for row in rows] == [{"word": [row.text, None, 2**53]} for row in rows]


async def test_any_document_comes_back_as_it_was(database: Database) -> None:
    said = [5, -1.5, "5", "word", True, None, [], [1, "1"], {"a": {"b": None}}]
    async with database.transaction() as connection:
        for number, each in enumerate(said):
            await add(connection, number, "", each)
    async with database.read() as connection:
        found = (await connection.execute(sa.select(notes.c.facts).order_by(notes.c.id))).scalars().all()
    assert [(each, type(each)) for each in found] == [(each, type(each)) for each in said]


async def test_a_plain_connection_changes_the_schema_whole_or_not_at_all(database: Database) -> None:
    def drop(connection: sa.Connection) -> None:
        notes.drop(connection)
        raise LookupError

    with pytest.raises(LookupError):
        await database.run_sync(drop)
    await write(database, 1)
    await database.run_sync(notes.drop)
    await database.create_schema()
    await database.create_schema()
    assert await kept(database) == []


async def test_a_lock_may_be_taken_twice_but_only_in_order(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.lock("subject", "b")
        await connection.lock("subject", "b")
        with pytest.raises(AssertionError, match="subject:a is taken after subject:b"):
            await connection.lock("subject", "a")
        await connection.lock("quota", "a")
        await connection.lock("something else", 1)
        with pytest.raises(AssertionError, match="subnet:1 is taken after something else:1"):
            await connection.lock("subnet", 1)
        await connection.lock("subject", "b")


async def test_a_limit_holds_under_sixteen_callers_at_once(database_url: str) -> None:
    """Counting and then writing: with the lock, exactly as many come in as the limit says."""
    database, limit = open_database(database_url, pool_size=16), 100
    await database.start()

    async def come_in(caller: int) -> int:
        entered = 0
        for number in range(10):
            async with database.transaction() as connection:
                await connection.lock("quota", "project")
                used = (await connection.execute(sa.select(sa.func.count()).select_from(notes))).scalar_one()
                if used < limit:
                    await add(connection, caller * 100 + number)
                    entered += 1
        return entered

    assert sum(await asyncio.gather(*(come_in(caller) for caller in range(16)))) == limit
    assert len(await kept(database)) == limit
    await database.close()


def test_lock_numbers_tell_kind_from_key_and_fit_64_bits() -> None:
    numbers = [lock_number(kind, key) for kind, key in (("a", "bc"), ("ab", "c"), ("abc", ""), ("a", "b"))]
    assert len(set(numbers)) == 4
    assert all(-(2**63) <= number < 2**63 for number in numbers)
    assert LockOrder().take("quota", "x")


@pytest.mark.parametrize("url", ["mysql://root@localhost/cloud", "nonsense", "postgresql+psycopg://x/y"])
def test_an_unknown_kind_of_database_is_refused_by_name(url: str) -> None:
    with pytest.raises(ValueError, match=r"only sqlite:/// and postgresql:// are known"):
        open_database(url)


def test_nothing_is_opened_before_the_start() -> None:
    databases: list[Any] = [open_database("sqlite:////nowhere/x"), open_database("postgres://nobody@nowhere/x")]
    assert [database.dialect for database in databases] == ["sqlite", "postgresql"]


async def test_a_look_sees_what_is_committed_and_nothing_else(database: Database) -> None:
    question = str(sa.select(notes.c.id).order_by(notes.c.id))
    assert await database.look(question) is None
    async with database.transaction() as connection:
        await add(connection, 1)
        assert await database.look(question) is None
    row = await database.look(question)
    assert row is not None
    assert row[0] == 1


async def test_a_look_is_told_and_says_what_is_wrong(database: Database) -> None:
    told: list[str] = []
    database.on_statement.append(told.append)
    await database.look("SELECT 1")
    assert told == ["SELECT 1"]
    with pytest.raises((Unavailable, sa.exc.DBAPIError)):
        await database.look("SELECT 1 FROM nowhere")
