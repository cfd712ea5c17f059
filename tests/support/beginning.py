"""What many tests begin with is made once in a process, and given to each of their databases as it is."""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import sqlalchemy as sa

from pileus.kernel.db import Database, metadata, open_database
from pileus.kernel.db.sqlite import SqliteDatabase

COUNTED = sa.text(
    "SELECT format('SELECT setval(%L, %s)', sequencename, last_value) FROM pg_sequences WHERE last_value > 0"
)


class Kept(Protocol):
    """What a database was."""

    async def put(self, database_url: str) -> None:
        """Make a database that has the schema and no rows be so."""
        ...


@dataclass(frozen=True)
class KeptScript:
    """By statements, which PostgreSQL runs in one go."""

    script: str

    @classmethod
    async def of(cls, database: Database) -> KeptScript:
        return cls(";".join(await database.run_sync(lambda connection: list(cls._statements(connection)))))

    @classmethod
    def _statements(cls, connection: sa.Connection) -> Iterator[str]:
        yield "BEGIN; SET LOCAL session_replication_role = replica"
        for table in map(connection.dialect.identifier_preparer.format_table, metadata.tables.values()):
            rows = connection.scalar(sa.text(f"SELECT quote_literal(json_agg(t)::text) FROM {table} t"))
            if rows is not None:
                yield f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, {rows})"
        yield from connection.scalars(COUNTED)
        yield "COMMIT"

    async def put(self, database_url: str) -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute(self.script)
        finally:
            await connection.close()


@dataclass(frozen=True)
class KeptFile:
    """By its file."""

    file: Path

    async def put(self, database_url: str) -> None:
        shutil.copyfile(self.file, file_of(database_url))


async def kept_of(database: Database) -> Kept:
    if not isinstance(database, SqliteDatabase):
        return await KeptScript.of(database)
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


def kind_of(database_url: str) -> tuple[str, int]:
    return sa.make_url(database_url).get_backend_name(), len(metadata.tables)


_made: dict[tuple[str, tuple[str, int]], tuple[Kept, Any]] = {}


@asynccontextmanager
async def begun(
    name: str, database_url: str, make: Callable[[Database], Awaitable[Any]]
) -> AsyncIterator[tuple[Database, Any]]:
    """The database, started, with what `make` makes in an empty one, or made the last time in this process; what it gave."""
    key = name, kind_of(database_url)
    if key in _made:
        await _made[key][0].put(database_url)
    database = open_database(database_url)
    await database.start()
    try:
        if key not in _made:
            given = await make(database)
            _made[key] = await kept_of(database), given
        yield database, _made[key][1]
    finally:
        await database.close()
