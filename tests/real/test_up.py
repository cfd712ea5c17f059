"""`pileus up` as root, with real engines: this machine can run guests, whoever of Pileus is killed; `down` leaves nothing."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.conftest import PILEUS, Process, environment
from cli.test_local_agent import agent_of, wait

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

NAMESPACE = "pileus-up"
INSIDE = ("nsenter", f"--net=/run/netns/{NAMESPACE}")


@pytest.fixture
def netns() -> Iterator[None]:
    """A network of its own: a machine has one switch in user space."""
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    subprocess.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"], check=True)
    yield
    subprocess.run(["ip", "netns", "del", NAMESPACE], check=True)


def inside(*words: str | Path) -> str:
    done = subprocess.run([*INSIDE, *words], capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def started_on(state: Path) -> list[psutil.Process]:
    """The processes that work on a state, by their words."""
    return [p for p in psutil.process_iter(["cmdline"]) if str(state) in " ".join(p.info["cmdline"] or ())]


@pytest.fixture
def cloud(netns: None, workshop: Path) -> Iterator[Process]:
    state = workshop / "up"
    words = [*INSIDE, PILEUS, "up", "--listen", "0.0.0.0:9797", "--state", state]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    popen = subprocess.Popen(words, text=True, env=environment(), **pipes)
    assert popen.stdout is not None
    said = [popen.stdout.readline() for _ in range(3)]
    assert all(said), popen.communicate()[1]
    yield Process(popen, said)
    if state.exists():
        inside(PILEUS, "down", "--purge", "--state", state)
    popen.communicate(timeout=30)


async def test_a_machine_is_a_host_and_nothing_of_it_is_left(cloud: Process) -> None:
    state = cloud.state

    def listed() -> str:
        return inside(PILEUS, "host", "list", "--state", state)

    def usable() -> bool:
        return re.search(r"agent\.sock\s+True", listed()) is not None

    await wait(usable)
    first = agent_of(state)
    assert first is not None
    first.kill()
    await wait(lambda: (found := agent_of(state)) is not None and found.pid != first.pid)
    await wait(usable)
    log = (state / "agent.log").read_text()
    assert log.count("guests run accelerator=") == 2
    assert "Traceback" not in log
    inside(PILEUS, "down", "--purge", "--state", state)
    assert cloud.popen.wait(30) == 0
    assert not state.exists()
    await wait(lambda: started_on(state) == [])
