"""Fixtures that every test may use. What they are made of is in tests/support/.

`database_url` and what stands on it (`database`, `cloud`) run once per kind of database; `--db sqlite` or
`--db postgresql` takes one of them, `--db none` leaves out what needs any; `--db tests/spec=sqlite` is for what is below.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from zlib import crc32

import pytest

from pileus.kernel.db import Database, open_database
from support import postgres
from support.cloud import RunningCloud, running_cloud
from support.databases import postgres_database, sqlite_database

KINDS = {"sqlite": ("sqlite",), "postgresql": ("postgresql",), "both": ("sqlite", "postgresql"), "none": ()}
WANTED = pytest.StashKey[tuple[tuple[Path, tuple[str, ...]], ...]]()
SPECS, SAGAS = Path(__file__).with_name("spec"), Path(__file__).with_name("sagas")
DRAWN = 8
RUN = "PILEUS_TEST_RUN"  # in the environment: the directory that the processes of a parallel run share


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--db", action="append", default=[], help=f"[PATH=]{'|'.join(KINDS)} (default: both)")
    parser.addoption(
        "--short",
        action="store_true",
        help="draw an eighth of the sagas' seams, and of the specifications on PostgreSQL",
    )
    parser.addoption("--long", action="store_true", help="run what takes minutes, too")
    parser.addoption("--real", action="store_true", help="run what needs real engines, too")


def databases(word: str) -> tuple[Path, tuple[str, ...]]:
    """For the tests below which path, and which. Raises UsageError."""
    below, _, kind = word.rpartition("=")
    if kind not in KINDS or not Path(below).exists():
        raise pytest.UsageError(f"--db {word}: it is [PATH=]{'|'.join(KINDS)}")
    return Path(below).absolute(), KINDS[kind]


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()
    config.stash[WANTED] = tuple(databases(word) for word in config.getoption("db"))
    if hasattr(config, "workerinput"):
        return
    run = Path(tempfile.mkdtemp(prefix="pileus-test-"))
    run.chmod(0o711)  # the PostgreSQL server runs as another user below it
    (run / "pid").write_text(str(os.getpid()))
    os.environ[RUN] = str(run)


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or RUN not in os.environ:
        return
    run = Path(os.environ.pop(RUN))
    postgres.stop(run)
    shutil.rmtree(run, ignore_errors=True)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests of real engines need libraries that are there only with these."""
    return True if collection_path == Path(__file__).with_name("real") and not config.getoption("real") else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for. Deselected, not skipped: a skip would look like a result."""
    unwanted = [mark for mark in ("long", "real") if not config.getoption(mark)]
    kept, left = [], []
    for item in items:
        wanted = on_wanted_database(item) and not any(map(item.get_closest_marker, unwanted))
        (kept if wanted else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
    items[:] = sorted(kept, key=time_given, reverse=True)  # or the last one runs alone, beside cores with nothing to do


def time_given(item: pytest.Item) -> float:
    """What a test may take, if it says so."""
    timeout = item.get_closest_marker("timeout")
    return float(timeout.args[0]) if timeout else 0.0


def pytest_collection_finish() -> None:
    """What has been imported and collected stays: to look for garbage in it would cost a third of its time, and then on."""
    gc.freeze()
    gc.enable()


def on_wanted_database(item: pytest.Item) -> bool:
    kind = item.callspec.params.get("database_kind") if hasattr(item, "callspec") else None
    only = item.get_closest_marker("database")
    if kind is None or kind not in asked_for(item.path, item.config.stash[WANTED]):
        return kind is None
    may_be_left_out = item.path.is_relative_to(SAGAS) or (only is None and kind != "sqlite")
    if may_be_left_out and not is_drawn(item):
        return False
    if only is None:
        return True
    return kind in only.args or (kind == only.kwargs.get("long") and bool(item.config.getoption("long")))


def is_drawn(item: pytest.Item) -> bool:
    """In a short run an eighth of the specifications and sagas' seams are, by its seed: the next one draws others."""
    if not item.config.getoption("short") or not any(map(item.path.is_relative_to, (SPECS, SAGAS))):
        return True
    seed = item.config.getoption("randomly_seed")
    return crc32(f"{seed} {item.nodeid}".encode()) % DRAWN == 0


@cache
def asked_for(path: Path, wanted: tuple[tuple[Path, tuple[str, ...]], ...]) -> tuple[str, ...]:
    """The databases that the tests of a file are wanted on: the nearest path decides."""
    given = [(len(below.parts), kinds) for below, kinds in wanted if path.is_relative_to(below)]
    return max(given, default=(0, KINDS["both"]))[1]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_kind" in metafunc.fixturenames:
        metafunc.parametrize("database_kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])


@pytest.fixture(scope="session")
def run_directory() -> Path:
    """Shared by the processes of this test run, and gone after it."""
    return Path(os.environ[RUN])


@pytest.fixture(scope="session")
def postgres_server(run_directory: Path) -> Iterator[postgres.PostgresServer]:
    """A PostgreSQL server, fsync off; one for each process of a test run."""
    server = postgres.server(run_directory)
    yield server
    server.close()


@pytest.fixture
def database_url(
    database_kind: str, run_directory: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[str]:
    """The URL of a database that has the schema and no rows, on SQLite and on PostgreSQL in turn."""
    if database_kind == "sqlite":
        with sqlite_database(run_directory, tmp_path) as url:
            yield url
    else:
        with postgres_database(request.getfixturevalue("postgres_server")) as url:
            yield url


@pytest.fixture
def blank_database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database in which there is nothing at all."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path}/blank.sqlite"
    else:
        with request.getfixturevalue("postgres_server").database() as url:
            yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A started Database with every table that is imported, empty."""
    database = open_database(database_url)
    await database.start()
    yield database
    await database.close()


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path) -> AsyncIterator[RunningCloud]:
    """A whole cloud in this process, with simulators behind; itself the client of its admin."""
    async with running_cloud(database_url, tmp_path / "state") as cloud:
        yield cloud
