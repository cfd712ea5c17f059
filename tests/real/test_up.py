"""`pileus up` as root, with real engines: this machine can run guests, whoever of Pileus is killed; `down` leaves nothing."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli import conftest as clouds
from cli.conftest import Process, Up, pileus
from cli.test_local_agent import agent_of, control, wait
from cli.test_security import listens
from real.whole_cloud import verified

pytestmark = [pytest.mark.real, pytest.mark.timeout(240), pytest.mark.xdist_group("real")]

launch = clouds.launch  # the fixture
NAMESPACE = "pileus-up"  # a network of its own: a machine has one switch in user space


def said_by(*words: str | Path) -> str:
    done = pileus(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def started_on(state: Path) -> list[psutil.Process]:
    """The processes that work on a state, by their words."""
    return [p for p in psutil.process_iter(["cmdline"]) if str(state) in " ".join(p.info["cmdline"] or ())]


@pytest.fixture
def cloud(workshop: Path, launch: Up) -> Iterator[Process]:
    state, config = workshop / "up", workshop / "up.toml"
    config.write_text(f'[network]\nnetns = "{NAMESPACE}"\n')
    yield launch("up", "--config", config, "--listen", "127.0.0.1:0", "--state", state)
    if state.exists():
        said_by("down", "--purge", "--state", state)


async def test_a_machine_is_a_host_and_nothing_of_it_is_left(cloud: Process) -> None:
    state = cloud.state

    def listed() -> str:
        return said_by("host", "list", "--state", state)

    def usable() -> bool:
        return re.search(r"agent\.sock\s+True", listed()) is not None

    await wait(usable)
    heard = {
        where
        for each in (*started_on(state), control(cloud))
        for where in listens(each)
        if not where.startswith(("/", "@"))
    }
    assert heard == {cloud.url.removeprefix("http://")}
    first = agent_of(state)
    assert first is not None
    first.kill()
    await wait(lambda: (found := agent_of(state)) is not None and found.pid != first.pid)
    await wait(lambda: (state / "agent.log").read_text().count("the agent listens") == 2)
    await wait(usable)
    assert "Traceback" not in (state / "agent.log").read_text()
    verified(state)
    said_by("down", "--purge", "--state", state)
    assert cloud.popen.wait(30) == 0
    assert not state.exists()
    await wait(lambda: started_on(state) == [])
    assert NAMESPACE not in subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
