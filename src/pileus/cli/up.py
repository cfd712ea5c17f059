"""`pileus up`: a whole cloud in this process."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import uvloop

from pileus.cli import Failure
from pileus.cli.listeners import Secure, listen, listeners, secure
from pileus.cli.settings import configuration
from pileus.cli.state import locked, open_state, pid_file, write_client_files
from pileus.kernel import config as options
from pileus.kernel import log
from pileus.kernel.config import Config
from pileus.kernel.errors import CloudError
from pileus.kernel.http.server import Server
from pileus.kernel.migrate import SchemaError
from pileus.kernel.policy import PolicyError
from pileus.kernel.seal import SealError
from pileus.world import Cloud, ensure_admin, open_cloud

logger = logging.getLogger("pileus.up")

GRACE_S = 10.0
LEFTOVER = "ephemeral"  # marks a state that is gone at the end, so that what a kill left may be cleared away
SAID = """\
Pileus serves {url} (pid {pid}); stop it with Ctrl-C or `kill {pid}`; its log is {log}
  export OS_CLIENT_CONFIG_FILE={clouds} OS_CLOUD=pileus
  openstack token issue
"""

CANNOT_OPEN = (CloudError, SchemaError, SealError, PolicyError, options.ConfigError)


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
        config = at(config, state, own_log="log.file" not in origins)
        stack.callback(start_log(config).close)
        stack.enter_context(pid_file(state, "api"))
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(serve(config, simulation))
    return 0


def simulated(asked: argparse.Namespace) -> Simulation:
    """Raises Failure for what only a simulated cloud can do."""
    hosts = asked.simulate_hosts or (1 if asked.simulate else 0)
    if asked.seed is not None and not hosts:
        raise Failure("--seed is for simulated clouds: add --simulate")
    return Simulation(hosts, asked.seed)


def at(config: Config, state: Path, *, own_log: bool) -> Config:
    """The options with what follows from the state directory."""
    logs = msgspec.structs.replace(config.log, file=str(state / "pileus.log")) if own_log else config.log
    return msgspec.structs.replace(config, state=str(state), log=logs)


def start_log(config: Config) -> log.Writer:
    try:
        return log.start(config.log)
    except OSError as e:
        raise Failure(f"the log {config.log.file} cannot be written: {e.strerror}") from e


@contextlib.contextmanager
def ephemeral(named: str | None) -> Iterator[Path]:
    """A state that is gone when the block ends. A named one must be new, empty, or left by a cloud of this kind."""
    if named is None:
        state = Path(tempfile.mkdtemp(prefix="pileus-"))
    else:
        state = Path(named).absolute()
        if state.exists() and any(state.iterdir()) and not (state / LEFTOVER).exists():
            raise Failure(f"{state} holds something already, and --ephemeral would delete it; name another by --state")
        open_state(state)
    with locked(state):
        for left in state.iterdir():
            if left.name != "lock":
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        (state / LEFTOVER).touch()
    try:
        yield state
    finally:
        shutil.rmtree(state, ignore_errors=True)


async def serve(config: Config, simulation: Simulation) -> None:
    """Serve until SIGTERM or SIGINT. Raises Failure."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    encrypted = secure(config)
    cloud = await opened(config, simulation)
    try:
        password = await ensure_admin(cloud)
        tls = encrypted.context if encrypted else None
        server = Server(cloud.app, config.http, listeners(config, cloud.app, tls), ids=cloud.ids)
        url = await listen(server, config)
        await cloud.start()
        say(config, url, password, encrypted)
        gc.collect()
        gc.freeze()
        await stop.wait()
        logger.info("Stopping.")
        await server.stop(GRACE_S)
    finally:
        await cloud.stop()


async def opened(config: Config, simulation: Simulation) -> Cloud:
    try:
        return await open_cloud(config, simulate_hosts=simulation.hosts, seed=simulation.seed)
    except CANNOT_OPEN as e:
        raise Failure(str(e)) from e


def say(config: Config, url: str, password: str, encrypted: Secure | None) -> None:
    """Tell clients by their files, and people by three lines."""
    state = Path(config.state)
    write_client_files(state, url, password, region=config.api.region, ca=encrypted.ca if encrypted else None)
    where = config.log.file or "standard error"
    sys.stdout.write(SAID.format(url=url, pid=os.getpid(), log=where, clouds=state / "clouds.yaml"))
    sys.stdout.flush()
    logger.info("Serving.", extra={"facts": {"url": url, "state": str(state)}})
