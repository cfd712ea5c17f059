"""What many tests begin with is made once in a process, and given to each of their databases as rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pileus.kernel.db import Database, metadata

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


_made: dict[tuple[str, str, int], Rows] = {}


async def begun(name: str, database: Database, make: Callable[[], Awaitable[Any]]) -> None:
    """`make` what stands under that name in an empty database, or what it made the last time in this process."""
    key = name, database.dialect, len(metadata.tables)
    if key in _made:
        await _made[key].put(database)
    else:
        await make()
        _made[key] = await Rows.of(database)
