"""The units of systemd, and what a process says to it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from cli.conftest import pileus
from pileus.cli import Failure
from pileus.cli.systemd import Systemd
from pileus.cli.units import HIDDEN, units
from support.units import AGENT, API, PROGRAM, WORKER, capabilities, read

NAMES = [AGENT, API, WORKER, "pileus.target"]


def test_units_are_written_for_this_installation(tmp_path: Path) -> None:
    done = pileus("units", "write", tmp_path / "units")
    if any(Path(sys.prefix).is_relative_to(place) for place in HIDDEN):
        assert "units do not see" in done.stderr
        return
    assert done.stdout.splitlines() == [str(tmp_path / "units" / name) for name in NAMES]
    assert f"ExecStart={sys.prefix}/bin/pileus serve worker" in (tmp_path / "units" / WORKER).read_text()


@pytest.mark.parametrize(
    "program", ["/root/venv/bin/pileus", "/home/ada/bin/pileus", "/tmp/bin/pileus", "/opt/a b/pileus"]
)
def test_a_program_that_a_unit_could_not_start_is_refused(program: str) -> None:
    with pytest.raises(Failure, match="install Pileus"):
        units(Path(program))


def test_nothing_is_left_to_fill_in() -> None:
    made = units(PROGRAM)
    assert list(made) == NAMES
    assert not any("@PILEUS@" in text or "@CONFINED@" in text for text in made.values())


@pytest.mark.parametrize("name", [API, WORKER])
def test_what_speaks_to_the_world_has_nobodys_rights(name: str) -> None:
    unit = read(name)
    assert (unit["User"], unit["NoNewPrivileges"], capabilities(name)) == (["pileus"], ["yes"], [])
    assert (unit["ProtectSystem"], unit["StateDirectory"], unit["UMask"]) == (["strict"], ["pileus"], ["0077"])


def test_a_restart_of_the_agent_leaves_guests_alone() -> None:
    unit = read(AGENT)
    assert unit["KillMode"] == ["process"]
    assert not {"ProtectSystem", "PrivateTmp", "PrivateDevices", "ProtectHome"} & unit.keys()


@pytest.mark.parametrize("name", [API, WORKER, AGENT])
def test_all_are_ended_after_they_have_ended_by_themselves(name: str) -> None:
    unit = read(name)
    assert (unit["Type"], unit["Restart"]) == (["notify"], ["on-failure"])
    assert int(unit["TimeoutStopSec"][0]) >= 2 * 10  # cli.process.GRACE_S, and as long again for what runs beside


async def test_systemd_is_told_of_readiness_and_that_the_loop_turns(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        said = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid())}
        loop = asyncio.get_running_loop()
        Systemd(said).ready(loop)
        heard = [await loop.sock_recv(systemd, 100) for _ in range(3)]
    assert heard == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
    assert said == {}  # what is started from here on does not speak in our name


def test_who_is_not_watched_says_that_it_is_ready_and_no_more() -> None:
    name = f"\0pileus-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name)
        Systemd({"NOTIFY_SOCKET": f"@{name[1:]}", "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}).ready()
        assert systemd.recv(100) == b"READY=1"
    Systemd({}).ready()
