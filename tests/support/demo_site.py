"""A cloud as a process of its own: Identity, our own API and the demonstration, on a real socket and a real database.

    python -m support.demo_site STATE DATABASE_URL [api] [worker]      (with tests/ on the path)

For benchmarks and crash tests. Writes STATE/site.json (url, pid) when it serves, and ends cleanly on SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from demo import service as demo
from demo.world import DemoWorld
from pileus.engines.hypervisor.sim import SimHypervisor
from pileus.kernel.clock import Clock, SystemClock
from pileus.kernel.config import Config, Identity, Operations
from pileus.kernel.context import PILEUS, Ctx
from pileus.kernel.db import Database, open_database
from pileus.kernel.http import build_app
from pileus.kernel.http.server import Listener, Server
from pileus.kernel.operations import Worker, void_leases
from pileus.kernel.policy import Policy
from pileus.kernel.policy.defaults import default_rules
from pileus.kernel.seal import Seal
from pileus.services.identity.bootstrap import bootstrap
from pileus.services.identity.routes import api as identity
from pileus.services.identity.tokens.service import authenticate
from support import site_api

PASSWORD = "only for tests"
LEASE_S = 3.0
JOB_S = 0.05


@dataclass
class SiteWorld(DemoWorld):
    """Real time; jobs of the simulated hosts are short."""

    clock: Clock = field(default_factory=SystemClock)
    memory: dict[type, Any] = field(default_factory=dict)

    def hypervisor(self, host: str) -> SimHypervisor:
        return SimHypervisor(self.home / host, self.clock, delays_s={"ensure_copied": JOB_S})


def world(state: Path, database: Database) -> SiteWorld:
    config = Config(
        state=str(state),
        identity=Identity(bcrypt_rounds=4),
        operations=Operations(lease_s=LEASE_S, poll_s=0.2, host_lease_s=LEASE_S),
    )
    rules = {**default_rules().checks, **demo.POLICIES, **site_api.POLICIES}
    seal = Seal.from_file(state / "site.key")
    return SiteWorld(database, state / "hosts", config=config, seal=seal, policy=Policy.load(rules, None))


async def prepare(database: Database, ctx: Ctx) -> None:
    """Schema and admin, if they are not there. On SQLite whoever held leases is dead."""
    await database.create_schema()
    await bootstrap(ctx, PASSWORD)
    if database.dialect == "sqlite":
        async with ctx.transaction() as writing:
            await void_leases(writing)


async def serve(state: Path, url: str, roles: set[str]) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    database = open_database(url)
    await database.start()
    site = world(state, database)
    ctx = Ctx(site, PILEUS)
    worker = Worker(ctx)
    working = None
    if "api" in roles:
        await prepare(database, ctx)
    if "worker" in roles:
        working = asyncio.create_task(worker.run())
    if "api" in roles:
        app = build_app(site, [identity, demo.api, site_api.api], authenticate)
        server = Server(app, site.config.http, [Listener()])
        ((host, port),) = await server.start()
        tell(state, f"http://{host}:{port}")
        await ended.wait()
        await server.stop(1.0)
    await ended.wait()
    if working is not None:
        worker.stop()
        await working
    await database.close()


def tell(state: Path, url: str) -> None:
    """Where it serves, in one rename: a reader sees all of it or nothing."""
    draft = state / f"site.{os.getpid()}"
    draft.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    draft.rename(state / "site.json")


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), sys.argv[2], set(sys.argv[3:]) or {"api", "worker"}))
