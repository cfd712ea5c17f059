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
from pileus.agent.client import Agents
from pileus.agent.control import ControlApp, contexts, join_token, wake
from pileus.engines.verbs import Change
from pileus.kernel import joins
from pileus.kernel.clock import Clock
from pileus.kernel.config import Http
from pileus.kernel.context import PILEUS, Ctx
from pileus.kernel.db import Database
from pileus.kernel.hosts import Hosts
from pileus.kernel.http.server import Listener, Server
from pileus.kernel.tls import Ca

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
    authority: Ca
    context: ssl.SSLContext
    url: str = ""
    changes: list[Change] = field(default_factory=list)
    observed: dict[str, dict[str, Any]] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def token(self, name: str) -> str:
        return await join_token(self.ctx, name)

    async def hear(self, ctx: Ctx, changes: list[Change]) -> None:
        self.changes += changes
        await wake(ctx, changes)
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
    authority = await joins.open_authority(ctx)
    listens, connects = contexts(authority)
    world.agents = Agents(hosts, connects)
    plane = ControlPlane(world, ctx, hosts, authority, connects)
    app = ControlApp(ctx, hosts, authority, changed=plane.hear, observed=plane.see)
    server = Server(app, Http(), [Listener(host=host, tls=listens)])
    (address,) = await server.start()
    plane.url = f"https://{host}:{address[1]}"
    try:
        yield plane
    finally:
        await hosts.stop()
        await server.stop(1.0)
        await world.agents.close()
