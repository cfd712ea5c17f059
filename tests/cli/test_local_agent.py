"""`pileus up` on a machine that is a host: a keeper, a control process without its rights, and an agent. Kill any."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from cli.conftest import Process, Up, pileus
from support.waiting import pause

PATIENCE_S = 30.0


@pytest.fixture
def up(launch: Up, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    """A cloud whose host is this machine, its engines simulated."""
    state = tmp_path / "cloud"
    arguments = ("up", "--simulate", "--agent", "--listen", "127.0.0.1:0", "--state", state)
    yield lambda: launch(*arguments)
    found = agent_of(state)
    if found is not None:
        found.kill()


def agent_of(state: Path) -> psutil.Process | None:
    lock = state / "host" / "agent.lock"
    words = lock.read_text().split() if lock.exists() else []
    if not words:  # or just being written
        return None
    try:
        found = psutil.Process(int(words[0]))
        return found if str(state) in " ".join(found.cmdline()) else None
    except psutil.Error:
        return None


def agent(cloud: Process) -> psutil.Process:
    found = agent_of(cloud.state)
    assert found is not None
    return found


def control(cloud: Process) -> psutil.Process:
    [found] = [p for p in psutil.Process(cloud.popen.pid).children() if "pileus.cli.child" in p.cmdline()]
    return found


def host(cloud: Process) -> dict[str, Any]:
    [found] = cloud.ask("GET", "/pileus/v1/hosts").json()["hosts"]
    return dict(found)


async def beats(cloud: Process) -> None:
    """Return once the host has renewed its lease anew."""
    before = host(cloud)["renewed_at"]
    await wait(lambda: host(cloud)["renewed_at"] > before and host(cloud)["usable"])


async def wait(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not so(true):
            await pause(0.05)


def so(true: Callable[[], Any]) -> Any:
    """No while what it looks at comes and goes."""
    try:
        return true()
    except (httpx.TransportError, psutil.Error, ValueError):
        return False


async def test_the_machine_is_a_host_and_the_control_process_has_no_rights(up: Callable[[], Process]) -> None:
    cloud = up()
    await wait(lambda: host(cloud)["usable"])
    assert host(cloud)["address"] == f"unix:{cloud.state}/run/agent.sock"
    assert cloud.state.stat().st_mode & 0o066 == 0
    rights = control(cloud)
    if os.geteuid() == 0:
        assert 0 not in (*rights.uids(), *rights.gids())
        status = Path(f"/proc/{rights.pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
        assert (cloud.state / "host").stat().st_uid == 0
        assert (cloud.state / "control").stat().st_uid == rights.uids().real
        assert (cloud.state / "openrc").stat().st_uid == 0
    assert cloud.stop() == 0
    assert agent_of(cloud.state) is None


async def test_the_control_process_comes_back_and_the_agent_does_not_notice(up: Callable[[], Process]) -> None:
    cloud = up()
    first, agents = control(cloud).pid, agent(cloud).pid
    os.kill(first, signal.SIGKILL)
    await wait(lambda: control(cloud).pid != first)
    await wait(lambda: host(cloud))  # at the address that clients know
    await beats(cloud)
    assert agent(cloud).pid == agents


async def test_the_agent_comes_back(up: Callable[[], Process]) -> None:
    cloud = up()
    first = agent(cloud)
    first.kill()
    await wait(lambda: (found := agent_of(cloud.state)) is not None and found.pid != first.pid)
    await beats(cloud)


async def test_an_agent_outlives_its_keeper_and_is_adopted(up: Callable[[], Process]) -> None:
    cloud = up()
    inner, agents = control(cloud), agent(cloud)
    cloud.stop(signal.SIGKILL)
    await wait(lambda: not inner.is_running() or inner.status() == psutil.STATUS_ZOMBIE)
    assert agents.is_running()
    again = up()
    assert agent(again).pid == agents.pid
    await wait(lambda: host(again)["usable"])
    assert again.stop() == 0
    assert agent_of(again.state) is None


def test_a_cloud_that_ran_in_one_process_is_not_mixed_with_it(launch: Up, tmp_path: Path) -> None:
    arguments = ("up", "--simulate", "--listen", "127.0.0.1:0", "--state", tmp_path / "cloud")
    launch(*arguments).stop()
    done = pileus(*arguments, "--agent")
    assert (done.returncode, "in one process" in done.stderr) == (1, True)


def test_a_control_process_that_cannot_start_says_why_and_leaves_nothing(
    up: Callable[[], Process], tmp_path: Path
) -> None:
    config = tmp_path / "pileus.toml"
    config.write_text('[api]\ntls_certificate = "/nonexistent.pem"\ntls_key = "/nonexistent.key"\n')
    state = tmp_path / "cloud"
    done = pileus("up", "--simulate", "--agent", "--state", state, "--config", config)
    assert (done.returncode, "TLS" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    assert agent_of(state) is None


async def test_clients_of_root_are_served(up: Callable[[], Process]) -> None:
    cloud = up()
    done = pileus("host", "list", "--json", "--state", cloud.state)
    assert json.loads(done.stdout)[0]["name"]
