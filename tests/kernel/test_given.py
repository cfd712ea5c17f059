"""Rows as the driver gives them, and documents that are rendered once: the same on both databases."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa

from pileus.kernel.db import JSON, Database, Document, Text, metadata
from pileus.kernel.db.given import Given, apart, gathered, given
from pileus.kernel.http.rendered import LONG, rendered


class Size(msgspec.Struct, frozen=True):
    mib: int


things = sa.Table(
    "given_thing",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", Text),
    sa.Column("on", sa.Boolean, nullable=False),
    sa.Column("about", JSON, nullable=False),
    sa.Column("size", Document(Size)),
)
words = sa.Table(
    "given_word",
    metadata,
    sa.Column("thing_id", sa.Uuid, primary_key=True),
    sa.Column("word", Text, primary_key=True),
)
ROWS: list[dict[str, Any]] = [
    {"id": UUID(int=1), "name": "é", "on": True, "about": {"a": [1, None]}, "size": Size(5)},
    {"id": UUID(int=2), "name": None, "on": False, "about": 5, "size": None},
]
WORDS = ['b"', "a\n,"]
GIVEN = Given(*things.c)
ALL = sa.select(*GIVEN.columns, gathered(words.c.word, words.c.thing_id == things.c.id)).order_by(things.c.id)


@pytest.fixture
async def rows(database: Database) -> list[tuple[Any, ...]]:
    async with database.transaction() as connection:
        await connection.execute(things.insert(), ROWS)
        await connection.execute(words.insert(), [{"thing_id": UUID(int=1), "word": word} for word in WORDS])
    async with database.read() as connection:
        return given(await connection.execute(ALL))


async def test_given_rows_mean_what_was_written(rows: list[tuple[Any, ...]]) -> None:
    assert [GIVEN.read(row) for row in rows] == ROWS
    assert [apart(row[-1]) for row in rows] == [sorted(WORDS), []]


async def test_what_is_made_of_equal_rows_is_made_once(rows: list[tuple[Any, ...]]) -> None:
    made: list[Any] = []

    @rendered(2)
    def document(row: tuple[Any, ...], more: str) -> dict[str, Any]:
        made.append(row)
        return {"name": row[1], "more": more}

    for row in [*rows, *map(tuple, map(list, rows))]:
        assert (
            bytes(document(row, "é")).decode()
            == f'{{"name":{"null" if row[1] is None else chr(34) + row[1] + chr(34)},"more":"é"}}'
        )
    assert made == rows
    document(rows[0], "other")
    document(rows[0], "é")
    assert len(made) == 4, "it keeps two"


async def test_what_is_long_is_made_anew() -> None:
    made: list[Any] = []

    @rendered(2)
    def document(row: tuple[Any, ...], size: int) -> str:
        made.append(row)
        return "x" * size

    for row, size, times in ((("short",), 1, 1), (("short",), LONG, 2), ((("x" * LONG,), b""), 1, 2)):
        made.clear()
        assert document(row, size) == document(row, size) == msgspec.Raw(b'"' + b"x" * size + b'"')
        assert len(made) == times
