"""The composition root: the only module that knows which engine, which database and which services stand behind a cloud."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from pileus.engines.blobs import Blobs
from pileus.engines.blobs.files import FileBlobs
from pileus.engines.blobs.sim import SimBlobs
from pileus.engines.blocks import Blocks
from pileus.engines.blocks import sim as sim_blocks
from pileus.engines.blocks.sim import SimBlocks
from pileus.engines.consoles import Console, SimConsole
from pileus.engines.files import make_directory, read_or_none, write_whole
from pileus.engines.hearing import tell
from pileus.engines.hypervisor import Hypervisor
from pileus.engines.hypervisor.sim import SimHypervisor
from pileus.engines.overlay import Overlay
from pileus.engines.overlay.sim import SimOverlay
from pileus.engines.rim import Rim
from pileus.engines.verbs import Change
from pileus.kernel import audit, events, hosts, migrate
from pileus.kernel.clock import Clock, SteppingClock, SystemClock
from pileus.kernel.config import Config, database_url, listen_url
from pileus.kernel.context import PILEUS, Ctx
from pileus.kernel.db import Database, open_database
from pileus.kernel.doorbell import Doorbell, LocalDoorbell, PostgresDoorbell
from pileus.kernel.errors import HostDown, TryAgain, Unavailable
from pileus.kernel.hosts import Hosts
from pileus.kernel.housekeeping import Housekeeping
from pileus.kernel.http import App, Route, Service, build_app, idempotency
from pileus.kernel.ids import Ids
from pileus.kernel.metrics import Metrics
from pileus.kernel.operations import Worker, views, void_leases
from pileus.kernel.policy import Policy
from pileus.kernel.policy.defaults import default_rules
from pileus.kernel.seal import Seal
from pileus.services.cloud.checkpoints import service as checkpoints
from pileus.services.cloud.checkpoints.service import Simulated
from pileus.services.cloud.events import service as feeds
from pileus.services.cloud.faults import service as faults
from pileus.services.cloud.faults.service import Faults
from pileus.services.cloud.routes import api as cloud_api
from pileus.services.cloud.routes import faults as faults_api
from pileus.services.cloud.routes import metrics as metrics_api
from pileus.services.compute.routes import api as compute_api
from pileus.services.compute.servers import service as servers
from pileus.services.identity.keys import service as keys
from pileus.services.identity.routes import api as identity_api
from pileus.services.identity.tokens.service import authenticate
from pileus.services.identity.trusts import service as trusts
from pileus.services.image.image_data.transfers import OwnTransfers
from pileus.services.image.images import service as images
from pileus.services.image.routes import api as image_api
from pileus.services.network.ports import devices
from pileus.services.network.routes import api as network_api
from pileus.services.placement.routes import api as placement_api
from pileus.services.volume.messages import service as messages
from pileus.services.volume.routes import api as volume_api

if TYPE_CHECKING:
    from pileus.agent.client import Agents

logger = logging.getLogger("pileus.world")

SITE_KEY = "site.key"
STARTS = "starts"
SEEDED_TIME = 4_102_444_800.0  # 2100-01-01: no client takes a token of a seeded cloud for expired
PURGES = (views.purge, audit.purge, events.purge, idempotency.purge, trusts.purge, servers.purge, messages.purge)
CHORES = (views.retry_parked, keys.rotate_when_due, images.clean, devices.look_again)
SERVICES: tuple[Service, ...] = (
    identity_api,
    placement_api,
    image_api,
    network_api,
    volume_api,
    compute_api,
    cloud_api,
    metrics_api,
)


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
    simulate_hosts: int
    memory: dict[type, Any] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)  # engines of the control process itself, by kind
    rims: dict[tuple[str, str], Rim[Any]] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    waking: set[asyncio.Task[None]] = field(default_factory=set)
    stillness: asyncio.Lock = field(default_factory=asyncio.Lock)
    worker: Worker | None = None
    working: asyncio.Task[None] | None = None
    agents: Agents | None = None
    app: App = field(init=False)

    @property
    def ctx(self) -> Ctx:
        """A Ctx of the cloud itself."""
        return Ctx(self, PILEUS, request_id=self.ids.request())

    def engine(self, kind: str, host: str) -> Any:
        """The engine of that kind on that host; on none (""): of the control process itself. Raises HostDown; Unavailable
        for a host that is not known yet."""
        if host == hosts.LOCAL:
            return self.own[kind]
        if self.hosts.is_down(host):
            raise HostDown(host)
        rim = self.rims.get((kind, host))
        if rim is not None:
            return rim.engine
        return self._agents(host).engine(kind, host)

    def _agents(self, host: str) -> Agents:
        if self.agents is None:
            self.hosts.address(host)
            raise Unavailable(f"The host {host} is on another machine, and this process speaks to none.", host=host)
        return self.agents

    @asynccontextmanager
    async def console(self, host: str, guest_id: UUID, kind: str) -> AsyncIterator[Console]:
        """A console of a guest, open inside the block. Raises HostDown, Unavailable, NotFound, Conflict."""
        rim = self.rims.get((Hypervisor.KIND, host))
        if rim is None:
            agents = self._agents(host)
            async with agents.console(host, guest_id, kind) as console:
                yield console
            return
        await rim.engine.screen(guest_id, kind)
        yield SimConsole(kind, await rim.engine.console_log(guest_id, None))

    def trust_agents(self, context: ssl.SSLContext | None) -> None:
        """Speak to agents: to those on other machines with this certificate, to the one behind a Unix socket without."""
        from pileus.agent.client import Agents  # its HTTP client costs 0.1 s, which a cloud on one machine need not pay

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
            self._start_worker()
            self.begin(Housekeeping(self.ctx, PURGES, CHORES).run(), "housekeeping")

    def _start_worker(self) -> None:
        worker = self.worker = Worker(self.ctx)
        stepping = isinstance(self.clock, SteppingClock)
        work = self._work_in_steps(worker) if stepping else worker.run()
        self.working = asyncio.create_task(work, name="worker")

    async def _work_in_steps(self, worker: Worker) -> None:
        """Time stands still until an operation waits for it: nothing else moves the clock, so nothing is left to chance."""
        while True:
            try:
                await worker.drain()
            except (Unavailable, TryAgain) as e:
                logger.warning("operations wait: %s", e)
            await self.doorbell.wait(self.config.operations.poll_s)

    async def _stop_worker(self) -> None:
        """Hand running operations over, after the step that each is at."""
        if self.worker is None or self.working is None:
            return
        self.worker.stop()
        if isinstance(self.clock, SteppingClock):
            self.working.cancel()
        with suppress(asyncio.CancelledError):
            await self.working
        self.worker = self.working = None

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """A block in which no operation runs and no simulated host works; they begin anew from their files."""
        async with self.stillness:
            had_worker = self.worker is not None
            await self._stop_worker()
            await self._stop_rims()
            try:
                yield
            finally:
                await add_simulated_hosts(self)
                await self.hosts.look(self.ctx)
                if had_worker:
                    self._start_worker()

    async def _stop_rims(self) -> None:
        for rim in self.rims.values():
            await rim.stop()
        self.rims.clear()

    def end_streams(self) -> None:
        """Send away who follows the events: what else answers now is done soon."""
        feeds.end(self)

    async def stop(self) -> None:
        """Hand running operations over, stop what runs beside, close the database."""
        await self._stop_worker()
        if Faults in self.memory:
            self.memory[Faults].stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self._stop_rims()
        await asyncio.gather(*self.waking, return_exceptions=True)
        await self.hosts.stop()
        if self.agents is not None:
            await self.agents.close()
        if isinstance(self.doorbell, PostgresDoorbell):
            await self.doorbell.stop()
        await self.db.close()

    def job_ended(self, change: Change) -> None:
        """A simulated host tells that a job has ended: whoever waits for it looks again."""
        waking = asyncio.create_task(self._wake(change), name="job ended")
        self.waking.add(waking)
        waking.add_done_callback(self.waking.discard)

    async def _wake(self, change: Change) -> None:
        """A hint only: an operation that missed it looks again by itself."""
        with suppress(Unavailable, TryAgain):
            await tell(self.ctx, [change])


async def open_cloud(
    config: Config,
    *,
    simulate_hosts: int = 0,
    seed: int | None = None,
    services: Sequence[Service] = (),
    policies: Mapping[str, str] = MappingProxyType({}),
    listening: bool = False,
) -> Cloud:
    """Open the state directory and the database (its schema made if there is none), with everything but tasks running.

    `simulate_hosts`: so many hosts h1, h2, ... are simulators in this process. `seed`: the same requests get the same ids
    and times. `services` and their `policies` are offered beside Pileus' own. `listening`: agents post to this process.
    Raises Unavailable, SchemaError, SealError, PolicyError, ConfigError.
    """
    state = Path(config.state)
    clock = SystemClock() if seed is None else SteppingClock(SEEDED_TIME)
    db = open_database(
        database_url(config),
        pool_size=config.database.pool_size,
        read_deadline_s=config.database.read_deadline_s,
    )
    cloud = Cloud(
        config=config,
        db=db,
        clock=clock,
        ids=Ids() if seed is None else seeded_ids(state, seed),
        seal=Seal.from_file(Path(config.site_key_file) if config.site_key_file else state / SITE_KEY),
        doorbell=doorbell(config),
        policy=policy(config, policies),
        metrics=Metrics(),
        hosts=Hosts(clock, lease_s=config.operations.host_lease_s, listening=listening),
        state=state,
        simulate_hosts=simulate_hosts,
    )
    db.on_commit.append(cloud.metrics.commit)
    own = [faults_api] if simulate_hosts else []
    cloud.app = build_app(cloud, [*SERVICES, *own, *services], authenticate, audit=audited)
    await db.start()
    try:
        await migrate.prepare(db, upgrade_it=db.dialect == "sqlite")
        if db.dialect == "sqlite":
            await void_leases(cloud.ctx)
        await add_simulated_hosts(cloud)
        if simulate_hosts:
            cloud.memory[Simulated] = Simulated(state, cloud.still)
            cloud.memory[Faults] = Faults(cloud.ctx, cloud.app, partial(lose_volume, state))
            await faults.end_all(cloud.ctx)
            await checkpoints.finish(cloud.ctx)
        if isinstance(cloud.doorbell, PostgresDoorbell):
            await cloud.doorbell.start()
    except BaseException:
        await db.close()
        raise
    return cloud


def seeded_ids(state: Path, seed: int) -> Ids:
    """Reproducible ids; a state that is started again goes on with others, so that none is given twice."""
    file = state / STARTS
    starts = int(read_or_none(file) or 0)
    write_whole(file, str(starts + 1).encode(), durable=True)
    return Ids(seed + (starts << 64))


def policy(config: Config, more: Mapping[str, str]) -> Policy:
    """The default rules and `more`, with the operator's file over them."""
    if not config.policy.file:
        return default_policy(frozenset(more.items()))
    rules = default_rules()
    return Policy.load({**rules.checks, **more}, Path(config.policy.file), scopes=rules.scopes)


@cache
def default_policy(more: frozenset[tuple[str, str]]) -> Policy:
    """Nothing changes it: a cloud opened later in this process finds the rules compiled."""
    rules = default_rules()
    return Policy.load({**rules.checks, **dict(more)}, scopes=rules.scopes)


def audited(ctx: Ctx, route: Route, path: str) -> Ctx:
    """The Ctx of a request that may write: each of its transactions leaves a record."""
    return audit.audited(ctx, action=route.rule or "anonymous", method=route.method, path=path)


def doorbell(config: Config) -> Doorbell:
    url = database_url(config)
    return LocalDoorbell() if url.startswith("sqlite") else PostgresDoorbell(listen_url(config))


def blobs(cloud: Cloud) -> Blobs:
    """Where the bytes of images rest."""
    store = cloud.config.image.store
    if cloud.simulate_hosts and not store:
        return SimBlobs(cloud.state / "hosts" / "images", cloud.clock)
    return FileBlobs(Path(store) if store else cloud.state / "images")


def lose_volume(state: Path, host: str, volume_id: UUID) -> None:
    """What a volume held on a simulated host."""
    sim_blocks.lose(state / "hosts" / host / "blocks", volume_id)


async def add_simulated_hosts(cloud: Cloud) -> None:
    """Hosts that are folders: h1, h2, ..."""
    cloud.own[Blobs.KIND] = blobs(cloud)
    said: dict[str, dict[str, Any]] = {}
    make_directory(cloud.state / "hosts")  # which a checkpoint copies, also before there is anything in it
    for name in [f"h{n}" for n in range(1, cloud.simulate_hosts + 1)]:
        home = cloud.state / "hosts" / name
        transfers = OwnTransfers(lambda: cloud.ctx)
        blocks = SimBlocks(home / "blocks", cloud.clock, transfers=transfers)
        hypervisor = SimHypervisor(home, cloud.clock, transfers=transfers)
        overlay = SimOverlay(home / "overlay", cloud.clock, changed=cloud.job_ended)
        for rim in (
            Rim(Hypervisor, hypervisor, home / "rim", cloud.clock, changed=cloud.job_ended),
            Rim(Blocks, blocks, home / "blocks" / "rim", cloud.clock, changed=cloud.job_ended),
            Rim(Overlay, overlay, home / "overlay" / "rim", cloud.clock, changed=cloud.job_ended),
        ):
            await rim.resume()
            cloud.rims[rim.kind, name] = rim
        described = await cloud.rims["hypervisor", name].engine.describe()
        said[name] = {"described": {"hypervisor": msgspec.to_builtins(described)}}
    await hosts.ensure_local(cloud.ctx, said)
