"""What many tests begin with is made once in a process, and given to each of their databases as rows."""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from pileus.kernel.db import Database, metadata, open_database
from pileus.kernel.db.sqlite import SqliteDatabase

UNORDERED = {"sqlite": "PRAGMA defer_foreign_keys = ON", "postgresql": "SET LOCAL session_replication_role = replica"}
COUNTED = sa.text("SELECT sequencename AS name, last_value AS value FROM pg_sequences WHERE last_value IS NOT NULL")
COUNT_ON = sa.text("SELECT setval(CAST(:name AS regclass), :value)")


@dataclass(frozen=True)
class Rows:
    """All rows of a database, and how far its sequences have counted."""

    tables: dict[sa.Table, list[dict[str, Any]]]
    sequences: list[dict[str, Any]]

    @classmethod
    async def of(cls, database: Database) -> Rows:
        def read(connection: sa.Connection) -> Rows:
            def found(question: sa.Executable) -> list[dict[str, Any]]:
                return [dict(row) for row in connection.execute(question).mappings()]

            tables = {table: rows for table in metadata.tables.values() if (rows := found(sa.select(table)))}
            return cls(tables, found(COUNTED) if database.dialect == "postgresql" else [])

        return await database.run_sync(read)  # type: ignore[no-any-return]

    async def put(self, database: Database) -> None:
        """Into a database that has none of them."""

        def write(connection: sa.Connection) -> None:
            connection.exec_driver_sql(UNORDERED[database.dialect])
            for table, rows in self.tables.items():
                connection.execute(sa.insert(table), rows)
            if self.sequences:
                connection.execute(COUNT_ON, self.sequences)

        await database.run_sync(write)


class Kept(Protocol):
    """What a database was."""

    async def put(self, database_url: str) -> None:
        """Make a database that has the schema and no rows be so."""
        ...


@dataclass(frozen=True)
class KeptRows:
    """By its rows."""

    rows: Rows

    async def put(self, database_url: str) -> None:
        database = open_database(database_url)
        await database.start()
        try:
            await self.rows.put(database)
        finally:
            await database.close()


@dataclass(frozen=True)
class KeptFile:
    """By its file: to write the rows would cost a test more than all the rest of its beginning."""

    file: Path

    async def put(self, database_url: str) -> None:
        shutil.copyfile(self.file, file_of(database_url))


async def kept_of(database: Database) -> Kept:
    if not isinstance(database, SqliteDatabase):
        return KeptRows(await Rows.of(database))
    folder = Path(tempfile.mkdtemp(prefix="pileus-begun-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "kept.sqlite"
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("VACUUM INTO ?", (str(file),))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    return KeptFile(file)


def file_of(database_url: str) -> str:
    path = sa.make_url(database_url).database
    assert path is not None
    return path


_made: dict[tuple[str, str, int], Rows] = {}


async def begun(name: str, database: Database, make: Callable[[], Awaitable[Any]]) -> None:
    """`make` what stands under that name in an empty database, or what it made the last time in this process."""
    key = name, database.dialect, len(metadata.tables)
    if key in _made:
        await _made[key].put(database)
    else:
        await make()
        _made[key] = await Rows.of(database)
