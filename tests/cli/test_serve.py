"""`pileus serve`: one cloud as many processes on PostgreSQL."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from cli.conftest import Process, Up, pileus
from pileus.cli.listeners import CLASSIC_PORTS
from pileus.world import SERVICES
from support.pages import block_of
from support.postgres import PostgresServer


@pytest.fixture
def config(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Path]:
    """Options of a cloud whose schema and administrator are made."""
    path = tmp_path / "pileus.toml"
    with postgres_server.database() as url:
        path.write_text(
            f'state = "{tmp_path}/state"\n[api]\nlisten = "127.0.0.1:0"\n[identity]\nbcrypt_rounds = 4\n'
            f'[database]\nurl = "{url}"\n'
        )
        made = pileus("db", "upgrade", "--config", path)
        assert made.returncode == 0, made.stderr
        yield path


def log_in(url: str, config: Path) -> str:
    """A token of the administrator, whose clouds.yaml `db upgrade` has written."""
    auth = yaml.safe_load((config.parent / "state" / "clouds.yaml").read_text())["clouds"]["pileus"]["auth"]
    user = {"name": "admin", "password": auth["password"], "domain": {"id": "default"}}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    answer = httpx.post(f"{url}/identity/v3/auth/tokens", json=body, timeout=30)
    assert answer.status_code == 201, answer.text
    return answer.headers["x-subject-token"]


@contextmanager
def told(monkeypatch: pytest.MonkeyPatch, path: Path) -> Iterator[socket.socket]:
    """What processes that start inside the block say to systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield systemd


def children(cloud: Process) -> list[psutil.Process]:
    return psutil.Process(cloud.popen.pid).children()


def test_several_processes_answer_behind_one_address(launch: Up, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with told(monkeypatch, config.parent / "notify") as systemd:
        cloud = launch("serve", "api", "--processes", "2", "--config", config, lines=1)
        assert systemd.recv(100) == b"READY=1"
    assert cloud.said == [f"Pileus serves {cloud.url} with 2 processes (pid {cloud.popen.pid})\n"]
    assert len(children(cloud)) == 2
    token = log_in(cloud.url, config)
    for _ in range(8):  # a connection each: whichever process takes it knows the token
        answer = httpx.get(f"{cloud.url}/identity/v3/projects", headers={"x-auth-token": token}, timeout=30)
        assert answer.status_code == 200
    counted = httpx.get(f"{cloud.url}/metrics").text
    found = re.search(r'pileus_requests_total{.*route="/v3/projects".*} (\S+)', counted)
    assert found
    assert float(found[1]) == 8  # of both processes, whichever was asked
    assert cloud.stop() == 0
    assert list((config.parent / "state" / "run").iterdir()) == []


def test_the_commands_of_the_operator_guide(launch: Up, tmp_path: Path, postgres_server: PostgresServer) -> None:
    """The file of options is named, for it is not /etc/pileus/pileus.toml."""
    config, password = tmp_path / "pileus.toml", tmp_path / "password"
    upgrade, check, api, worker = (
        (*words, "--config", config) for _, *words in block_of("docs/operator-guide.md", "serve api --proc").commands()
    )
    with postgres_server.database() as url:
        options = block_of("docs/operator-guide.md", "password_file")
        here = {"postgresql://pileus@db.example/pileus": url, "/etc/pileus/database.password": password}
        password.write_text("whatever\n")
        password.chmod(0o600)
        config.write_text(
            f'state = "{tmp_path}/state"\n[api]\nlisten = "127.0.0.1:0"\n[identity]\nbcrypt_rounds = 4\n'
            + options.here(here).text
        )
        for words in (upgrade, check):
            done = pileus(*words)
            assert done.returncode == 0, done.stderr
        cloud = launch(*api, lines=1)
        assert len(children(cloud)) == 4
        assert log_in(cloud.url, config)
        assert launch(*worker, lines=1).stop() == 0
        assert cloud.stop() == 0


def test_it_listens_on_the_classic_ports_as_up_does(launch: Up, config: Path) -> None:
    """At an address of its own: those of `127.0.0.1` may be another test's."""
    here = ("--listen", "127.0.0.5:0", "--classic-ports")
    launch("serve", "api", "--processes", "1", "--config", config, *here, lines=1)
    assert httpx.get("http://127.0.0.5:5000/v3").json()["version"]["id"].startswith("v3")
    for port in CLASSIC_PORTS:
        assert httpx.get(f"http://127.0.0.5:{port}/").status_code in {200, 300}


def test_every_service_is_on_a_classic_port() -> None:
    assert {port for service in SERVICES for port in service.ports} <= CLASSIC_PORTS


def test_a_process_that_dies_is_started_anew(launch: Up, config: Path) -> None:
    cloud = launch("serve", "api", "--processes", "2", "--config", config, lines=1)
    before = {child.pid for child in children(cloud)}
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    assert cloud.popen.stderr is not None
    told = next(line for line in cloud.popen.stderr if "A process has died." in line)
    assert f"pid={victim} status=-9" in told
    next(line for line in cloud.popen.stderr if "Serving." in line and "pileus.process" in line)
    after = {child.pid for child in children(cloud)}
    assert len(after) == 2
    assert after & before == before - {victim}
    assert httpx.get(f"{cloud.url}/identity/v3").status_code == 200


def test_the_processes_end_with_the_one_that_started_them(launch: Up, config: Path) -> None:
    cloud = launch("serve", "api", "--processes", "2", "--config", config, lines=1)
    left = children(cloud)
    cloud.stop(signal.SIGKILL)
    gone, alive = psutil.wait_procs(left, timeout=20)
    assert (len(gone), alive) == (2, [])


def test_workers_work_beside_each_other(launch: Up, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with told(monkeypatch, config.parent / "notify") as systemd:
        one, other = (launch("serve", "worker", "--config", config, lines=1) for _ in range(2))
        assert [systemd.recv(100) for _ in range(2)] == [b"READY=1", b"READY=1"]
    run = config.parent / "state" / "run"
    assert {path.name for path in run.iterdir()} == {f"worker-{w.popen.pid}.pid" for w in (one, other)}
    for worker in (one, other):
        assert worker.said == [f"Pileus works (pid {worker.popen.pid})\n"]
        assert worker.stop() == 0


def test_serving_needs_a_schema(launch: Up, tmp_path: Path, postgres_server: PostgresServer) -> None:
    with postgres_server.database() as url:
        postgres_server.execute("CREATE TABLE mine (x int)", database=url.rpartition("/")[2])
        (tmp_path / "pileus.toml").write_text(f'[database]\nurl = "{url}"\n[api]\nlisten = "127.0.0.1:0"\n')
        for role in ("api", "worker"):
            done = pileus("serve", role, "--config", tmp_path / "pileus.toml", "--state", tmp_path / "state")
            assert done.returncode == 1
            assert "no schema of Pileus" in done.stderr
            assert "Traceback" not in done.stderr


@pytest.mark.parametrize("role", ["api", "worker"])
def test_sqlite_is_for_one_process(tmp_path: Path, role: str) -> None:
    done = pileus("serve", role, "--state", tmp_path / "state")
    assert done.returncode == 1
    assert "SQLite is for one" in done.stderr


def test_an_agent_that_has_not_joined_says_how(tmp_path: Path) -> None:
    done = pileus(
        "serve",
        "agent",
        "--simulate",
        "--state",
        tmp_path / "agent",
        "--control",
        "https://127.0.0.1:1",
        "--listen",
        "127.0.0.1:0",
    )
    assert done.returncode == 1
    assert "pileus host token" in done.stderr
