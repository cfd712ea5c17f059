"""The schema: made at once on an empty database, changed step by step afterwards.

An empty database gets every table of `metadata` and the stamp of the newest revision; Alembic is imported only where
there is something to upgrade or to compare. Changes come in two: a release *expands* (new tables, columns that may be
null), so that the release before it still works beside it; a later release *contracts*. So a process accepts a schema
that is newer than itself, and refuses one that is older.

Revisions are files `NNNN_words.py` in pileus/migrations/versions; the number is the revision.
"""

from __future__ import annotations

import enum
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pileus.kernel.db.base import Database, lock_number, metadata

MIGRATIONS = Path(__file__).parents[1] / "migrations"
STAMP = sa.Table(  # as Alembic makes it
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class State(enum.StrEnum):
    """How a database stands to this release."""

    EMPTY = "empty"
    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Schema:
    """What was found: the state, the revision in the database ("" if it has none) and the newest known here."""

    state: State
    revision: str
    head: str


class SchemaError(Exception):
    """The database cannot be used as it is. The message says what to do."""


def revisions(migrations: Path = MIGRATIONS) -> list[str]:
    """The numbers of all revisions, oldest first."""
    return sorted(path.name.partition("_")[0] for path in (migrations / "versions").glob("[0-9]*_*.py"))


async def schema(db: Database) -> Schema:
    """How the database stands to this release."""
    found: Schema = await db.run_sync(look)
    return found


async def prepare(db: Database, *, upgrade_it: bool = False) -> Schema:
    """Make the schema of an empty database; accept a current or newer one; returns what was found before.

    An older one is upgraded when `upgrade_it`, else refused. Raises SchemaError. Of many processes that start at once
    one makes the schema, the others wait for it.
    """

    def make(connection: sa.Connection) -> Schema:
        hold_others_off(connection)
        found = look(connection)
        if found.state is State.EMPTY:
            metadata.create_all(connection)
            STAMP.create(connection)
            connection.execute(STAMP.insert(), {"version_num": found.head})
        return found

    found: Schema = await db.run_sync(make)
    refuse_foreign(found)
    if found.state is State.OLDER and not upgrade_it:
        raise SchemaError(f"The schema is at {found.revision}, this release needs {found.head}: pileus db upgrade")
    if found.state is State.OLDER:
        await upgrade(db)
    return found


async def upgrade(db: Database) -> list[str]:
    """Bring the schema to the newest revision, made from nothing too; the revisions that were run, oldest first."""

    def run(connection: sa.Connection) -> list[str]:
        hold_others_off(connection)
        found = look(connection)
        refuse_foreign(found)
        todo = [revision for revision in revisions() if revision > found.revision]
        if todo:
            from alembic import command

            command.upgrade(settings(connection), "head")
        return todo

    done: list[str] = await db.run_sync(run)
    return done


@contextmanager
def silent_on_expressions() -> Iterator[None]:
    """Without a warning for each index on an expression, which cannot be compared."""
    with warnings.catch_warnings():
        for kind in (sa.exc.SAWarning, UserWarning):
            warnings.filterwarnings("ignore", "(?s).*expression", kind)
        yield


async def differences(db: Database) -> list[str]:
    """What the database has otherwise than this release's tables, a line each; nothing when they are the same."""

    def compare(connection: sa.Connection) -> list[str]:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": is_ours})
        with silent_on_expressions():
            return [said(change) for change in compare_metadata(context, metadata)]

    found: list[str] = await db.run_sync(compare)
    return found


def look(connection: sa.Connection) -> Schema:
    head = revisions()[-1]
    inspector = sa.inspect(connection)
    if not inspector.has_table(STAMP.name):
        return Schema(State.FOREIGN if inspector.get_table_names() else State.EMPTY, "", head)
    revision = str(connection.execute(sa.select(STAMP.c.version_num)).scalar() or "")
    if revision == head:
        return Schema(State.CURRENT, revision, head)
    return Schema(State.OLDER if revision < head else State.NEWER, revision, head)


def refuse_foreign(found: Schema) -> None:
    if found.state is State.FOREIGN:
        raise SchemaError("The database holds tables but no schema of Pileus: name an empty one in database.url.")


def hold_others_off(connection: sa.Connection) -> None:
    """Until this transaction ends. SQLite has one process."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": lock_number("schema", "")})


def settings(connection: sa.Connection, migrations: Path = MIGRATIONS) -> Any:
    """Alembic's configuration: our revisions, this connection."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(migrations).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


def is_ours(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    """Leave out what Alembic and SQLite keep for themselves."""
    return not (kind == "table" and name in {STAMP.name, "sqlite_sequence"})


def said(change: Any) -> str:
    """A difference in words: `add_table compute_server`, `modify_type compute_server.memory_mib`."""
    if isinstance(change, list):
        return "; ".join(said(part) for part in change)
    verb, *rest = change
    if verb.startswith("modify_"):
        return f"{verb} {rest[1]}.{rest[2]}"
    if verb in {"add_column", "remove_column"}:
        return f"{verb} {rest[1]}.{rest[2].name}"
    item = rest[0]
    table = getattr(item, "table", None)
    return f"{verb} {item.name}" + (f" on {table.name}" if table is not None else "")


def write_revision(connection: sa.Connection, *, number: str, words: str, migrations: Path = MIGRATIONS) -> None:
    """Write the revision that makes what the tables of this checkout have and the database has not."""
    from alembic import command

    with silent_on_expressions():
        command.revision(settings(connection, migrations), message=words, autogenerate=True, rev_id=number)
