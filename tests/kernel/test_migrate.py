"""The schema: made at once, upgraded in steps, never touched when it is another's or newer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

import pileus.world  # noqa: F401 (its import declares every table)
from pileus.kernel import migrate
from pileus.kernel.db import Database, metadata, open_database
from pileus.kernel.migrate import STAMP, Schema, SchemaError, State

HEAD = migrate.revisions()[-1]


@pytest.fixture
async def blank(blank_database_url: str) -> AsyncIterator[Database]:
    """A database without a table."""
    database = open_database(blank_database_url)
    await database.start()
    yield database
    await database.close()


async def tables(db: Database) -> set[str]:
    return set(await db.run_sync(lambda connection: sa.inspect(connection).get_table_names()))


async def stamp(db: Database, revision: str) -> None:
    await db.run_sync(lambda connection: connection.execute(STAMP.update(), {"version_num": revision}))


async def test_an_empty_database_gets_every_table_and_the_stamp(blank: Database) -> None:
    assert await migrate.schema(blank) == Schema(State.EMPTY, "", HEAD)
    assert (await migrate.prepare(blank)).state is State.EMPTY
    assert await tables(blank) == {*metadata.tables, "alembic_version"}
    assert await migrate.schema(blank) == Schema(State.CURRENT, HEAD, HEAD)
    assert await migrate.prepare(blank) == Schema(State.CURRENT, HEAD, HEAD)


async def test_upgrading_from_nothing_makes_the_same(blank: Database) -> None:
    assert await migrate.upgrade(blank) == migrate.revisions()
    assert await tables(blank) == {*metadata.tables, "alembic_version"}
    assert await migrate.differences(blank) == []
    assert await migrate.upgrade(blank) == []


async def test_what_was_made_at_once_does_not_differ(blank: Database) -> None:
    await migrate.prepare(blank)
    assert await migrate.differences(blank) == []


async def test_an_older_schema_is_refused_or_upgraded(blank: Database) -> None:
    await migrate.prepare(blank)
    await blank.run_sync(lambda connection: metadata.drop_all(connection))
    await stamp(blank, "0000")
    with pytest.raises(SchemaError, match=f"at 0000, this release needs {HEAD}: pileus db upgrade"):
        await migrate.prepare(blank)
    await blank.run_sync(lambda connection: connection.execute(STAMP.delete()))
    assert (await migrate.prepare(blank, upgrade_it=True)).state is State.OLDER
    assert await migrate.schema(blank) == Schema(State.CURRENT, HEAD, HEAD)


async def test_a_newer_schema_is_used_as_it_is(blank: Database) -> None:
    await migrate.prepare(blank)
    await stamp(blank, "9999")
    assert await migrate.prepare(blank, upgrade_it=True) == Schema(State.NEWER, "9999", HEAD)
    assert await migrate.upgrade(blank) == []
    assert await migrate.schema(blank) == Schema(State.NEWER, "9999", HEAD)


async def test_the_database_of_something_else_is_left_alone(blank: Database) -> None:
    await blank.run_sync(lambda connection: connection.execute(sa.text("CREATE TABLE mine (x INTEGER)")))
    for use in (migrate.prepare, partial(migrate.prepare, upgrade_it=True), migrate.upgrade):
        with pytest.raises(SchemaError, match="no schema of Pileus"):
            await use(blank)
    assert await tables(blank) == {"mine"}


@pytest.mark.database("postgresql")
async def test_of_many_that_start_at_once_one_makes_the_schema(blank_database_url: str) -> None:
    several = [open_database(blank_database_url) for _ in range(8)]
    await asyncio.gather(*(db.start() for db in several))
    found = await asyncio.gather(*(migrate.prepare(db) for db in several))
    assert sorted(schema.state for schema in found) == [State.CURRENT] * 7 + [State.EMPTY]
    await asyncio.gather(*(db.close() for db in several))


async def test_differences_are_said_in_words(blank: Database) -> None:
    await migrate.prepare(blank)
    for statement in (
        "ALTER TABLE host ADD COLUMN colour TEXT",
        "DROP TABLE join_token",
        "CREATE TABLE stray (x INTEGER)",
        "DROP INDEX audit_at_ix",
        "ALTER TABLE worker DROP COLUMN name",
        "ALTER TABLE worker ADD COLUMN name INTEGER",
    ):
        await blank.run_sync(lambda connection, text=statement: connection.execute(sa.text(text)))
    assert set(await migrate.differences(blank)) == {
        "remove_column host.colour",
        "add_table join_token",
        "remove_table stray",
        "add_index audit_at_ix on audit",
        "modify_type worker.name; modify_nullable worker.name",
    }


@pytest.mark.database("sqlite")
async def test_the_next_revision_is_written_from_the_tables(blank: Database, tmp_path: Path) -> None:
    """In a copy of the migrations: a checkout is not changed by its tests."""
    import shutil

    copy = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, copy)
    await migrate.upgrade(blank)
    await blank.run_sync(lambda connection: connection.execute(sa.text("DROP TABLE join_token")))
    await blank.run_sync(
        lambda connection: migrate.write_revision(connection, number="0099", words="Join again", migrations=copy)
    )
    written = (copy / "versions" / "0099_join_again.py").read_text()
    assert f"down_revision = '{HEAD}'" in written
    assert "op.create_table('join_token'" in written
    assert migrate.revisions(copy)[-1] == "0099"


def test_revisions_are_numbered_without_a_gap_each_behind_the_one_before() -> None:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(migrate.MIGRATIONS))
    chain = [revision.revision for revision in script.walk_revisions()][::-1]
    assert chain == migrate.revisions() == [f"{n:04}" for n in range(1, len(chain) + 1)]
