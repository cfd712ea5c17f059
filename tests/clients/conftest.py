"""Real clients against a real cloud: `pileus up --simulate --ephemeral`, a process for each process of the test run."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import pytest
from openstack.connection import Connection

from cli.conftest import Process, environment, started
from support.sdk import connected

COMMANDS = Path(__file__).with_name("openstack_commands.py")
CHEAP = "[identity]\nbcrypt_rounds = 4\n"
OPTIONS = """
[network]
physical_networks = ["public", "{physical}"]

[image]
download_networks = ["127.0.0.0/8"]
download_ports = [{port}]
"""
PHYSICAL = "wing"
ENDS_WITHIN_S = 30


@dataclass(frozen=True)
class Openstack:
    """Somebody at the command line: `admin("project delete web")` is `openstack project delete web` with their options."""

    interpreter: subprocess.Popen[str]
    options: tuple[str, ...]

    def __call__(self, command: str) -> str:
        """What it prints."""
        done = self.run(command)
        assert done["status"] == 0, f"openstack {command}: {done}"
        return str(done["said"])

    def shows(self, command: str) -> Any:
        """One thing, or a list of them."""
        return json.loads(self(f"{command} -f json"))

    def column(self, command: str, name: str) -> list[Any]:
        """Of a list."""
        return [row[name] for row in self.shows(command)]

    def is_refused(self, command: str) -> str:
        """How."""
        done = self.run(command)
        assert done["status"] != 0, f"openstack {command}: {done}"
        return str(done["complained"])

    def run(self, command: str) -> dict[str, Any]:
        assert self.interpreter.stdin is not None
        assert self.interpreter.stdout is not None
        print(json.dumps([*self.options, *shlex.split(command)]), file=self.interpreter.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.interpreter.stdout.readline())
        return answer

    def who(self, **options: str) -> Openstack:
        """Somebody else: `who(username="ada", password="...", project_name="web")`."""
        words = (
            f"--os-{name.replace('_', '-')}={value}" for name, value in options.items()
        )  # it may begin with a dash
        return replace(self, options=tuple(words))


@dataclass(frozen=True)
class Site:
    """Somebody's web server: what is in the folder is found there by its name."""

    folder: Path
    port: int

    def holds(self, name: str, data: bytes) -> str:
        """Where."""
        (self.folder / name).write_bytes(data)
        return f"http://127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    answering = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), answering) as server:
        Thread(target=server.serve_forever).start()
        yield Site(folder, server.server_port)
        server.shutdown()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[Process]:
    """With a second physical network, and whose Image may fetch from the site."""
    home = tmp_path_factory.mktemp("clients")
    (home / "pileus.toml").write_text(CHEAP + OPTIONS.format(physical=PHYSICAL, port=site.port))
    listen = ("--listen", "127.0.0.1:0", "--config", home / "pileus.toml")
    process = started("up", "--simulate", "--ephemeral", *listen)
    yield process
    process.stop()
    process.popen.communicate()


@pytest.fixture(scope="session")
def interpreter() -> Iterator[subprocess.Popen[str]]:
    """Of the commands that are said in all tests."""
    command = [sys.executable, "-W", "ignore", COMMANDS]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(COLUMNS="999")
    )
    yield process
    process.communicate(timeout=ENDS_WITHIN_S)


@pytest.fixture(scope="session")
def auth_url(cloud: Process) -> str:
    return f"{cloud.url}/identity/v3"


@pytest.fixture(scope="session")
def password(cloud: Process) -> str:
    """The administrator's."""
    return (cloud.state / "admin.password").read_text().strip()


@pytest.fixture(scope="session")
def admin(interpreter: subprocess.Popen[str], auth_url: str, password: str) -> Openstack:
    nobody = Openstack(interpreter, ())
    return nobody.who(auth_url=auth_url, **DEFAULTS, username="admin", password=password, project_name="admin")


DEFAULTS = {"identity_api_version": "3", "user_domain_id": "default", "project_domain_id": "default"}
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Person:
    """A user with a role in a project of their own, all three named alike."""

    name: str
    user_id: str
    project_id: str
    says: Openstack


@pytest.fixture
def name() -> str:
    """Nobody else's."""
    return f"t{uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def identity(cloud: Process, auth_url: str) -> Iterator[httpx.Client]:
    """As the administrator, without a client: what most tests begin with costs a fifth of what commands would."""
    headers = {"X-Auth-Token": cloud.token()}
    with httpx.Client(base_url=auth_url, headers=headers, timeout=ENDS_WITHIN_S, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def member(identity: httpx.Client) -> str:
    """The role's id."""
    [role] = identity.get("/roles?name=member").json()["roles"]
    return str(role["id"])


@pytest.fixture
def person(identity: httpx.Client, member: str, admin: Openstack, auth_url: str, name: str) -> Person:
    def made(kind: str, **facts: str) -> str:
        answer = identity.post(f"/{kind}s", json={kind: {"name": name, **facts}})
        assert answer.status_code == 201, answer.text
        return str(answer.json()[kind]["id"])

    project_id = made("project")
    user_id = made("user", password=PASSWORD, default_project_id=project_id)
    granted = identity.put(f"/projects/{project_id}/users/{user_id}/roles/{member}")
    assert granted.status_code == 204, granted.text
    says = admin.who(auth_url=auth_url, **DEFAULTS, username=name, password=PASSWORD, project_name=name)
    return Person(name, user_id, project_id, says)


@pytest.fixture
def sdk(auth_url: str, password: str) -> Connection:
    """The administrator's."""
    return connected(auth_url, username="admin", password=password, project_name="admin")


@pytest.fixture
def mine(auth_url: str, person: Person) -> Connection:
    """The person's."""
    return connected(auth_url, username=person.name, password=PASSWORD, project_name=person.name)


def until(says: Openstack, command: str, field: str, value: str) -> None:
    """Ask until it says so: each question takes a while by itself."""
    for _ in range(100):
        if says.shows(command)[field] == value:
            return
    raise AssertionError(f"{command} does not come to say {field} {value}")


@pytest.fixture
def image(admin: Openstack, name: str, tmp_path: Path) -> str:
    data = tmp_path / "image.raw"
    data.write_bytes(b"\0" * 4096)
    admin(f"image create {name} --disk-format raw --container-format bare --public --file {data}")
    return name
