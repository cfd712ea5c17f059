"""JSON documents that are Structs: the same on both databases, with and without what is in them."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa

from pileus.kernel.db import Database, Document, metadata


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID | None = None
    name: str
    facts: dict[str, str] = {}


class Other(msgspec.Struct, frozen=True, kw_only=True):
    name: str


things = sa.Table(
    "documents_thing",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("inner", Document(Inner), nullable=False),
    sa.Column("other", Document(Other)),
)
FULL = Inner(id=UUID(int=7), name="é☃", facts={"a": "b"})
ROWS = [
    {"id": 1, "inner": FULL, "other": Other(name="x")},
    {"id": 2, "inner": FULL, "other": None},
    {"id": 3, "inner": Inner(name="x"), "other": Other(name="é☃")},
]


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.transaction() as connection:
        await connection.execute(things.insert(), ROWS)
    return database


async def found(database: Database) -> list[tuple[object, ...]]:
    async with database.read() as connection:
        return [tuple(row) for row in await connection.execute(sa.select(things).order_by(things.c.id))]


async def test_documents_come_back_as_they_went_in(filled: Database) -> None:
    assert await found(filled) == [(row["id"], row["inner"], row["other"]) for row in ROWS]


async def test_a_document_is_changed_and_taken_away(filled: Database) -> None:
    new = Inner(name="new")
    async with filled.transaction() as connection:
        one = things.update().where(things.c.id == sa.bindparam("id_"))
        await connection.execute(one, {"id_": 1, "inner": new})
        await connection.execute(one.values(other=sa.null()), {"id_": 3})
    assert [row[1:] for row in await found(filled)] == [(new, Other(name="x")), (FULL, None), (Inner(name="x"), None)]
