"""The target of the benchmarks: a cloud in a process of its own, and a client of it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import aiohttp

from bench.load.samples import Sample

ROOT = Path(__file__).parents[1]
PASSWORD = "only for tests"
LOGIN = {
    "identity": {
        "methods": ["password"],
        "password": {"user": {"name": "admin", "password": PASSWORD, "domain": {"id": "default"}}},
    },
    "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
}


@dataclass
class Site:
    """A running cloud and its admin's token."""

    url: str
    pid: int
    state: Path
    http: aiohttp.ClientSession
    started_in_s: float
    headers: dict[str, str] = field(default_factory=dict)
    project_id: str = ""

    async def login(self) -> None:
        async with self.http.post(f"{self.url}/identity/v3/auth/tokens", json={"auth": LOGIN}) as answer:
            self.headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
            self.project_id = (await answer.json())["token"]["project"]["id"]

    async def call(self, method: str, path: str, body: Any = None, *, want: int = 200) -> Any:
        """One request; the document of its answer. Raises RuntimeError for any other status."""
        async with self.http.request(method, self.url + path, json=body, headers=self.headers) as answer:
            raw = await answer.read()
            if answer.status != want:
                raise RuntimeError(f"{method} {path}: {answer.status} {raw[:200]!r}")
            return json.loads(raw) if raw else None

    @staticmethod
    def refuse_errors(sample: Sample) -> None:
        """A run with failed requests measures something else."""
        if sample.errors or not sample.latencies:
            raise RuntimeError(f"not every request succeeded: {dict(sample.errors)}")


@asynccontextmanager
async def started(state: Path, roles: tuple[str, ...] = ("api", "hosts")) -> AsyncIterator[Site]:
    """The cloud of tests/support/demo_site.py on SQLite in `state`, and its admin logged in; gone afterwards."""
    command = [sys.executable, "-m", "support.demo_site", str(state), f"sqlite:///{state}/pileus.sqlite", *roles]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}"}
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    timeout = aiohttp.ClientTimeout(total=None, connect=30)
    connector = aiohttp.TCPConnector(limit=0)
    try:
        where = await told(state / "site.json", process)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector, read_bufsize=2**20) as http:
            async with http.get(f"{where['url']}/identity/v3") as answer:
                answer.raise_for_status()
            site = Site(where["url"], where["pid"], state, http, time.perf_counter() - began)
            await site.login()
            yield site
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def up(state: Path) -> AsyncIterator[tuple[int, float]]:
    """`pileus up --simulate` with a state that is empty: its process id, and the seconds to its first 200."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).with_name("pileus"), "up", "--simulate", "--state", state / "cloud"]
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, "--listen", f"127.0.0.1:{port}", stdout=DEVNULL)
    try:
        async with aiohttp.ClientSession() as http:
            await until_it_serves(http, f"http://127.0.0.1:{port}/identity/v3", process)
            yield process.pid, time.perf_counter() - began
    finally:
        process.terminate()
        await process.wait()


async def until_it_serves(http: aiohttp.ClientSession, url: str, process: asyncio.subprocess.Process) -> None:
    """Raises RuntimeError when the process ends before."""
    while not await serves(http, url):
        if process.returncode is not None:
            raise RuntimeError(f"pileus up ended with {process.returncode}")
        await asyncio.sleep(0.005)


async def serves(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def told(file: Path, process: asyncio.subprocess.Process) -> dict[str, Any]:
    """What the process writes when it serves. Raises RuntimeError when it ends before."""
    while not file.exists():
        if process.returncode is not None:
            raise RuntimeError(f"the cloud ended with {process.returncode}")
        await asyncio.sleep(0.005)
    return json.loads(file.read_text())  # type: ignore[no-any-return]
