"""One side of a comparison: a cloud that runs, and who asks it for what."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.peer.client import Connection
from conformance.installed import Failure

READY_WITHIN_S = 120.0
ENDS_WITHIN_S = 30.0


@dataclass(frozen=True)
class Side:
    """A cloud: the address of its Identity (with /v3), its administrator's password, the roots of its processes."""

    name: str
    url: str
    password: str
    pids: tuple[int, ...]

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> bytes:
        """As it goes over the wire."""
        parts = urlsplit(self.url)
        data = b"" if body is None else json.dumps(body).encode()
        named = {"Host": parts.netloc, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if data:
            named |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
        lines = [f"{method} {parts.path}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
        return "\r\n".join([*lines, "", ""]).encode() + data

    def login(self) -> bytes:
        """A password for a token of the administrator in a project."""
        default = {"id": "default"}
        user = {"name": "admin", "domain": default, "password": self.password}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": "admin", "domain": default}}
        return self.request("POST", "/auth/tokens", {"auth": {"identity": identity, "scope": scope}})

    async def token(self) -> str:
        """Raises Failure."""
        connection = Connection(self.url)
        answer = await connection.ask(self.login())
        connection.close()
        if answer.status != 201:
            raise Failure(f"{self.name} does not log in: {answer.status} {answer.body[:300]!r}")
        return answer.header("X-Subject-Token")


@contextlib.contextmanager
def running(
    log: Path, *command: Any, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with all it starts, for as long as the block lasts. It tells its log what it has to say."""
    with log.open("ab") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, start_new_session=True, env=environment
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when somebody listens there. Raises Failure with the end of the log when the process ends or is too slow."""
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise Failure(f"nobody listens on port {port}: {log.read_text()[-2000:]}")


def await_word(word: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the process has said it. Raises Failure with the end of the log when it ends or is too slow."""
    until = time.monotonic() + READY_WITHIN_S
    while word not in log.read_text():
        if time.monotonic() > until or process.poll() is not None:
            raise Failure(f"it never said {word!r}: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
