"""A PostgreSQL server for one test run, and databases in it that cost a test some ten milliseconds.

The server is started by whoever needs it first and shared by the workers of a parallel run; it ends with the run.
PILEUS_TEST_POSTGRES=postgresql://user@host:port takes a server that is there, and leaves it running.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

KEEPER = Path(__file__).with_name("keeper.py")
HASTE = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
"""Of servers whose databases live for a test; `durable` below takes them back."""
SETTINGS = {
    "synchronous_commit": "on",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "log_min_messages": "warning",
    "timezone": "UTC",
}

INITDB = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]


class NoPostgres(RuntimeError):
    """There is no PostgreSQL server to be had here; the message says what to install."""


EMPTY = """
DO $$ DECLARE each record; BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET LOCAL session_replication_role = replica;
    FOR each IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('DELETE FROM %I', each.name);
    END LOOP;
    FOR each IN SELECT sequencename AS name FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL LOOP
        EXECUTE format('ALTER SEQUENCE %I RESTART', each.name);
    END LOOP;
END $$
"""
SHAPE = """
SELECT md5(concat(
    (SELECT string_agg(concat(relname, attname, atttypid, atttypmod, attnotnull), ',' ORDER BY relname, attnum)
        FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 WHERE relnamespace = 'public'::regnamespace),
    (SELECT string_agg(concat(relname, indrelid, indkey, indisunique, indpred), ',' ORDER BY relname)
        FROM pg_class c JOIN pg_index ON indexrelid = c.oid WHERE relnamespace = 'public'::regnamespace),
    (SELECT string_agg(setconfig::text, ',') FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
        WHERE d.datname = current_database()),
    (SELECT string_agg(version_num, ',') FROM alembic_version)))
"""
"""What a test must have left as it was, for the next one to be given the same database."""


@dataclass
class PostgresServer:
    """A running server. `url` has no database name."""

    url: str
    _names: Iterator[int] = field(default_factory=itertools.count)
    _templates: dict[tuple[str, ...], tuple[str, str]] = field(default_factory=dict)  # schema: database, its shape
    _idle: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    _connections: dict[str, asyncpg.Connection] = field(default_factory=dict)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run each statement outside a transaction. Safe to call while an event loop runs in this thread."""
        self.query(*statements, database=database)

    def query(self, *statements: str, database: str = "postgres") -> list[asyncpg.Record]:
        """Run each statement; the rows of the last."""
        return self._thread.submit(self._runner.run, self._query(statements, database)).result()

    async def _query(self, statements: tuple[str, ...], database: str) -> list[asyncpg.Record]:
        """By a connection that stays: it knows the tables of its database already."""
        connection = self._connections.get(database)
        if connection is None or connection.is_closed():
            connection = await asyncpg.connect(f"{self.url}/{database}", timeout=30)
            self._connections[database] = connection
        rows: list[asyncpg.Record] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return rows

    async def _disconnect(self, databases: list[str]) -> None:
        for name in databases:
            if connection := self._connections.pop(name, None):
                connection.terminate()

    def drop(self, *databases: str) -> None:
        """Whoever is still connected."""
        self._thread.submit(self._runner.run, self._disconnect(list(databases))).result()
        self.execute(*(f'DROP DATABASE "{name}" WITH (FORCE)' for name in databases))

    @contextmanager
    def database(self, schema: tuple[str, ...] = ()) -> Iterator[str]:
        """The URL of a database with these tables and no rows; nobody's afterwards, whoever is still connected."""
        idle = self._idle.setdefault(schema, [])
        name = idle.pop() if idle else self._made(schema)
        try:
            yield f"{self.url}/{name}"
        finally:
            if schema and self._emptied(name) == self._templates[schema][1]:
                idle.append(name)
            else:
                self.drop(name)

    def _made(self, schema: tuple[str, ...]) -> str:
        name = f"pileus_{os.getpid()}_{next(self._names)}"
        if schema not in self._templates and schema:
            template = f"{name}_template"
            self.execute(f'CREATE DATABASE "{template}"')
            shape = self.query(*schema, SHAPE, database=template)[0][0]
            self._templates[schema] = template, shape
            self._thread.submit(self._runner.run, self._disconnect([template])).result()  # nobody may be in a template
        template = self._templates[schema][0] if schema else "template1"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def _emptied(self, name: str) -> str | None:
        """The shape of the database, now without rows; None when a test left it so that it cannot be emptied."""
        try:
            return str(self.query(EMPTY, SHAPE, database=name)[0][0])
        except asyncpg.PostgresError:
            return None

    def close(self) -> None:
        """Drop what was kept: of importance on a server that stays."""
        self.drop(*(name for names in self._idle.values() for name in names), *(t for t, _ in self._templates.values()))
        self._thread.submit(self._runner.run, self._disconnect(list(self._connections))).result()
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    @contextmanager
    def durable(self) -> Iterator[None]:
        """fsync, full pages and autovacuum, whose statistics plans are made by, as an operator has them.

        For the whole server: not beside other tests' timing.
        """
        self.execute(*(f"ALTER SYSTEM SET {key} = on" for key in HASTE), "SELECT pg_reload_conf()")
        try:
            yield
        finally:
            self.execute(*(f"ALTER SYSTEM RESET {key}" for key in HASTE), "SELECT pg_reload_conf()")


def server(run: Path) -> PostgresServer:
    """The server of this process of the test run, whose directory `run` they share.

    Each process has its own: what a transaction sees of others' is counted for a whole server, so that one left open by a
    test in one process would hold back the events of a test in another.
    """
    if url := os.environ.get("PILEUS_TEST_POSTGRES"):
        parts = urlsplit(url)
        return PostgresServer(f"postgresql://{parts.netloc}")
    return PostgresServer(start(run, f"postgres-{os.getpid()}"))


def newest_bin() -> Path:
    """The directory of the newest PostgreSQL on this machine, at least 14. Raises NoPostgres."""
    found = {int(p.parent.name): p for p in Path("/usr/lib/postgresql").glob("*/bin") if p.parent.name.isdigit()}
    if not found or max(found) < 14:
        raise NoPostgres("no /usr/lib/postgresql/14 or newer: apt-get install postgresql, or set PILEUS_TEST_POSTGRES")
    return found[max(found)]


def start(run: Path, name: str) -> str:
    """initdb and a server of that name below `run`, ended when the test run ends. Returns its URL."""
    port = free_port()
    keeper = keep(run, name, initialised(run / name, port, HASTE))
    await_port(port, keeper, run / f"{name}.log")
    return url_of(port)


def url_of(port: int) -> str:
    return f"postgresql://postgres@127.0.0.1:{port}"


def initialised(home: Path, port: int, more: Mapping[str, str] = {}) -> list[str]:
    """initdb below `home`. Returns the command of its server, which listens at this port, with more settings."""
    binaries = newest_bin()
    home.mkdir(mode=0o700)
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(home, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = home / "data"
    made = subprocess.run(
        [*as_user, str(binaries / "initdb"), "-D", str(data), *INITDB],
        capture_output=True,
        text=True,
        cwd="/",
    )
    if made.returncode:
        raise NoPostgres(f"initdb failed: {made.stderr}")
    nowhere = {"unix_socket_directories": ""}  # a path of one may have 107 bytes; a checkout may lie deeper
    options = {**SETTINGS, **more, **nowhere, "listen_addresses": "127.0.0.1", "port": str(port)}
    with (data / "postgresql.conf").open("a") as conf:
        conf.writelines(f"{key} = '{value}'\n" for key, value in options.items())
    return [*as_user, str(binaries / "postgres"), "-D", str(data)]


def keep(run: Path, name: str, command: list[str]) -> int:
    """Run a program until the process that owns `run` ends, or until `stop`. Its output goes to NAME.log.

    Returns the keeper's process id. Spawned bare, for a Popen object complains when it is dropped while its process runs.
    """
    log = os.open(run / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    keeper = os.posix_spawn(
        sys.executable,
        [sys.executable, "-S", str(KEEPER), (run / "pid").read_text(), *command],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate((null, log, log))],
        setsid=True,
    )
    os.close(log)
    os.close(null)
    (run / f"{name}.keeper").write_text(str(keeper))
    return keeper


def stop(run: Path) -> None:
    """End what `keep` started below `run`, and wait for it."""
    for file in run.glob("*.keeper"):
        try:
            ended = os.pidfd_open(int(file.read_text()))
            signal.pidfd_send_signal(ended, signal.SIGTERM)
        except ProcessLookupError:
            continue
        select.select([ended], [], [], 20)
        os.close(ended)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int, keeper: int, log: Path, *, within_s: float = 30) -> None:
    """Return when the server answers at the port. Raises NoPostgres with the log when its keeper ends first."""
    until = time.monotonic() + within_s
    while True:
        ready = subprocess.run([newest_bin() / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)])
        if ready.returncode == 0:
            return
        if os.waitpid(keeper, os.WNOHANG)[0] or time.monotonic() > until:
            raise NoPostgres(f"the server did not start:\n{log.read_text()[-2000:]}")
