"""The composition root: the only module that knows which engine, which database and which services stand behind a cloud."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pileus.agent.client import Agents
from pileus.engines.hypervisor import Hypervisor
from pileus.engines.hypervisor.sim import SimHypervisor
from pileus.engines.rim import Rim
from pileus.engines.verbs import Change
from pileus.kernel import audit, hosts, migrate
from pileus.kernel.clock import Clock, SystemClock
from pileus.kernel.config import Config
from pileus.kernel.context import PILEUS, Ctx
from pileus.kernel.db import Database, open_database
from pileus.kernel.doorbell import Doorbell, LocalDoorbell, PostgresDoorbell
from pileus.kernel.errors import HostDown
from pileus.kernel.hosts import Hosts
from pileus.kernel.housekeeping import Housekeeping
from pileus.kernel.http import App, Route, Service, build_app, idempotency
from pileus.kernel.ids import Ids
from pileus.kernel.metrics import Metrics
from pileus.kernel.operations import Worker, views, void_leases
from pileus.kernel.policy import Policy
from pileus.kernel.policy.defaults import default_rules
from pileus.kernel.seal import Seal
from pileus.services.cloud.http import api as cloud_api
from pileus.services.cloud.operations import api as cloud_operations
from pileus.services.identity.routes import api as identity_api
from pileus.services.identity.tokens.service import authenticate

DATABASE_FILE = "pileus.sqlite"
SITE_KEY = "site.key"
PURGES = (views.purge, audit.purge, idempotency.purge)
SERVICES: tuple[Service, ...] = (identity_api, cloud_api)
ROUTES = (cloud_operations,)  # imported to declare their routes


@dataclass
class Cloud:
    """A cloud that was opened: `pileus.kernel.context.World`, its application, and what runs beside it."""

    config: Config
    db: Database
    clock: Clock
    ids: Ids
    seal: Seal
    doorbell: Doorbell
    policy: Policy
    metrics: Metrics
    hosts: Hosts
    state: Path
    simulated: bool
    memory: dict[type, Any] = field(default_factory=dict)
    rims: dict[tuple[str, str], Rim[Any]] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    worker: Worker | None = None
    agents: Agents = field(init=False)
    app: App = field(init=False)

    def __post_init__(self) -> None:
        self.agents = Agents(self.hosts, None)

    @property
    def ctx(self) -> Ctx:
        """A Ctx of the cloud itself."""
        return Ctx(self, PILEUS, request_id=self.ids.request())

    def engine(self, kind: str, host: str) -> Any:
        """The engine of that kind on that host. Raises HostDown; Unavailable for a host that is not known yet."""
        if self.hosts.is_down(host):
            raise HostDown(host)
        rim = self.rims.get((kind, host))
        return rim.engine if rim is not None else self.agents.engine(kind, host)

    def trust_agents(self, context: ssl.SSLContext) -> None:
        """Speak to agents on other machines with this certificate."""
        self.agents = Agents(self.hosts, context)

    def begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run it beside everything else until the cloud stops."""
        self.tasks.append(asyncio.create_task(work, name=name))

    async def start(self, *, work: bool = True) -> None:
        """Look after hosts and, with `work`, run operations: what an `api` process alone leaves to workers."""
        await self.hosts.look(self.ctx)
        self.begin(self.hosts.run(self.ctx), "hosts")
        self.begin(self.metrics.watch_loop(), "loop lag")
        if work:
            self.worker = Worker(self.ctx)
            self.begin(self.worker.run(), "worker")
            self.begin(Housekeeping(self.ctx, PURGES).run(), "housekeeping")

    async def stop(self) -> None:
        """Hand running operations over, stop what runs beside, close the database."""
        if self.worker is not None:
            self.worker.stop()
        for task in self.tasks:
            if task.get_name() != "worker":
                task.cancel()
        for task in self.tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self.hosts.stop()
        await self.agents.close()
        if isinstance(self.doorbell, PostgresDoorbell):
            await self.doorbell.stop()
        await self.db.close()

    def job_ended(self, change: Change) -> None:
        """A simulated host tells that a job has ended: whoever waits for it looks again."""
        self.doorbell.ring()


async def open_cloud(
    config: Config,
    *,
    simulate_hosts: int = 0,
    seed: int | None = None,
    clock: Clock | None = None,
    services: Sequence[Service] = (),
    policies: dict[str, str] | None = None,
    listening: bool = False,
) -> Cloud:
    """Open the state directory and the database (made if there is none), with everything but tasks running.

    `simulate_hosts`: so many hosts h1, h2, ... are simulators in this process. `services` and their `policies` are
    offered beside Pileus' own. `listening`: agents post to this process. Raises Unavailable, SchemaError, SealError.
    """
    state = Path(config.state)
    ids, clock = Ids(seed), clock or SystemClock()
    db = open_database(
        database_url(config),
        pool_size=config.database.pool_size,
        read_deadline_s=config.database.read_deadline_s,
    )
    cloud = Cloud(
        config=config,
        db=db,
        clock=clock,
        ids=ids,
        seal=Seal.from_file(state / SITE_KEY),
        doorbell=doorbell(config),
        policy=policy(config, policies or {}),
        metrics=Metrics(),
        hosts=Hosts(clock, lease_s=config.operations.host_lease_s, listening=listening),
        state=state,
        simulated=simulate_hosts > 0,
    )
    cloud.app = build_app(cloud, [*SERVICES, *services], authenticate, audit=audited)
    await db.start()
    try:
        await migrate.prepare(db, upgrade_it=db.dialect == "sqlite")
        if db.dialect == "sqlite":
            await void_leases(cloud.ctx)
        await add_simulated_hosts(cloud, simulate_hosts)
        if isinstance(cloud.doorbell, PostgresDoorbell):
            await cloud.doorbell.start()
    except BaseException:
        await db.close()
        raise
    return cloud


def policy(config: Config, more: dict[str, str]) -> Policy:
    """The default rules and `more`, with the operator's file over them."""
    rules = default_rules()
    overrides = Path(config.policy.file) if config.policy.file else None
    return Policy.load({**rules.checks, **more}, overrides, scopes=rules.scopes)


def audited(ctx: Ctx, route: Route, path: str) -> Ctx:
    """The Ctx of a request that may write: each of its transactions leaves a record."""
    return audit.audited(ctx, action=route.rule or "anonymous", method=route.method, path=path)


def database_url(config: Config) -> str:
    """The URL with its password, which is never in the configuration itself."""
    options = config.database
    url = options.url or f"sqlite:///{Path(config.state) / DATABASE_FILE}"
    if not options.password_file:
        return url
    scheme, _, rest = url.partition("://")
    user, _, place = rest.rpartition("@")
    return f"{scheme}://{user}:{quote(Path(options.password_file).read_text().strip(), safe='')}@{place}"


def doorbell(config: Config) -> Doorbell:
    url = database_url(config)
    return LocalDoorbell() if url.startswith("sqlite") else PostgresDoorbell(config.database.listen_url or url)


async def add_simulated_hosts(cloud: Cloud, count: int) -> None:
    """Hosts that are folders: h1, h2, ..."""
    names = [f"h{n}" for n in range(1, count + 1)]
    await hosts.ensure_local(cloud.ctx, names)
    for name in names:
        home = cloud.state / "hosts" / name
        rim = Rim(Hypervisor, SimHypervisor(home, cloud.clock), home / "rim", cloud.clock, changed=cloud.job_ended)
        cloud.rims["hypervisor", name] = rim
