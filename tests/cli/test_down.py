"""`pileus down`: whatever runs for a cloud on this machine ends; with --purge nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from cli.conftest import PILEUS, Up, pileus
from support.pages import block_of


def ended(pid: int) -> bool:
    """Also who has ended and waits for somebody to look."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_it_ends_the_cloud_and_keeps_what_it_has(up: Up, tmp_path: Path) -> None:
    cloud = up()
    state = cloud.state
    done = pileus("down", "--state", state)
    assert done.returncode == 0, done.stderr
    assert cloud.popen.wait(10) == 0
    assert (state / "pileus.sqlite").exists()
    assert pileus("down", "--state", state).returncode == 0


def test_purged_nothing_is_left(up: Up) -> None:
    cloud = up()
    done = pileus("down", "--purge", "--state", cloud.state)
    assert done.returncode == 0, done.stderr
    assert cloud.popen.wait(10) == 0
    assert not cloud.state.exists()
    assert pileus("down", "--purge", "--state", cloud.state).returncode == 0


def test_the_commands_of_the_operator_guide(up: Up) -> None:
    """The state is named, for it is not where that of a machine is."""
    cloud = up()
    for (_, *words), kept in zip(block_of("docs/operator-guide.md", "--purge").commands(), (True, False), strict=True):
        done = pileus(*words, "--state", cloud.state)
        assert done.returncode == 0, done.stderr
        assert cloud.popen.wait(10) == 0
        assert cloud.state.exists() is kept


def test_an_agent_that_was_left_alone_ends_too(launch: Up, tmp_path: Path) -> None:
    state = tmp_path / "cloud"
    cloud = launch("up", "--simulate", "--agent", "--listen", "127.0.0.1:0", "--state", state)
    agent = int((state / "host" / "agent.lock").read_text().split()[0])
    cloud.popen.kill()
    cloud.popen.wait(10)
    assert not ended(agent)
    done = pileus("down", "--purge", "--state", state)
    assert done.returncode == 0, done.stderr
    assert ended(agent)
    assert not state.exists()


def test_the_agent_of_another_machine_ends_with_all_it_has(tmp_path: Path) -> None:
    state = tmp_path / "agent"
    words = ("serve", "agent", "--simulate", "--state", state, "--control", f"unix:{tmp_path}/control.sock")
    agent = subprocess.Popen([PILEUS, *words, "--listen", f"unix:{tmp_path}/agent.sock"], stdout=subprocess.PIPE)
    assert agent.stdout is not None
    with agent.stdout as said:
        assert said.readline()
        done = pileus("down", "--purge", "--state", state)
    assert done.returncode == 0, done.stderr
    assert agent.wait(10) == 0
    assert not state.exists()


@pytest.mark.parametrize("content", [None, "lock", "run"])
def test_a_directory_that_is_no_state_is_left_alone(tmp_path: Path, content: str | None) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    if content:
        (precious / content).mkdir()
    done = pileus("down", "--purge", "--state", precious)
    assert done.returncode == 1
    assert "no state directory" in done.stderr
    assert precious.exists()


def test_a_pid_in_an_old_file_is_nobody_s(up: Up) -> None:
    """A lock tells who runs; what a file says that nobody holds may be another's number by now."""
    cloud = up()
    cloud.stop(signal.SIGKILL)
    (cloud.state / "lock").write_text(f"{os.getpid()}\n")
    qemu = cloud.state / "host" / "hypervisor" / "libvirt" / "run" / "qemu"
    qemu.mkdir(parents=True)
    (qemu / "guest.pid").write_text(f"{os.getpid()}")
    assert pileus("down", "--state", cloud.state).returncode == 0
