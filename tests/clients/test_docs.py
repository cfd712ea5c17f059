"""Every command of the docs, page by page, in one shell against the cloud that the page starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit

import pytest

from cli.conftest import CHEAP, PILEUS, environment
from support.pages import Block, blocks, pages
from support.postgres import PostgresServer, free_port

SERVER = Path(__file__).with_name("openstack_server.py")
ENDS_WITHIN_S = 30
MOST_S = 240
DATABASE = "postgresql://pileus@127.0.0.1/pileus"  # as pages have them; here at the test's server
PORTS = ("127.0.0.1:9999", "127.0.0.1:9998")
PILEUS_HERE = """#!/bin/sh
# As users have it, at a free port, and with passwords that cost nothing.
command="$1"
shift
case "$command" in up | doctor) set -- --config {options} "$@" ;; esac
exec {pileus} "$command" "$@"
"""
SUDO = """#!/bin/sh
# Whoever administers the test's server.
[ "$1 $2" = "-u postgres" ] || exit 1
shift 2
PGHOST={host} PGPORT={port} PGUSER={user} exec "$@"
"""
PASSCODE = "123456"  # as pages have it; here what a device shows
DEVICE = """#!{python}
import sys, time
from pileus.services.identity.totp import rules
print(rules.passcode(rules.secret_of(sys.argv[1]), int(time.time()) // 30))
"""
BEGINNING = """
set -euo pipefail
trap 'status=$?; [ $status = 0 ] || { echo "it ended at $at" >&2; tail -v -n 20 said.* >&2; }
      kill $(jobs -p) 2>/dev/null || :; wait' EXIT
has_said() { timeout 60 sh -ec 'until grep -sqF "$1" "$2"; do kill -0 $3; sleep 0.05; done' sh "$1" "$2" $!; }
"""


def shell_of(page: str) -> str:
    """What a reader would type, block by block."""
    kept = [block for block in blocks(page) if block.is_run]
    text = BEGINNING + "\n".join(f"at={quote(str(block))}\n{typed(block)}" for block in kept)
    for address in PORTS:
        text = text.replace(address, f"127.0.0.1:{free_port()}")
    return text.replace(PASSCODE, '$(passcode "$device")')


def typed(block: Block) -> str:
    words = block.facts.get("until")
    if words is None:
        return block.text
    said = f"said.{block.line}"
    return f"exec {block.text.strip()} >{said} 2>&1 &\nhas_said {quote(words)} {said}\n"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory like a checkout, in whose `.venv` there are the commands."""
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(f"PATH={quote(str(programs))}:$PATH\n")
    options = tmp_path / ".venv/cheap.toml"
    options.write_text(f'{CHEAP}[api]\nlisten = "127.0.0.1:0"\n')
    (programs / "pileus").write_text(PILEUS_HERE.format(options=quote(str(options)), pileus=quote(str(PILEUS))))
    (programs / "passcode").write_text(DEVICE.format(python=sys.executable))
    for program in ("pileus", "passcode"):
        (programs / program).chmod(0o755)
    command = [sys.executable, "-W", "ignore", SERVER, programs]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline()
    yield tmp_path
    server.communicate(timeout=ENDS_WITHIN_S)


@pytest.mark.timeout(MOST_S + 30)
@pytest.mark.parametrize("page", [page for page in pages() if any(block.is_run for block in blocks(page))])
def test_the_commands_of_a_page_work_as_they_stand_there(
    place: Path, page: str, request: pytest.FixtureRequest
) -> None:
    shell = shell_of(page)
    if DATABASE not in shell:
        run(place, shell)
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with administrated(server, place):
        run(place, shell.replace(DATABASE, f"{server.url.replace('postgres@', 'pileus@')}/pileus"))


@contextmanager
def administrated(server: PostgresServer, place: Path) -> Iterator[None]:
    """The administrator of the server may be asked by `sudo`. What the pages make there is gone after the block."""
    parts = urlsplit(server.url)
    sudo = place / ".venv/bin/sudo"
    sudo.write_text(SUDO.format(host=parts.hostname, port=parts.port or 5432, user=parts.username))
    sudo.chmod(0o755)
    try:
        yield
    finally:
        server.execute("DROP DATABASE IF EXISTS pileus WITH (FORCE)", "DROP ROLE IF EXISTS pileus")


def run(place: Path, script: str) -> None:
    """Raises AssertionError with what was said last."""
    programs = place / ".venv/bin"
    outside = environment(HOME=str(place), PATH=f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL="C.UTF-8")
    with (place / "all.said").open("w+") as said:
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=place,
            env=outside,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = shell.wait(MOST_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)  # what a page has started ends with it, whatever happened
        said.seek(0)
        assert status == 0, said.read()[-6000:]
