"""A demonstration cloud in processes of its own, which can be killed and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from support.source import ROOT
from support.waiting import pause

PATIENCE_S = 60.0
LOOK_S = 0.02
PASSWORD = "only for tests"
LOGIN = {
    "identity": {
        "methods": ["password"],
        "password": {"user": {"name": "admin", "password": PASSWORD, "domain": {"id": "default"}}},
    },
    "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
}


@dataclass
class Processes:
    """The processes of one cloud, by role: `api=PORT worker` in one, or one for each."""

    state: Path
    database_url: str
    port: int
    roles: list[tuple[str, ...]]
    prefix: tuple[str, ...] = ()  # before the command: strace, for one
    running: list[asyncio.subprocess.Process] = field(default_factory=list)
    up: asyncio.Event = field(default_factory=asyncio.Event)  # while the API serves

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start all and return when the API serves."""
        self.running = [await self._spawn(roles) for roles in self.roles]
        await self.serving()

    async def _spawn(self, roles: tuple[str, ...]) -> asyncio.subprocess.Process:
        words = [f"api={self.port}" if role == "api" else role for role in roles]
        command = [*self.prefix, sys.executable, "-m", "support.demo_site", str(self.state), self.database_url, *words]
        with (self.state / "log").open("ab") as log:
            environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
            return await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log)

    async def serving(self) -> None:
        """Return when the API answers. Raises TimeoutError with the log."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await self._answers():
                    await pause(LOOK_S)
        except TimeoutError:
            raise TimeoutError(f"the cloud does not serve:\n{(self.state / 'log').read_text()[-4000:]}") from None
        self.up.set()

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        try:
            writer.write(b"GET /identity/v3 HTTP/1.1\r\nHost: cloud\r\nConnection: close\r\n\r\n")
            return (await reader.read(12)).endswith(b" 200")
        except OSError:
            return False
        finally:
            writer.close()

    async def kill(self, number: int) -> None:
        """kill -9 one of them, and start it again."""
        self.up.clear()
        self.running[number].kill()
        await self.running[number].wait()
        self.running[number] = await self._spawn(self.roles[number])
        await self.serving()

    async def stop(self) -> None:
        if self.prefix:  # it is the child of what we started, which ends with it
            os.kill(json.loads((self.state / "site.json").read_text())["pid"], signal.SIGTERM)
        for process in self.running:
            if process.returncode is None and not self.prefix:
                process.terminate()
        await asyncio.gather(*(process.wait() for process in self.running))

    async def token(self) -> str:
        """The admin's."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as http:
            answer = await http.post("/identity/v3/auth/tokens", json={"auth": LOGIN})
        return answer.headers["X-Subject-Token"]

    def client(self, token: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=30, headers={"X-Auth-Token": token})
