"""The control process of a cloud on one machine: API and worker. Alone, or with a keeper and the agent of this machine."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import msgspec

from pileus.beginnings import ensure_admin, keep_first_state
from pileus.cli import process
from pileus.cli.listeners import Secure, listen, listeners, secure
from pileus.cli.orders import LocalAgent, Orders, Served, Simulation
from pileus.kernel import hosts
from pileus.kernel.config import Config
from pileus.kernel.http.server import Server
from pileus.world import Cloud

logger = logging.getLogger("pileus.control")

Ready = Callable[[Served], None]


def obey(orders: Orders) -> None:
    """Serve as a keeper has said, and tell it. Raises Failure."""
    writer = process.start_log(orders.config)
    process.allow_open_files(orders.config)
    try:
        process.run(partial(serve, orders.config, Simulation(0, None), tell, agent=orders.agent))
    finally:
        writer.close()


def tell(served: Served) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.buffer.write(msgspec.json.encode(served) + b"\n")
        sys.stdout.buffer.flush()


async def serve(config: Config, simulation: Simulation, ready: Ready, *, agent: LocalAgent | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Raises Failure."""
    stop = process.stop_event()
    encrypted = secure(config)
    listening = bool(config.agents.listen or agent)
    opened = process.opened(config, listening=listening, hosts=simulation.hosts, seed=simulation.seed)
    async with opened as cloud, contextlib.AsyncExitStack() as stack:
        if config.agents.listen:
            await stack.enter_async_context(process.speaking_to_agents(cloud, listening=True))
        if agent is not None:
            await stack.enter_async_context(speaking_to_local_agent(cloud, agent))
        tls = encrypted.context if encrypted else None
        server = Server(cloud.app, config.http, listeners(config, tls), ids=cloud.ids)
        url, where = await listen(server, config)
        stack.push_async_callback(server.stop, process.GRACE_S)
        stack.callback(cloud.end_streams)
        password = await ensure_admin(cloud)
        await keep_first_state(cloud)
        await cloud.start()
        ready(Served(url=url, listen=where, password=password, ca=ca_path(encrypted)))
        logger.info("Serving.", extra={"facts": {"url": url, "state": config.state}})
        process.settle_memory()
        await stop.wait()
        logger.info("Stopping.")


def ca_path(encrypted: Secure | None) -> str | None:
    return str(encrypted.ca) if encrypted and encrypted.ca else None


@contextlib.asynccontextmanager
async def speaking_to_local_agent(cloud: Cloud, agent: LocalAgent) -> AsyncIterator[None]:
    """Inside the block this machine is a host."""
    from pileus.agent import control
    from pileus.agent.wiring import local_name

    name = local_name()
    await hosts.ensure_behind_socket(cloud.ctx, name, agent.listens)
    server = await control.listen_to_local(
        cloud.ctx, cloud.hosts, Path(agent.posts), name, agent=agent.uid, api=cloud.app
    )
    if cloud.agents is None:
        cloud.trust_agents(None)
    try:
        yield
    finally:
        await server.stop(1.0)
