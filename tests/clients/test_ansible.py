"""Ansible's own modules for OpenStack: a playbook builds a project, finds it as it wants it, and takes it away."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from cli import conftest as clouds
from cli.conftest import Up
from conformance.installed import foreign, installed

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

launch, up = clouds.launch, clouds.up  # the fixtures
HERE = Path(__file__).parent / "ansible"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF8gGYM3+mXvQeCq2cD2sIRAVyYkKCmP2PlGdI4sFvEr latch"
LISTS = {
    "compute/v2.1/servers": 0,
    "compute/v2.1/os-keypairs": 0,
    "compute/v2.1/os-server-groups": 0,
    "image/v2/images": 0,
    "network/v2.0/networks": 1,  # `public`, which a cloud begins with
    "network/v2.0/routers": 0,
    "network/v2.0/floatingips": 0,
    "volume/v3/volumes": 0,
}


def test_a_playbook_builds_a_project_and_takes_it_away(up: Up, tmp_path: Path) -> None:
    cloud = up()
    image = tmp_path / "image.raw"
    image.write_bytes(b"\0" * 2**20)
    words = {"password": "horse, battery", "image": str(image), "key": KEY}

    assert len(play(cloud.state, "stands.yml", words)) == 23  # all its tasks but the two that look
    assert play(cloud.state, "stands.yml", words) == []
    assert len(play(cloud.state, "falls.yml", {})) == 15

    found = {path: cloud.ask("GET", f"/{path}").json() for path in LISTS}
    assert {path: len(next(iter(document.values()))) for path, document in found.items()} == LISTS


def play(state: Path, book: str, words: dict[str, str]) -> list[str]:
    """The tasks that changed something. None failed."""
    folder = installed("ansible", HERE / "requirements.lock")
    command: list[str | Path] = [folder / "bin/ansible-playbook", "--inventory", "localhost,", HERE / book]
    for name, value in {**words, "ansible_python_interpreter": str(folder / "bin/python")}.items():
        command += ["--extra-vars", f'{name}="{value}"']
    ours = {"OS_CLIENT_CONFIG_FILE": str(state / "clouds.yaml"), "OS_CLOUD": "pileus"}
    ours |= {"ANSIBLE_HOME": str(folder / "home"), "ANSIBLE_PIPELINING": "1", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=state, env=foreign() | ours, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    tasks = [task for task in done.stdout.split("\nTASK ") if re.search("^changed: ", task, re.MULTILINE)]
    return [task.partition("]")[0].lstrip("[") for task in tasks]
