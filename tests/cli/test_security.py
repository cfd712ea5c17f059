"""A running cloud as the security review (docs/security.md) has it: who listens where, and who may read what."""

from __future__ import annotations

import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.conftest import Process, Up
from cli.test_local_agent import agent, agent_of, control
from support.postgres import free_port
from support.source import ROOT

OPEN = re.compile(r"\| (control process|agent) \| `([^`]+)` \|")


@pytest.fixture
def cloud(launch: Up, tmp_path: Path) -> Iterator[Process]:
    """One with other machines and this one as hosts."""
    options = tmp_path / "pileus.toml"
    options.write_text(f'[agents]\nlisten = "127.0.0.1:{free_port()}"\n[api]\ntls = true\n')
    words = ("--config", options, "--listen", "127.0.0.1:0", "--state", tmp_path / "cloud")
    made = launch("up", "--simulate", "--agent", *words)
    yield made
    found = agent_of(made.state)
    if found is not None:
        found.kill()


def listens(process: psutil.Process) -> set[str]:
    """Each address, and each path."""
    inet = {
        f"{each.laddr.ip}:{each.laddr.port}"
        for each in process.net_connections("inet")
        if each.status == psutil.CONN_LISTEN or (each.type == socket.SOCK_DGRAM and not each.raddr)
    }
    return inet | {each.laddr for each in process.net_connections("unix") if each.laddr}


def test_each_process_listens_where_the_review_says_and_nowhere_else(cloud: Process) -> None:
    options = (cloud.state.parent / "pileus.toml").read_text()
    places = {
        cloud.url.removeprefix("https://"): "api.listen",
        options.split('"')[1]: "agents.listen",
        str(cloud.state / "control/agents.sock"): "control/agents.sock",
        str(cloud.state / "run/agent.sock"): "run/agent.sock",
    }
    processes = {"control process": control(cloud), "agent": agent(cloud)}
    found = {(name, places.get(where, where)) for name, process in processes.items() for where in listens(process)}
    assert found == set(OPEN.findall((ROOT / "docs/security.md").read_text()))
    assert listens(psutil.Process(cloud.popen.pid)) == set()  # the keeper


def test_nothing_of_the_state_is_open_to_others(cloud: Process) -> None:
    """Directories may be passed through, where the process of another user has its own below; none may be listed."""
    ours = [cloud.state, *cloud.state.rglob("*")]
    assert len(ours) > 20
    reached = [path for path in ours if reached_by_others(path, cloud.state)]
    assert [path for path in reached if not path.is_dir()] == []
    assert [path for path in reached if stat.S_IMODE(path.stat().st_mode) & 0o066] == []


def reached_by_others(path: Path, state: Path) -> bool:
    """By the modes of it and of all above it in the state."""
    inside = [path, *(each for each in path.parents if each.is_relative_to(state))]
    return all(each.lstat().st_mode & 0o077 for each in inside)
