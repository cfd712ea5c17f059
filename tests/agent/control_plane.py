"""The control plane as agents see it: a database, the table of hosts, and the listener for agents; no API."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.world import DemoWorld
from pileus.agent import join
from pileus.agent.client import Agents
from pileus.agent.control import listen
from pileus.agent.main import Options, RunningAgent
from pileus.engines.hearing import tell
from pileus.engines.verbs import Change
from pileus.kernel import joins
from pileus.kernel.clock import Clock, SystemClock
from pileus.kernel.context import PILEUS, Ctx
from pileus.kernel.db import Database
from pileus.kernel.errors import Unavailable
from pileus.kernel.hosts import Hosts

PATIENCE_S = 20.0


@dataclass
class AgentWorld(DemoWorld):
    """A world whose hosts are agents."""

    agents: Agents = field(init=False)

    def engine(self, kind: str, host: str) -> Any:
        return self.agents.engine(kind, host)


@dataclass
class ControlPlane:
    """`changes` and `observed` hold what agents told; `news` is set whenever they did."""

    world: AgentWorld
    ctx: Ctx
    hosts: Hosts
    context: ssl.SSLContext = field(init=False)
    url: str = ""
    changes: list[Change] = field(default_factory=list)
    observed: dict[str, dict[str, Any]] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    refuses: int = 0  # so many posts of changes,
    why: Exception = field(default_factory=lambda: Unavailable("The database is away."))

    async def token(self, name: str) -> str:
        return str((await joins.create_token(self.ctx, name))[0])

    async def hear(self, ctx: Ctx, changes: list[Change]) -> None:
        if changes and self.refuses:
            self.refuses -= 1
            raise self.why
        self.changes += changes
        await tell(ctx, changes)
        self.news.set()

    async def see(self, host: str, observed: dict[str, Any]) -> None:
        self.observed[host] = observed
        self.news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Return once it is true; asked again whenever an agent has posted, and now and then."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                await self.heard(0.05)

    async def heard(self, seconds: float) -> None:
        """Return when an agent has posted since the last return, or after so long."""
        try:
            async with asyncio.timeout(seconds):
                await self.news.wait()
        except TimeoutError:
            return
        self.news.clear()


@asynccontextmanager
async def control_plane(
    database: Database, home: Path, clock: Clock, *, lease_s: float = 30.0, host: str = "127.0.0.1"
) -> AsyncIterator[ControlPlane]:
    """Listening on a free port of `host` inside the block."""
    world = AgentWorld(database, home, clock=clock)
    ctx = world.ctx(PILEUS)
    hosts = Hosts(clock, lease_s=lease_s, listening=True)
    plane = ControlPlane(world, ctx, hosts)
    listener = await listen(ctx, hosts, host, 0, changed=plane.hear, observed=plane.see)
    plane.url, plane.context = f"https://{listener.address}", listener.context
    world.agents = Agents(hosts, listener.context)
    try:
        yield plane
    finally:
        await hosts.stop()
        await listener.server.stop(1.0)
        await world.agents.close()


def options(plane: ControlPlane, home: Path, name: str, **more: Any) -> Options:
    given = {"listen": "127.0.0.1:0", "simulate": True, "control": plane.url}
    return Options(state=home / name, **(given | more))


@asynccontextmanager
async def agent(plane: ControlPlane, home: Path, name: str, **more: Any) -> AsyncIterator[RunningAgent]:
    """A host that has joined, inside the block."""
    wanted = options(plane, home, name, join=await plane.token(name), **more)
    async with RunningAgent(wanted, SystemClock()) as running:
        await plane.until(lambda: name in plane.observed)
        yield running
        await plane.world.agents.close()


def identity(home: Path, name: str) -> join.Identity:
    found = join.load(home / name)
    assert found is not None
    return found


async def made(path: Path) -> Path:
    path.mkdir()
    return path
