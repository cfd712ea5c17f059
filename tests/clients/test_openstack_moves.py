"""openstackclient about servers that go to another host: moved by whoever may, confirmed, taken back, evacuated."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.conftest import Process, pileus, started
from clients.conftest import CHEAP, DEFAULTS, Openstack, until

HOST = "OS-EXT-SRV-ATTR:host"


@pytest.fixture
def two_hosts(tmp_path: Path) -> Iterator[Process]:
    (tmp_path / "pileus.toml").write_text(CHEAP)
    listen = ("--listen", "127.0.0.1:0", "--config", tmp_path / "pileus.toml")
    process = started("up", "--simulate", "--simulate-hosts", "2", "--ephemeral", *listen)
    yield process
    process.stop()
    process.popen.communicate()


@pytest.fixture
def operator(interpreter: subprocess.Popen[str], two_hosts: Process) -> Openstack:
    """The administrator of that cloud."""
    password = (two_hosts.state / "admin.password").read_text().strip()
    who = {"username": "admin", "password": password, "project_name": "admin"}
    return Openstack(interpreter, ()).who(auth_url=f"{two_hosts.url}/identity/v3", **DEFAULTS, **who)


def test_a_server_is_migrated_confirmed_taken_back_evacuated_and_drained(
    operator: Openstack, two_hosts: Process, tmp_path: Path
) -> None:
    (tmp_path / "image").write_bytes(bytes(512))
    operator(f"image create tiny --disk-format raw --file {tmp_path / 'image'}")
    operator("server create web --image tiny --flavor m1.nano --nic none --wait --os-compute-api-version 2.37")
    home = operator.shows("server show web")[HOST]
    for decision, moves in (("revert", False), ("confirm", True)):
        operator("server migrate web --wait")
        there = operator.shows("server show web")
        assert (there["status"], there[HOST] != home) == ("VERIFY_RESIZE", True)
        operator(f"server migration {decision} web")
        until(operator, "server show web", "status", "ACTIVE")
        assert (operator.shows("server show web")[HOST] != home) == moves
    listed = "server migration list --server web --os-compute-api-version 2.80"
    assert operator.column(listed, "Status") == ["confirmed", "reverted"]
    assert operator.column(listed, "Type") == ["migration", "migration"]
    away = operator.shows("server show web")[HOST]
    assert f"{away} is still in use" in operator.is_refused("server evacuate web --os-compute-api-version 2.68")
    operator(f"compute service set --down {away} nova-compute --os-compute-api-version 2.11")
    operator(f"server evacuate web --host {home} --os-compute-api-version 2.68")
    until(operator, "server show web", "status", "ACTIVE")
    assert operator.shows("server show web")[HOST] == home
    operator(f"compute service set --up {away} nova-compute --os-compute-api-version 2.11")
    drain = ("host", "drain", home, "--state", two_hosts.state)
    for command in ((*drain, "--dry-run"), drain):
        said = pileus(*command)
        assert (said.returncode, said.stderr) == (0, "")
        assert re.search(rf" web +ACTIVE +{away}", said.stdout)
    until(operator, "server show web", HOST, away)
    until(operator, "server show web", "status", "ACTIVE")
    assert pileus(*drain, "--dry-run", "--json").stdout.strip() == "[]"
