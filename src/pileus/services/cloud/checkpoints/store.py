"""All rows of all tables as one file, and back.

The file is an SQLite database whatever the cloud's own is. It is read and written by any release whose tables are the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db.base import from_json, metadata, to_json

Rows = dict[str, list[dict[str, Any]]]
BATCH = 500


async def read(ctx: Ctx) -> Rows:
    """Every row of the cloud, by table. In a transaction, so that it is one moment."""
    if ctx.world.db.dialect == "postgresql":
        await ctx.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    return {
        table.name: [dict(row) for row in (await ctx.execute(sa.select(table))).mappings()]
        for table in metadata.sorted_tables
    }


async def put_back(ctx: Ctx, rows: Rows) -> None:
    """Replace every row of the cloud by these. In a transaction."""
    for table in reversed(metadata.sorted_tables):
        await ctx.execute(table.delete())
    for table in metadata.sorted_tables:
        for batch in batches(parents_first(table, rows.get(table.name, []))):
            await ctx.execute(table.insert(), batch)


def save(path: Path, rows: Rows) -> None:
    """Write the file. Blocks."""
    engine = sa.create_engine(f"sqlite:///{path}", json_serializer=to_json)
    with engine.connect() as connection:
        for line in ("journal_mode=OFF", "synchronous=OFF"):  # nobody looks at the file before it is whole
            connection.exec_driver_sql(f"PRAGMA {line}")
        metadata.create_all(connection)
        for table in metadata.sorted_tables:
            for batch in batches(rows[table.name]):
                connection.execute(table.insert(), batch)
        connection.commit()
    engine.dispose()
    with path.open("rb") as file:
        os.fsync(file.fileno())


def load(path: Path) -> Rows:
    """What is in the file. Blocks."""
    engine = sa.create_engine(f"sqlite:///{path}", json_deserializer=from_json)
    with engine.connect() as connection:
        rows = {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in metadata.sorted_tables
        }
    engine.dispose()
    return rows


def shape() -> dict[str, list[str]]:
    """The tables of this release and their columns: what a checkpoint must have been made with."""
    return {str(table.name): [str(column.name) for column in table.columns] for table in metadata.sorted_tables}


def batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def parents_first(table: sa.Table, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, none before one of the same table that it refers to."""
    up = [key.parent.name for key in table.foreign_keys if key.column.table is table]
    if not up:
        return rows
    (id_,) = table.primary_key.columns.keys()
    placed: dict[Any, dict[str, Any]] = {}
    waiting = rows
    while waiting:
        ready = [row for row in waiting if all(known(row, name, id_, placed) for name in up)]
        placed.update((row[id_], row) for row in ready)
        waiting = [row for row in waiting if row[id_] not in placed]
    return list(placed.values())


def known(row: Mapping[str, Any], name: str, id_: str, placed: Mapping[Any, Any]) -> bool:
    return row[name] is None or row[name] == row[id_] or row[name] in placed
