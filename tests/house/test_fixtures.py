"""The fixtures of the tests, tested: what they promise is what every other test stands on."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from pileus.kernel.db import Database, metadata
from support.postgres import PostgresServer


@pytest.mark.parametrize("again", [1, 2])
async def test_each_test_has_a_database_of_its_own_with_every_table(database: Database, again: int) -> None:
    scratch = sa.Table("scratch", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
    await database.run_sync(scratch.create)  # raises if an earlier test's is still there
    assert set(metadata.tables) <= set(await database.run_sync(lambda c: sa.inspect(c).get_table_names()))
    async with database.read() as connection:
        for table in metadata.tables.values():
            assert (await connection.execute(sa.select(table))).all() == []


@pytest.mark.database("postgresql")
async def test_a_database_may_be_asked_for_by_kind(database: Database) -> None:
    assert database.dialect == "postgresql"


@pytest.mark.postgres
def test_a_database_is_used_again_emptied_unless_its_shape_was_changed(postgres_server: PostgresServer) -> None:
    tables = ("CREATE TABLE kept (id serial, up int)", "CREATE TABLE alembic_version (version_num text)")
    with postgres_server.database(tables) as first:
        name = first.rpartition("/")[2]
        postgres_server.execute("INSERT INTO kept (up) VALUES (1)", database=name)
    with postgres_server.database(tables) as again:
        assert again == first
        inserted = "INSERT INTO kept (up) VALUES (1) RETURNING id"
        assert [row[0] for row in postgres_server.query(inserted, database=name)] == [1]
        postgres_server.execute("ALTER TABLE kept ADD COLUMN more int", database=name)
    with postgres_server.database(tables) as other:
        assert other != first


@pytest.mark.postgres
def test_databases_are_gone_after_use(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as url:
        name = url.rpartition("/")[2]
        assert postgres_server.query(f"SELECT 1 FROM pg_database WHERE datname = '{name}'")
    assert not postgres_server.query(f"SELECT 1 FROM pg_database WHERE datname = '{name}'")
