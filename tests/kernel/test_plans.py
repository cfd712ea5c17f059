"""What is run again and again answers as it did at first: on SQLite, by a plan."""

from __future__ import annotations

import gc
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from pileus.kernel.db import JSON, Database, Text, metadata, plans

planned = sa.Table(
    "planned_thing",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("facts", JSON),
    sa.Column("whole", sa.Boolean),
    sa.Column("weight", sa.Double),
)
OFTEN = 5
FIRST = {"id": UUID(int=1), "name": "a'b", "size": 2**40, "facts": {"k": [1, None, "é"]}, "whole": True, "weight": 0.5}
SECOND = {"id": UUID(int=2), "name": "c", "size": 0, "facts": [], "whole": False, "weight": -1.0}
BY_NAME = sa.select(planned).where(planned.c.name == sa.bindparam("name_"), planned.c.size >= 0)


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.transaction() as connection:
        for row in (FIRST, SECOND):
            await connection.execute(planned.insert(), row)
    return database


async def test_rows_are_read_alike_each_time(filled: Database) -> None:
    async with filled.read() as connection:
        for _ in range(OFTEN):
            for row in (FIRST, SECOND):
                found = (await connection.execute(BY_NAME, {"name_": row["name"]})).one()
                assert dict(found._mapping) == row
                assert (found.id, found[1], found._mapping[planned.c.size]) == (row["id"], row["name"], row["size"])
            assert (await connection.execute(BY_NAME, {"name_": "nobody"})).one_or_none() is None
            assert (await connection.execute(BY_NAME, {"name_": "c"})).mappings().all() == [SECOND]


async def test_what_is_made_of_a_statement_is_another(filled: Database) -> None:
    everything = sa.select(planned.c.name).order_by(planned.c.name)
    async with filled.read() as connection:
        for n in range(OFTEN):
            assert (await connection.execute(everything)).scalars().all() == ["a'b", "c"]
            few = everything.where(planned.c.name == ("c" if n % 2 else "x"))
            assert (await connection.execute(few)).scalars().all() == (["c"] if n % 2 else [])


async def test_values_of_its_own_stay_its_own(filled: Database) -> None:
    statements = [sa.select(planned.c.name).where(planned.c.size == size).limit(1) for size in (0, 2**40)]
    async with filled.read() as connection:
        for _ in range(OFTEN):
            assert [(await connection.execute(each)).scalar() for each in statements] == ["c", "a'b"]


async def test_what_lacks_a_value_is_refused_each_time(filled: Database) -> None:
    for _ in range(OFTEN):
        async with filled.read() as connection:
            with pytest.raises(sa.exc.SQLAlchemyError, match="name_"):
                await connection.execute(BY_NAME)


async def test_columns_of_one_name_are_read_by_their_place(filled: Database) -> None:
    alike = sa.select(planned.c.name.label("x"), planned.c.size.label("x")).order_by(planned.c.size)
    async with filled.read() as connection:
        for _ in range(OFTEN):
            assert [tuple(row) for row in await connection.execute(alike)] == [("c", 0), ("a'b", 2**40)]


async def test_lists_of_any_length_are_found(filled: Database) -> None:
    some = sa.select(sa.func.count()).where(planned.c.name.in_(sa.bindparam("names_", expanding=True)))
    async with filled.read() as connection:
        for n in range(OFTEN):
            assert (await connection.execute(some, {"names_": ["c", "a'b", "x"][:n]})).scalar() == min(n, 2)


async def test_what_is_written_is_counted_and_refused_alike(database: Database) -> None:
    add, gone = planned.insert(), planned.delete().where(planned.c.size == sa.bindparam("size_"))
    change = planned.update().where(planned.c.id == sa.bindparam("id_")).returning(planned.c.name)
    for _ in range(OFTEN):
        async with database.transaction() as connection:
            await connection.execute(add, [FIRST, SECOND])
            assert (await connection.execute(change, {"id_": FIRST["id"], "name": "new"})).scalars().all() == ["new"]
            assert (await connection.execute(change, {"id_": UUID(int=9), "size": 1})).first() is None
            assert (await connection.execute(gone, {"size_": 0})).rowcount == 1
            assert (await connection.execute(gone, {"size_": 0})).rowcount == 0
        with pytest.raises(sa.exc.IntegrityError):
            async with database.transaction() as connection:
                await connection.execute(add, FIRST)
        async with database.transaction() as connection:
            assert (await connection.execute(gone, {"size_": FIRST["size"]})).rowcount == 1


async def test_several_rows_can_answer(database: Database) -> None:
    add, none = planned.insert().returning(planned.c.name), planned.delete()
    for _ in range(OFTEN):
        async with database.transaction() as connection:
            assert sorted((await connection.execute(add, [FIRST, SECOND])).scalars()) == ["a'b", "c"]
            assert (await connection.execute(none)).rowcount == 2


@pytest.mark.database("sqlite")
async def test_what_was_built_for_a_call_is_forgotten_with_it(filled: Database) -> None:
    async def ask(size: Any) -> None:
        once = sa.select(planned.c.name).where(planned.c.size == size)
        async with filled.read() as connection:
            for _ in range(OFTEN):
                await connection.execute(once)
        assert id(once) in plans._known

    gc.collect()
    before = len(plans._known)
    for size in range(OFTEN):
        await ask(size)
    gc.collect()
    assert len(plans._known) <= before + 1  # SQLAlchemy keeps the first with what it has compiled
