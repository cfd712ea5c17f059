"""The command `openstack` itself, as users type it, and that the tests beside this one leave none of its commands out."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from cli.conftest import Process, environment

OPENSTACK = Path(sys.executable).with_name("openstack")
REQUEST_ID = r"req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def openstack(cloud: Process, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """As the lines that `pileus up` prints have it."""
    account = environment(
        OS_CLIENT_CONFIG_FILE=f"{cloud.state}/clouds.yaml", OS_CLOUD="pileus", PYTHONWARNINGS="ignore"
    )
    return subprocess.run([OPENSTACK, *words], input=said, env=account, capture_output=True, text=True, timeout=60)


def test_what_pileus_up_prints_is_enough(cloud: Process) -> None:
    done = openstack(cloud, "token", "issue", "-f", "value", "-c", "id")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("gAAAA")


def test_many_commands_in_one_go(cloud: Process) -> None:
    """Without words it reads commands from standard input."""
    done = openstack(cloud, said="project list -f value -c Name\nrole list -f value -c Name\n")
    assert done.stderr == ""
    assert {"admin", "manager", "member", "reader", "service"} <= set(re.findall(r"[a-z]+", done.stdout))


def test_debug_shows_each_request_with_its_id(cloud: Process) -> None:
    done = openstack(cloud, "--debug", "project", "list")
    assert done.returncode == 0, done.stderr
    asked = re.findall(r"REQ: curl -g -i -X (\w+) (\S+)", done.stderr)
    answered = re.findall(rf"x-openstack-request-id: ({REQUEST_ID})", done.stderr, re.IGNORECASE)
    assert any(method == "GET" and url.endswith("/v3/projects") for method, url in asked)
    assert len(set(answered)) == len(answered) >= len(asked) > 1


@pytest.mark.parametrize("entry", entry_points(group="openstack.identity.v3"), ids=lambda entry: entry.name)
def test_every_command_about_identity_is_tried(entry: EntryPoint) -> None:
    """Some test of this folder says it, in these words."""
    words = entry.name.replace("_", " ")
    sources = (path.read_text() for path in Path(__file__).parent.glob("test_openstack_*.py"))
    assert any(re.search(rf'[("]{words}\b', source) for source in sources)
