"""A fresh database for one test: the schema of everything that is imported, and no rows."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import SchemaItem

from pileus.kernel import migrate
from pileus.kernel.db import metadata
from support.postgres import PostgresServer

DATABASE = "pileus.sqlite"


@contextmanager
def sqlite_database(run: Path, home: Path) -> Iterator[str]:
    """The URL of a new SQLite file in `home`, copied from a template in `run`."""
    path = home / DATABASE
    shutil.copyfile(_sqlite_template(run, schema("sqlite")), path)
    yield f"sqlite:///{path}"


@contextmanager
def postgres_database(server: PostgresServer) -> Iterator[str]:
    """The URL of a new database on the server."""
    with server.database(schema("postgresql")) as url:
        yield url


def schema(dialect: str) -> tuple[str, ...]:
    """The statements that make every table imported so far, stamped as current. A new table makes a new template."""
    return _schema(dialect, tuple(sorted(metadata.tables)))


@cache
def _schema(dialect: str, tables: tuple[str, ...]) -> tuple[str, ...]:
    made: list[str] = []
    kind = postgresql.dialect() if dialect == "postgresql" else sqlite.dialect()

    def note(item: SchemaItem, *_: object, **__: object) -> None:
        made.append(str(item.compile(dialect=kind)))

    engine = sa.create_mock_engine(f"{dialect}+asyncpg://" if dialect == "postgresql" else "sqlite://", note)
    metadata.create_all(engine, checkfirst=False)
    migrate.STAMP.create(engine)
    stamp = migrate.STAMP.insert().values(version_num=sa.literal_column(f"'{migrate.revisions()[-1]}'"))
    return (*made, str(stamp.compile(dialect=kind)))


@cache
def _sqlite_template(run: Path, ddl: tuple[str, ...]) -> Path:
    path = run / f"template-{os.getpid()}-{len(list(run.glob('template-*.sqlite')))}.sqlite"
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA page_size=1024")  # a quarter of what each test would copy
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(";\n".join(ddl))
    finally:
        connection.close()
    return path
