"""`pileus doctor`: what is wrong, why it matters, and the command that mends it."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
from pathlib import Path
from typing import Any

from cli.conftest import PILEUS, Up, environment, pileus
from pileus.engines.hypervisor.libvirt.daemon import PROGRAMS
from support.postgres import HASTE, PostgresServer


def doctor(*arguments: str | Path) -> dict[str, dict[str, Any]]:
    done = pileus("doctor", "--json", *arguments)
    found = {finding["about"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == int(any(finding["serious"] for finding in found.values()))
    assert all(bool(f["why"]) == bool(f["mend"]) for f in found.values())
    return found


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pileus.toml"
    path.write_text(text)
    return path


def test_a_machine_before_its_first_cloud(tmp_path: Path, unused_tcp_port: int) -> None:
    file = config(tmp_path, f'[api]\nlisten = "127.0.0.1:{unused_tcp_port}"\n')
    found = doctor("--state", tmp_path / "none", "--config", file)
    assert found["python"]["why"] == ""
    assert found["disk fsync"]["seen"].endswith(" ms")
    assert found["file modes"]["seen"] == f"{tmp_path}/none is not there yet"
    assert found["database"]["seen"] == f"{tmp_path}/none/pileus.sqlite will be made"
    assert found["port"]["seen"] == f"127.0.0.1:{unused_tcp_port} is free"
    assert not (tmp_path / "none").exists()


def test_a_running_cloud(up: Up) -> None:
    cloud = up()
    found = doctor("--state", cloud.state)
    assert found["port"]["seen"] == f"a cloud runs on this state (pid {cloud.popen.pid})"
    assert found["file modes"]["why"] == ""
    assert found["database"]["seen"] == f"{cloud.state}/pileus.sqlite"


def test_files_that_others_can_read(up: Up) -> None:
    cloud = up()
    (cloud.state / "site.key").chmod(0o644)
    found = doctor("--state", cloud.state)
    assert found["file modes"]["mend"] == f"chmod 600 {cloud.state}/site.key"
    assert found["file modes"]["serious"]
    (cloud.state / "site.key").chmod(0o600)
    (cloud.state / "openrc").chmod(0o640)
    found = doctor("--state", cloud.state)
    assert (found["file modes"]["seen"], found["file modes"]["serious"]) == (f"{cloud.state}/openrc is 0640", False)
    (cloud.state / "openrc").chmod(0o600)
    cloud.state.chmod(0o755)
    assert doctor("--state", cloud.state)["file modes"]["mend"] == f"chmod 700 {cloud.state}"


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = config(tmp_path, f'[api]\nlisten = "127.0.0.1:{port}"\n')
        found = doctor("--state", tmp_path / "none", "--config", file)
    assert found["port"]["serious"]
    assert f"sport = :{port}" in found["port"]["mend"]


def test_a_database_that_answers(tmp_path: Path, postgres_server: PostgresServer) -> None:
    with postgres_server.database() as url:
        found = doctor("--state", tmp_path, "--config", config(tmp_path, f'[database]\nurl = "{url}"\n'))
    assert found["database"]["seen"].startswith("PostgreSQL 1")
    assert found["database schema"]["mend"] == "pileus db upgrade"
    assert "processes" in found["database connections"]["seen"]
    assert not found["database"]["why"]
    assert "database clock" not in found
    assert {name for name in HASTE if f"database {name}" in found} == set(HASTE)  # it is in one


def test_a_database_that_is_away(tmp_path: Path, unused_tcp_port: int) -> None:
    file = config(tmp_path, f'[database]\nurl = "postgresql://u@127.0.0.1:{unused_tcp_port}/n"\n')
    found = doctor("--state", tmp_path, "--config", file)
    assert found["database"]["serious"]
    assert "pg_isready" in found["database"]["mend"]


def test_too_few_open_files(tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    done = subprocess.run(
        [PILEUS, "doctor", "--state", tmp_path],
        capture_output=True,
        text=True,
        env=environment(),
        preexec_fn=limited,
        check=False,
    )
    assert "doubt  ulimit: at most 256 open files\n       why it matters: http.connections allows" in done.stdout


def test_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    found = doctor("--state", "/proc/none")
    assert found["disk"]["serious"]
    assert found["disk"]["seen"].startswith("/proc cannot be written")


def test_what_guests_would_run_on(tmp_path: Path) -> None:
    """As far as it can be told by programs that say nothing but their version; without them, nothing."""
    (bin := tmp_path / "bin").mkdir()
    for name in PROGRAMS:
        (bin / name).write_text("#!/bin/sh\necho program 1.2.3\n")
        (bin / name).chmod(0o755)
    here, nowhere = (guests_on(tmp_path / "none", path) for path in (bin, tmp_path / "none"))
    assert here["qemu"]["seen"] == "program 1.2.3"
    assert here.keys() == {"qemu", "libvirt", "kvm"}
    assert here["kvm"]["why"]  # no guest boots on such a QEMU
    assert nowhere.keys() == {"qemu"}
    assert "libvirtd" in nowhere["qemu"]["seen"]
    assert nowhere["qemu"]["mend"] == "script/setup --real"
    assert not any(found["serious"] for found in (*here.values(), *nowhere.values()))


def guests_on(state: Path, path: Path) -> dict[str, dict[str, Any]]:
    words = [PILEUS, "doctor", "--json", "--state", state]
    env = environment(PATH=str(path))
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    found = {finding["about"]: finding for finding in json.loads(done.stdout)}
    return {about: found[about] for about in ("qemu", "libvirt", "kvm") if about in found}
