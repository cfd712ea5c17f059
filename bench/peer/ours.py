"""Pileus as its users start it: `pileus up` on SQLite, `pileus serve api` on PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from bench.peer.sides import Side, await_word, free_port, running
from conformance.installed import Failure
from support import postgres

PILEUS = Path(sys.executable).with_name("pileus")
OPTIONS = """\
state = "{home}/state"
[api]
listen = "127.0.0.1:{port}"
[database]
url = "{url}"
[image]
store = "{home}/images"
"""
ALL = ("up", "--simulate-hosts", "4")  # every service in one process; 1,000 small servers have room
TWO_PROCESSES = ("serve", "api", "--processes", "2")  # as many as Keystone has
Seed = Callable[[str], None]  # given the URL of the database


@contextlib.contextmanager
def on_sqlite(home: Path, seed: Seed | None = None) -> Iterator[Side]:
    """`pileus up`: one process."""
    with started(home, f"sqlite:///{home}/state/pileus.sqlite", ALL, seed) as (url, pid):
        yield Side("Pileus, SQLite", url, password(home), (pid,))


@contextlib.contextmanager
def on_postgresql(home: Path, seed: Seed | None = None, command: tuple[str, ...] = TWO_PROCESSES) -> Iterator[Side]:
    """Beside a PostgreSQL server of its own, fsync on."""
    home.mkdir()
    for folder in (home, home.parent):
        folder.chmod(0o711)  # the server runs as another user below it
    (home / "pid").write_text(str(os.getpid()))
    server = postgres.server(home)
    keeper = int(next(home.glob("*.keeper")).read_text())
    try:
        with server.durable(), server.database() as database:
            with started(home / "pileus", database, command, seed) as (url, pid):
                yield Side("Pileus, PostgreSQL", url, password(home / "pileus"), (pid, keeper))
    finally:
        postgres.stop(home)


@contextlib.contextmanager
def started(home: Path, database: str, command: tuple[str, ...], seed: Seed | None) -> Iterator[tuple[str, int]]:
    """A cloud made from nothing: the URL of its Identity, and its process."""
    home.mkdir()
    port, log, options = free_port(), home / "log", home / "pileus.toml"
    options.write_text(OPTIONS.format(home=home, port=port, url=database))
    made = subprocess.run([PILEUS, "db", "upgrade", "--config", options], capture_output=True, text=True)
    if made.returncode:
        raise Failure(f"pileus db upgrade: {made.stderr}")
    if seed:
        seed(database)
    with running(log, PILEUS, *command, "--config", options) as process:
        await_word("Pileus serves", process, log)
        yield f"http://127.0.0.1:{port}/identity/v3", process.pid
    shutil.rmtree(home)


def password(home: Path) -> str:
    """The administrator's."""
    cloud = yaml.safe_load((home / "state/clouds.yaml").read_text())["clouds"]["pileus"]
    return str(cloud["auth"]["password"])
