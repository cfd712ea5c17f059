"""A whole cloud as processes that users start, each of which can be killed and started again at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from cli.conftest import PILEUS, environment, pileus
from pileus.engines.troubles import Trouble, Troubles
from support.people import client
from support.postgres import free_port
from support.waiting import pause

PATIENCE_S = 60.0
LOOK_S = 0.1
LEASE_S = 3.0
JOB_S = 0.2
LONG_JOBS = (
    ("hypervisor", "ensure_disks"),
    ("hypervisor", "ensure_disk_kept"),
    ("hypervisor", "ensure_power"),
    ("hypervisor", "ensure_restarted"),
    ("blocks", "ensure_volume"),
    ("blocks", "ensure_snapshot"),
)
VERSIONS = "compute 2.72, volume 3.59"
CONFIG = """\
state = "{state}"
[api]
listen = "127.0.0.1:{api}"
[agents]
listen = "127.0.0.1:{agents}"
[identity]
bcrypt_rounds = 4
[operations]
lease_s = {lease_s}
host_lease_s = {lease_s}
poll_s = 0.2
[database]
url = "{url}"
"""


@dataclass
class Part:
    """One process of the cloud. It says a line when it serves."""

    command: tuple[str, ...]
    log: Path
    once: tuple[str, ...] = ()  # more words, for its first start
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        words, self.once = (*self.command, *self.once), ()
        with self.log.open("ab") as log:
            pipes: dict[str, Any] = {"stdout": asyncio.subprocess.PIPE, "stderr": log}
            self.process = await asyncio.create_subprocess_exec(PILEUS, *words, env=environment(), **pipes)
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            said = await self.process.stdout.readline()
        assert said, f"{self.command} did not start:\n{self.log.read_text()[-4000:]}"

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()


@dataclass
class Site:
    """A cloud. `up` is set while its API serves."""

    home: Path
    url: str
    agents: str
    parts: list[Part] = field(default_factory=list)
    up: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> Path:
        return self.home / "state"

    async def begin(self, *command: str, once: tuple[str, ...] = ()) -> None:
        part = Part(command, self.home / f"{len(self.parts)}.log", once)
        self.parts.append(part)
        await part.start()

    async def kill(self, number: int) -> None:
        """kill -9 one of them, and start it again."""
        if number == 0:
            self.up.clear()
        await self.parts[number].kill()
        await self.parts[number].start()
        self.up.set()

    async def stop(self) -> None:
        for part in self.parts:
            await part.kill()

    async def host(self, name: str) -> None:
        """A simulated host with an agent of its own joins. Its jobs take time, so that a kill finds some under way."""
        async with await self.client() as http:
            made = await http.post("/pileus/v1/hosts/tokens", json={"token": {"host": name}})
            assert made.status_code == 201, made.text
        home = self.home / name
        for kind, verb in LONG_JOBS:
            Troubles(home / "sim" / kind / "troubles").add(Trouble(kind="delay", seconds=JOB_S), verb=verb)
        words = ("--state", str(home), "--control", self.agents, "--listen", f"127.0.0.1:{free_port()}")
        join = ("--join", made.json()["token"]["join"])
        await self.begin("serve", "agent", "--simulate", *words, once=join)

    async def usable(self, *names: str) -> None:
        """Return once these hosts can be used."""
        async with await self.client() as http, asyncio.timeout(PATIENCE_S):
            while True:
                hosts = (await http.get("/pileus/v1/hosts")).json()["hosts"]
                if set(names) <= {host["name"] for host in hosts if host["usable"]}:
                    return
                await pause(LOOK_S)

    async def client(self, user: str = "admin", password: str = "", project: str = "admin") -> httpx.AsyncClient:
        """Somebody who is logged in. Without a password: the administrator."""
        auth = yaml.safe_load((self.state / "clouds.yaml").read_text())["clouds"]["pileus"]["auth"]
        who = (user, password or auth["password"], project)
        return await client(self.url, *who, versions=VERSIONS, timeout=30)


@asynccontextmanager
async def running_site(kind: str, url: str, home: Path) -> AsyncIterator[Site]:
    """SQLite: API, worker and a host in one process, as `pileus up`, and another host. PostgreSQL: each by itself."""
    api, agents = free_port(), free_port()
    site = Site(home, f"http://127.0.0.1:{api}", f"https://127.0.0.1:{agents}")
    database = "" if kind == "sqlite" else url
    config = home / "pileus.toml"
    config.write_text(CONFIG.format(state=site.state, api=api, agents=agents, url=database, lease_s=LEASE_S))
    try:
        if kind == "sqlite":
            await site.begin("up", "--simulate", "--config", str(config))
        else:
            made = await asyncio.to_thread(pileus, "db", "upgrade", "--config", config)
            assert made.returncode == 0, made.stderr
            await site.begin("serve", "api", "--config", str(config))
            await site.begin("serve", "worker", "--config", str(config))
            await site.host("a1")
        site.up.set()
        await site.host("a2")
        await site.usable("a2")
        yield site
    finally:
        await site.stop()
