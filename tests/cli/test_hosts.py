"""A host comes, goes and is forgotten: `pileus up`, `pileus host` and `pileus serve agent`, as an operator types them."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Process, Up, pileus
from cli.test_serve import told
from support.pages import block_of
from support.postgres import free_port

ENDS_WITHIN_S = 30.0


@pytest.fixture
def cloud(launch: Up, tmp_path: Path) -> Process:
    """One that listens for agents."""
    (tmp_path / "pileus.toml").write_text(f'[agents]\nlisten = "127.0.0.1:{free_port()}"\n')
    arguments = (
        "--no-agent",
        "--config",
        tmp_path / "pileus.toml",
        "--state",
        tmp_path / "cloud",
        "--listen",
        "127.0.0.1:0",
    )
    return launch("up", *arguments)


def host(cloud: Process, *arguments: str) -> str:
    done = pileus("host", *arguments, "--state", cloud.state)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def control(cloud: Process) -> str:
    listen = (cloud.state.parent / "pileus.toml").read_text().split('"')[1]
    return f"https://{listen}"


def words(cloud: Process, state: Path, *more: str) -> tuple[str | Path, ...]:
    """How to start an agent of that cloud with its identity in `state`."""
    where = ("--state", state, "--control", control(cloud), "--listen", "127.0.0.1:0")
    return ("serve", "agent", "--simulate", *where, *more)


def usable(cloud: Process, name: str) -> dict[str, Any]:
    """The host, once it has posted."""
    until = time.monotonic() + ENDS_WITHIN_S
    while time.monotonic() < until:
        found = [each for each in json.loads(host(cloud, "list", "--json")) if each["name"] == name]
        if found and found[0]["usable"]:
            return dict(found[0])
    raise AssertionError(f"{name} is not usable: {host(cloud, 'list')}")


def test_a_host_joins_by_a_token_and_needs_none_afterwards(
    cloud: Process, launch: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = host(cloud, "token", "a1").strip()
    with told(monkeypatch, tmp_path / "notify") as systemd:
        agent = launch(*words(cloud, tmp_path / "agent", "--join", token), lines=1)
        assert systemd.recv(100) == b"READY=1"
    assert "hypervisor" in usable(cloud, "a1")["engines"]
    agent.stop(signal.SIGKILL)
    launch(*words(cloud, tmp_path / "agent"), lines=1)
    assert usable(cloud, "a1")
    other = pileus(*words(cloud, tmp_path / "other", "--join", token))
    assert other.returncode == 1
    assert "Traceback" not in other.stderr
    assert [line.split()[0] for line in host(cloud, "list").splitlines()] == ["name", "a1"]


def test_the_commands_of_the_operator_guide(cloud: Process, launch: Up, tmp_path: Path) -> None:
    """Its engines are simulated, and it does not listen where hosts do."""
    typed = block_of("docs/operator-guide.md", "--join TOKEN")
    [[_, _, *token], _, _] = typed.commands()
    said = host(cloud, *token).strip()
    here = {"DIR": tmp_path / "agent", "https://CLOUD:PORT": control(cloud), "TOKEN": said}
    [_, [_, *serve], [_, _, *listed]] = typed.here(here).commands()
    launch(*serve, "--simulate", "--listen", "127.0.0.1:0", lines=1)
    assert usable(cloud, "a1")
    assert "a1" in host(cloud, *listed)


def test_a_host_that_is_stated_dead_is_forgotten(cloud: Process, launch: Up, tmp_path: Path) -> None:
    token = host(cloud, "token", "a1").strip()
    agent = launch(*words(cloud, tmp_path / "agent", "--join", token), lines=1)
    usable(cloud, "a1")
    early = pileus("host", "delete", "a1", "--state", cloud.state)
    assert (early.returncode, "409" in early.stderr) == (1, True)
    agent.stop()
    host(cloud, "fence", "a1")
    [found] = json.loads(host(cloud, "list", "--json"))
    assert (found["fenced"], found["usable"]) == (True, False)
    host(cloud, "delete", "a1")
    assert json.loads(host(cloud, "list", "--json")) == []


def test_a_cloud_that_listens_for_no_agents_says_how(launch: Up, tmp_path: Path) -> None:
    cloud = launch("up", "--simulate", "--state", tmp_path / "cloud", "--listen", "127.0.0.1:0")
    done = pileus("host", "token", "a1", "--state", cloud.state)
    assert done.returncode == 1
    assert "[agents]" in done.stderr
