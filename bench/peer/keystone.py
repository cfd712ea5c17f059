"""Keystone from PyPI with MariaDB and memcached from Debian, configured as DevStack has it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.peer.sides import Side, await_port, free_port, running
from conformance.installed import Failure, foreign, installed

LOCK = Path(__file__).with_name("requirements.lock")
PASSWORD = "only for figures"
NEEDED = {"mariadbd": "mariadb-server", "mariadb": "mariadb-client", "memcached": "memcached", "gcc": "gcc python3-dev"}
# As DevStack's, but for the Apache that stands before it there: one step less, in Keystone's favour.
UWSGI = """\
[uwsgi]
module = keystone.wsgi.api:application
http-socket = 127.0.0.1:{port}
processes = 2
master = true
die-on-term = true
enable-threads = true
thunder-lock = true
buffer-size = 65535
lazy-apps = true
disable-logging = true
add-header = Connection: close
"""
KEYSTONE = """\
[DEFAULT]
log_file = {home}/keystone.log
[database]
connection = mysql+pymysql://keystone:secret@127.0.0.1:{mariadb}/keystone?charset=utf8
[token]
provider = fernet
[fernet_tokens]
key_repository = {home}/fernet
[credential]
key_repository = {home}/credential
[cache]
enabled = true
backend = dogpile.cache.pymemcache
memcache_servers = 127.0.0.1:{memcached}
"""
SCHEMA = """
CREATE DATABASE keystone CHARACTER SET utf8mb3;
CREATE USER keystone@'127.0.0.1' IDENTIFIED BY 'secret';
GRANT ALL ON keystone.* TO keystone@'127.0.0.1';
"""


def equipped() -> Path:
    """The virtual environment with Keystone. Installs what is missing, as root also from Debian. Raises Failure."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
    missing = " ".join(package for program, package in NEEDED.items() if not shutil.which(program, path=path)).split()
    if missing:
        install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *missing]
        if os.geteuid() != 0:
            raise Failure(f"first run: sudo {' '.join(install)}")
        quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # and start none of it
        subprocess.run(install, check=True, env=quietly)
    return installed("keystone", LOCK)


@contextlib.contextmanager
def started(home: Path) -> Iterator[Side]:
    """Keystone, made from nothing in `home`, with an administrator and two projects. Raises Failure."""
    venv = equipped()
    home.mkdir()
    with contextlib.ExitStack() as stack:
        mariadb, maria = stack.enter_context(database(home))
        memcached, cache = stack.enter_context(memory(home))
        (home / "keystone.conf").write_text(KEYSTONE.format(home=home, mariadb=mariadb, memcached=memcached))
        port = free_port()
        url = f"http://127.0.0.1:{port}/v3"
        prepare(venv, home, url)
        (home / "uwsgi.ini").write_text(UWSGI.format(port=port))
        where = {"OS_KEYSTONE_CONFIG_FILES": f"{home}/keystone.conf", "OS_KEYSTONE_CONFIG_DIR": f"{home}"}
        log = home / "uwsgi.log"
        command = (venv / "bin/uwsgi", "--ini", home / "uwsgi.ini")
        uwsgi = stack.enter_context(running(log, *command, environment={**foreign(), **where}))
        await_port(port, uwsgi, log)
        yield Side("Keystone", url, PASSWORD, (uwsgi.pid, maria, cache))


@contextlib.contextmanager
def database(home: Path) -> Iterator[tuple[int, int]]:
    """A MariaDB with Debian's defaults: port and process."""
    data, log, port = home / "mariadb", home / "mariadb.log", free_port()
    me = ["--user=root"] if os.geteuid() == 0 else []
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
    said(log, *install, "--skip-test-db", *me)
    options = [f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1", f"--socket={home}/mariadb.sock"]
    options += [f"--pid-file={home}/mariadb.pid", "--max-connections=4096", "--character-set-server=utf8mb3", *me]
    with running(log, shutil.which("mariadbd") or "/usr/sbin/mariadbd", "--no-defaults", *options) as process:
        await_port(port, process, log)
        said(log, "mariadb", "--no-defaults", f"--socket={home}/mariadb.sock", "-u", "root", "-e", SCHEMA)
        yield port, process.pid


@contextlib.contextmanager
def memory(home: Path) -> Iterator[tuple[int, int]]:
    """A memcached: port and process."""
    port, log = free_port(), home / "memcached.log"
    me = ["-u", "root"] if os.geteuid() == 0 else []
    with running(log, "memcached", *me, "-l", "127.0.0.1", "-p", str(port), "-m", "256", "-U", "0") as process:
        await_port(port, process, log)
        yield port, process.pid


def prepare(venv: Path, home: Path, url: str) -> None:
    """Schema, keys, administrator, catalogue."""
    log = home / "prepare.log"
    manage = [venv / "bin/keystone-manage", "--config-file", home / "keystone.conf"]
    owner = [f"--keystone-user={os.geteuid()}", f"--keystone-group={os.getegid()}"]
    said(log, *manage, "db_sync")
    said(log, *manage, "fernet_setup", *owner)
    said(log, *manage, "credential_setup", *owner)
    urls = [f"--bootstrap-{kind}-url={url}" for kind in ("public", "internal", "admin")]
    said(log, *manage, "bootstrap", f"--bootstrap-password={PASSWORD}", "--bootstrap-region-id=RegionOne", *urls)


def said(log: Path, *command: object) -> None:
    """Run a command to its end. Raises Failure with what it said."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=foreign())
    with log.open("a") as file:
        file.write(done.stdout + done.stderr)
    if done.returncode:
        raise Failure(f"{command[0]}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
