"""One process of a cloud on many machines: an API process or a worker, on PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec
import uvloop

from pileus.cli import Failure
from pileus.cli.listeners import Secure
from pileus.kernel import joins, log
from pileus.kernel.config import Config, ConfigError
from pileus.kernel.config_limits import address
from pileus.kernel.errors import CloudError
from pileus.kernel.http.server import Listener, Server
from pileus.kernel.migrate import SchemaError
from pileus.kernel.policy import PolicyError
from pileus.kernel.seal import SealError
from pileus.world import Cloud, open_cloud

logger = logging.getLogger("pileus.process")

GRACE_S = 10.0
FILES_BESIDE_CONNECTIONS = 1000
CANNOT_OPEN = (CloudError, SchemaError, SealError, PolicyError, ConfigError, OSError)


@contextlib.asynccontextmanager
async def opened(
    config: Config, *, listening: bool = False, hosts: int = 0, seed: int | None = None
) -> AsyncIterator[Cloud]:
    """The cloud, open inside the block. Raises Failure."""
    try:
        cloud = await open_cloud(config, simulate_hosts=hosts, seed=seed, listening=listening)
    except CANNOT_OPEN as e:
        raise Failure(str(e)) from e
    try:
        yield cloud
    finally:
        await cloud.stop()


@contextlib.asynccontextmanager
async def speaking_to_agents(cloud: Cloud, *, listening: bool = False) -> AsyncIterator[None]:
    """Inside the block this process reaches agents; with `listening` it takes their posts, too."""
    from pileus.agent import control  # costs 0.1 s, which a cloud on one machine need not pay

    if not listening:
        authority = await joins.open_authority(cloud.ctx)
        cloud.trust_agents(control.contexts(authority)[1])
        yield
        return
    host, port = address(cloud.config.agents.listen)
    try:
        listener = await control.listen(cloud.ctx, cloud.hosts, host, port, api=cloud.app)
    except OSError as e:
        raise Failure(f"cannot listen for agents on {cloud.config.agents.listen}: {e.strerror}") from e
    cloud.trust_agents(listener.context)
    try:
        yield
    finally:
        await listener.server.stop(1.0)


async def api(
    config: Config, sockets: Sequence[socket.socket], tls: Secure | None, ready: Callable[[], None], *, first: bool
) -> None:
    """Answer requests until SIGTERM. The `first` process of a machine also takes the posts of agents, if anybody does."""
    stop = stop_event()
    listening = first and bool(config.agents.listen)
    async with opened(config, listening=listening) as cloud, speaking_to_agents(cloud, listening=listening):
        listeners = [Listener(sock=sock, tls=tls.context if tls else None) for sock in sockets]
        server = Server(cloud.app, config.http, listeners, ids=cloud.ids)
        await server.start()
        await cloud.start(work=False)
        settle_memory()
        ready()
        logger.info("Serving.")
        await stop.wait()
        cloud.end_streams()
        await server.stop(GRACE_S)


async def worker(config: Config, ready: Callable[[], None]) -> None:
    """Run operations until SIGTERM."""
    stop = stop_event()
    async with opened(config) as cloud, speaking_to_agents(cloud):
        await cloud.start()
        settle_memory()
        ready()
        logger.info("Working.")
        await stop.wait()


def stop_event() -> asyncio.Event:
    """Set by SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def settle_memory() -> None:
    """What the start has made stays for ever: the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()


def run(main: Callable[[], object]) -> None:
    """Run a coroutine function to its end in an event loop of its own."""
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())  # type: ignore[arg-type]


def allow_open_files(config: Config) -> None:
    """As many as there may be connections, as far as the machine lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.http.connections + FILES_BESIDE_CONNECTIONS
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))


def at(config: Config, state: Path, *, log_file: str | None = None) -> Config:
    """The options with what follows from the state directory."""
    logs = config.log if log_file is None else msgspec.structs.replace(config.log, file=str(state / log_file))
    return msgspec.structs.replace(config, state=str(state), log=logs)


def start_log(config: Config) -> log.Writer:
    """Raises Failure."""
    try:
        return log.start(config.log)
    except OSError as e:
        raise Failure(f"the log {config.log.file} cannot be written: {e.strerror}") from e
