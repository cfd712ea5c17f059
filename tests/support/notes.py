"""A table for tests of the database itself."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pileus.kernel.db import JSON, Connection, Database, Text, metadata

notes = sa.Table(
    "test_note",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("text", Text),
    sa.Column("facts", JSON),
)


async def add(connection: Connection, note_id: int, text: str = "", facts: Any = None) -> None:
    await connection.execute(notes.insert(), {"id": note_id, "text": text, "facts": facts})


async def write(database: Database, note_id: int, text: str = "") -> None:
    """One note in a transaction of its own."""
    async with database.transaction() as connection:
        await add(connection, note_id, text)


async def kept(database: Database) -> list[int]:
    """The ids of all notes that are there."""
    async with database.read() as connection:
        return list((await connection.execute(sa.select(notes.c.id).order_by(notes.c.id))).scalars())
