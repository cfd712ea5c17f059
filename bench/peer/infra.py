"""What services of OpenStack stand on: MariaDB, memcached and RabbitMQ from Debian, each started for one run."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.peer.sides import await_port, free_port, running
from conformance.installed import Failure, foreign, installed

LOCK = Path(__file__).with_name("requirements.lock")
NEEDED = {
    "mariadbd": "mariadb-server",
    "mariadb": "mariadb-client",
    "memcached": "memcached",
    "rabbitmq-server": "rabbitmq-server",
    "gcc": "gcc python3-dev",
}
SECRET = "secret"  # of the database's user
RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # without Debian's wrapper, which wants another user
FIRST_START = f"""
CREATE USER bench@'127.0.0.1' IDENTIFIED BY '{SECRET}';
GRANT ALL ON *.* TO bench@'127.0.0.1';
"""


def equipped() -> Path:
    """The virtual environment with OpenStack. Installs what is missing, as root also from Debian. Raises Failure."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
    missing = " ".join(package for program, package in NEEDED.items() if not shutil.which(program, path=path)).split()
    if missing:
        install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *missing]
        if os.geteuid() != 0:
            raise Failure(f"first run: sudo {' '.join(install)}")
        quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # and start none of it
        subprocess.run(install, check=True, env=quietly)
    return installed("openstack", LOCK)


@contextlib.contextmanager
def mariadb(home: Path) -> Iterator[tuple[int, int]]:
    """A MariaDB with Debian's defaults: port and process. The user bench may come by TCP, with SECRET, and do all."""
    data, log, port = home / "mariadb", home / "mariadb.log", free_port()
    me = ["--user=root"] if os.geteuid() == 0 else []
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
    said(log, *install, "--skip-test-db", *me)
    options = [f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1", f"--socket={home}/mariadb.sock"]
    options += [f"--pid-file={home}/mariadb.pid", "--max-connections=4096", "--character-set-server=utf8mb3", *me]
    with running(log, shutil.which("mariadbd") or "/usr/sbin/mariadbd", "--no-defaults", *options) as process:
        await_port(port, process, log)
        said(log, "mariadb", "--no-defaults", f"--socket={home}/mariadb.sock", "-u", "root", "-e", FIRST_START)
        yield port, process.pid


@contextlib.contextmanager
def memcached(home: Path) -> Iterator[tuple[int, int]]:
    """A memcached: port and process."""
    port, log = free_port(), home / "memcached.log"
    me = ["-u", "root"] if os.geteuid() == 0 else []
    with running(log, "memcached", *me, "-l", "127.0.0.1", "-p", str(port), "-m", "256", "-U", "0") as process:
        await_port(port, process, log)
        yield port, process.pid


@contextlib.contextmanager
def rabbitmq(home: Path) -> Iterator[tuple[int, tuple[int, int]]]:
    """A RabbitMQ with a port mapper of its own: port and processes. What is queued at the end is lost."""
    room, log = home / "rabbitmq", home / "rabbitmq.log"
    room.mkdir()
    port, mapper_port, distribution = free_port(), free_port(), free_port()
    loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
    where = {
        "HOME": str(room),
        "RABBITMQ_ALLOW_INPUT": "1",  # no shell beside it that would end it slowly
        "RABBITMQ_NODENAME": "bench@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{loopback} -noinput",
        "RABBITMQ_MNESIA_BASE": str(room / "mnesia"),
        "RABBITMQ_LOG_BASE": str(room),
        "RABBITMQ_LOGS": str(room / "node.log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(room / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(room / "none"),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper_port),
    }
    environment: Mapping[str, str] = {**foreign(), **where}
    mapper = ("epmd", "-address", "127.0.0.1", "-port", str(mapper_port))
    with running(log, *mapper, environment=environment) as epmd:
        await_port(mapper_port, epmd, log)
        with running(log, RABBITMQ, environment=environment) as process:
            await_port(port, process, log)
            yield port, (process.pid, epmd.pid)


def said(log: Path, *command: object, environment: Mapping[str, str] | None = None, told: str = "") -> str:
    """Run a command to its end, tell it that: what it said. Raises Failure with that when it fails."""
    words, surroundings = [str(word) for word in command], {**foreign(), **(environment or {})}
    done = subprocess.run(words, input=told, capture_output=True, text=True, env=surroundings)
    with log.open("a") as file:
        file.write(done.stdout + done.stderr)
    if done.returncode:
        raise Failure(f"{' '.join(words)}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.stdout
