"""Statements that are built once: the same however much is given, and the same on both databases."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from pileus.kernel.db import Database, Text, among, insert_if_new, metadata, one_of

things = sa.Table(
    "statement_thing",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", Text, nullable=False),
)
IDS = [UUID(int=n) for n in range(1, 4)]
NAMES = ["a'b", 'c"d', "é☃"]
ROWS = [{"id": id_, "name": name} for id_, name in zip(IDS, NAMES, strict=True)]


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.transaction() as connection:
        await connection.execute(things.insert(), ROWS)
    return database


async def names(database: Database, condition: Any, given: dict[str, Any] | None = None) -> set[str]:
    async with database.read() as connection:
        return set((await connection.execute(sa.select(things.c.name).where(condition), given)).scalars())


@pytest.mark.parametrize("many", [list, set, tuple, dict.fromkeys])
async def test_among_finds_what_is_given(filled: Database, many: Any) -> None:
    for column, values in ((things.c.id, IDS), (things.c.name, NAMES)):
        for n in range(3):
            assert await names(filled, among(column, "some"), {"some": many(values[:n])}) == set(NAMES[:n])
            assert await names(filled, one_of(column, many(values[n:]))) == set(NAMES[n:])


async def test_a_statement_is_the_same_however_many_are_given(filled: Database) -> None:
    said: list[str] = []
    filled.on_statement.append(said.append)
    for n in range(4):
        await names(filled, one_of(things.c.id, IDS[:n]))
    assert len(set(said)) == 1


async def test_what_there_is_already_is_left_out(filled: Database) -> None:
    new = {"id": UUID(int=9), "name": "new"}
    add = insert_if_new(things).returning(things.c.name)
    async with filled.transaction() as connection:
        assert (await connection.execute(insert_if_new(things), ROWS[0])).rowcount == 0
        found = await connection.execute(add, [ROWS[1], new, new])
        assert found.scalars().all() == ["new"]
    assert await names(filled, sa.true()) == {*NAMES, "new"}


def test_both_are_kept_once_they_are_compiled() -> None:
    for statement in (sa.select(things).where(among(things.c.id, "some")), insert_if_new(things)):
        assert statement._generate_cache_key() is not None
    assert insert_if_new(things)._generate_cache_key() != things.insert()._generate_cache_key()
