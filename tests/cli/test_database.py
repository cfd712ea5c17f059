"""`pileus db`, on a file and on PostgreSQL."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from cli.conftest import pileus
from support.postgres import PostgresServer


@pytest.fixture
def config(tmp_path: Path, database_kind: str, request: pytest.FixtureRequest):
    """Options for an empty database; yields the file."""
    path = tmp_path / "pileus.toml"
    if database_kind == "sqlite":
        path.write_text(f'state = "{tmp_path}/state"\n')
        yield path
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.database() as url:
        path.write_text(f'state = "{tmp_path}/state"\n[database]\nurl = "{url}"\n')
        yield path


def test_upgrade_makes_schema_and_administrator_and_check_agrees(config: Path, tmp_path: Path) -> None:
    before = pileus("db", "check", "--config", config)
    assert before.returncode == 1
    assert "The schema is empty: none in the database" in before.stdout
    made = pileus("db", "upgrade", "--config", config)
    assert made.returncode == 0, made.stderr
    assert "(made)" in made.stdout
    assert (tmp_path / "state" / "clouds.yaml").exists()
    checked = pileus("db", "check", "--config", config)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    again = pileus("db", "upgrade", "--config", config)
    assert "(current)" in again.stdout


@pytest.mark.database("sqlite")
def test_check_tells_what_differs(config: Path, tmp_path: Path) -> None:
    pileus("db", "upgrade", "--config", config)
    with sqlite3.connect(tmp_path / "state" / "pileus.sqlite") as db:
        db.execute("ALTER TABLE host ADD COLUMN colour TEXT")
        db.execute("DROP TABLE join_token")
        db.execute("DROP INDEX audit_at_ix")
    db.close()
    checked = pileus("db", "check", "--config", config)
    assert checked.returncode == 1
    lines = set(checked.stdout.splitlines()[1:])
    assert lines == {
        "The tables differ: remove_column host.colour",
        "The tables differ: add_table join_token",
        "The tables differ: add_index audit_at_ix on audit",
    }


@pytest.mark.database("sqlite")
def test_a_newer_schema_is_left_as_it_is(config: Path, tmp_path: Path) -> None:
    pileus("db", "upgrade", "--config", config)
    with sqlite3.connect(tmp_path / "state" / "pileus.sqlite") as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    db.close()
    done = pileus("db", "upgrade", "--config", config)
    assert done.returncode == 0
    assert "newer (9999)" in done.stdout
    assert pileus("db", "check", "--config", config).returncode == 1


def test_a_database_that_is_away_is_said(tmp_path: Path, unused_tcp_port: int) -> None:
    (tmp_path / "pileus.toml").write_text(f'[database]\nurl = "postgresql://u@127.0.0.1:{unused_tcp_port}/n"\n')
    done = pileus("db", "upgrade", "--config", tmp_path / "pileus.toml", "--state", tmp_path / "state")
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "Traceback" not in done.stderr
