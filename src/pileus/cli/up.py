"""`pileus up`: a whole cloud in this process."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pileus.cli import Failure, process
from pileus.cli.listeners import Secure, listen, listeners, secure
from pileus.cli.settings import configuration
from pileus.cli.state import locked, open_state, pid_file, write_client_files
from pileus.kernel.config import Config
from pileus.kernel.http.server import Server
from pileus.world import ensure_admin, keep_first_state

logger = logging.getLogger("pileus.up")

LOG_FILE = "pileus.log"
EPHEMERAL = "ephemeral"  # marks a state that is gone at the end, so that what a kill left may be cleared away
SAID = """\
Pileus serves {url} (pid {pid}); stop it with Ctrl-C or `kill {pid}`; its log is {log}
  export OS_CLIENT_CONFIG_FILE={clouds} OS_CLOUD=pileus
  openstack token issue
"""


@dataclass(frozen=True)
class Simulation:
    """How much of the cloud is simulated."""

    hosts: int
    seed: int | None


def run(asked: argparse.Namespace) -> int:
    simulation = simulated(asked)
    with contextlib.ExitStack() as stack:
        if asked.ephemeral:
            asked.state = str(stack.enter_context(ephemeral(asked.state)))
        config, origins = configuration(asked)
        state = Path(config.state).absolute()
        open_state(state)
        stack.enter_context(locked(state))
        config = process.at(config, state, log_file=None if "log.file" in origins else LOG_FILE)
        stack.callback(process.start_log(config).close)
        stack.enter_context(pid_file(state, "api"))
        process.allow_open_files(config)
        process.run(partial(serve, config, simulation))
    return 0


def simulated(asked: argparse.Namespace) -> Simulation:
    """Raises Failure for what only a simulated cloud can do."""
    hosts = asked.simulate_hosts or (1 if asked.simulate else 0)
    if asked.seed is not None and not hosts:
        raise Failure("--seed is for simulated clouds: add --simulate")
    return Simulation(hosts, asked.seed)


@contextlib.contextmanager
def ephemeral(named: str | None) -> Iterator[Path]:
    """A state that is gone when the block ends. A named one must be new, empty, or left by a cloud of this kind."""
    state = Path(tempfile.mkdtemp(prefix="pileus-")) if named is None else Path(named).absolute()
    if state.exists() and any(state.iterdir()) and not (state / EPHEMERAL).exists():
        raise Failure(f"{state} holds something already, and --ephemeral would delete it; name another by --state")
    open_state(state)
    with locked(state):
        for left in state.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
            elif left.name != "lock":
                left.unlink()
        (state / EPHEMERAL).touch()
    try:
        yield state
    finally:
        shutil.rmtree(state, ignore_errors=True)


async def serve(config: Config, simulation: Simulation) -> None:
    """Serve until SIGTERM or SIGINT. Raises Failure."""
    stop = process.stop_event()
    encrypted = secure(config)
    opened = process.opened(config, listening=bool(config.agents.listen), hosts=simulation.hosts, seed=simulation.seed)
    async with opened as cloud, contextlib.AsyncExitStack() as stack:
        if config.agents.listen:
            await stack.enter_async_context(process.speaking_to_agents(cloud, listening=True))
        tls = encrypted.context if encrypted else None
        server = Server(cloud.app, config.http, listeners(config, cloud.app, tls), ids=cloud.ids)
        url = await listen(server, config)
        stack.push_async_callback(server.stop, process.GRACE_S)
        stack.callback(cloud.end_streams)
        password = await ensure_admin(cloud)
        await keep_first_state(cloud)
        await cloud.start()
        say(config, url, password, encrypted)
        process.settle_memory()
        await stop.wait()
        logger.info("Stopping.")


def say(config: Config, url: str, password: str, encrypted: Secure | None) -> None:
    """Tell clients by their files, and people by three lines."""
    state = Path(config.state)
    if password:
        ca = encrypted.ca if encrypted else None
        write_client_files(state, url, password, region=config.api.region, ca=ca)
    else:
        logger.warning("clouds.yaml is as it was: admin.password, which it is made from, is not there.")
    where = config.log.file or "standard error"
    sys.stdout.write(SAID.format(url=url, pid=os.getpid(), log=where, clouds=state / "clouds.yaml"))
    sys.stdout.flush()
    logger.info("Serving.", extra={"facts": {"url": url, "state": str(state)}})
