"""Clouds as processes of their own, started by the command that users type."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

PILEUS = Path(sys.executable).with_name("pileus")
ENDS_WITHIN_S = 30
CHEAP = "[identity]\nbcrypt_rounds = 4\n"  # each command logs in


@dataclass
class Process:
    """A cloud that serves. `said` is what it printed."""

    popen: subprocess.Popen[str]
    said: list[str]

    @property
    def url(self) -> str:
        found = re.search(r"https?://\S+", self.said[0])
        assert found, self.said
        return found[0]

    @property
    def state(self) -> Path:
        """Where its client files are, as it says."""
        found = re.search(r"OS_CLIENT_CONFIG_FILE=(\S+)/clouds.yaml", "".join(self.said))
        assert found, self.said
        return Path(found[1])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit status."""
        self.popen.send_signal(number)
        return self.popen.wait(ENDS_WITHIN_S)

    def token(self) -> str:
        """Of the administrator, by the clouds.yaml."""
        cloud = yaml.safe_load((self.state / "clouds.yaml").read_text())["clouds"]["pileus"]
        auth = cloud["auth"]
        user = {"name": auth["username"], "password": auth["password"], "domain": {"id": auth["user_domain_id"]}}
        scope = {"project": {"name": auth["project_name"], "domain": {"id": auth["project_domain_id"]}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        trusted = ssl.create_default_context(cafile=cloud.get("cacert"))
        answer = httpx.post(f"{auth['auth_url']}/v3/auth/tokens", json=body, verify=trusted)
        assert answer.status_code == 201, answer.text
        return answer.headers["x-subject-token"]

    def ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **sent: Any) -> httpx.Response:
        """As the administrator."""
        ours = {"x-auth-token": self.token(), **(headers or {})}
        return httpx.request(method, self.url + path, headers=ours, timeout=30, **sent)


Up = Callable[..., Process]


def environment(**more: str) -> dict[str, str]:
    """Ours without what would name another cloud."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OS_")} | more


def pileus(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [PILEUS, *arguments], capture_output=True, text=True, env=environment(**more), timeout=60, check=False
    )


def started(*arguments: str | Path, lines: int = 3, under: Sequence[str] = ()) -> Process:
    """`under`: words of a program that becomes the command."""
    popen = subprocess.Popen(
        [*under, PILEUS, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert popen.stdout is not None
    said = [popen.stdout.readline() for _ in range(lines)]
    if not all(said):
        raise AssertionError(f"it ended with {popen.wait()}: {popen.communicate()[1]}")
    return Process(popen, said)


@pytest.fixture
def launch() -> Iterator[Up]:
    """Start processes that do not outlive the test."""
    made: list[Process] = []

    def launch(*arguments: str | Path, lines: int = 3) -> Process:
        made.append(started(*arguments, lines=lines))
        return made[-1]

    yield launch
    for process in made:
        process.popen.kill()
        process.popen.wait()
        process.popen.communicate()


@pytest.fixture
def up(launch: Up, tmp_path: Path) -> Up:
    """`pileus up` with simulated hosts on a free port, on a state below the test's directory."""
    options = tmp_path / "cheap.toml"
    options.write_text(CHEAP)

    def up(*arguments: str | Path, state: Path = tmp_path / "cloud") -> Process:
        config = () if "--config" in arguments else ("--config", options)
        return launch("up", "--simulate", "--listen", "127.0.0.1:0", "--state", state, *config, *arguments)

    return up
