"""`pileus up`: a whole cloud on this machine."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec

from pileus.agent.wiring import Wiring
from pileus.cli import Failure, importing
from pileus.cli.orders import LocalAgent, Orders, Served, Simulation
from pileus.cli.rooms import open_rooms, user_named
from pileus.cli.settings import configuration
from pileus.cli.state import locked, open_state, pid_file, write_client_files
from pileus.kernel import log
from pileus.kernel.config import Config, Log, Network

logger = logging.getLogger("pileus.up")

LOG_FILE = "pileus.log"
EPHEMERAL = "ephemeral"  # marks a state that is gone at the end, so that what a kill left may be cleared away
SAID = """\
Pileus serves {url} (pid {pid}); stop it with Ctrl-C or `kill {pid}`; its log is {log}
  export OS_CLIENT_CONFIG_FILE={clouds} OS_CLOUD=pileus
  openstack token issue
"""


def run(asked: argparse.Namespace) -> int:
    simulation = simulated(asked)
    with contextlib.ExitStack() as stack:
        if asked.ephemeral:
            asked.state = str(stack.enter_context(ephemeral(asked.state)))
        config, origins = configuration(asked)
        config = msgspec.structs.replace(config, state=str(Path(config.state).absolute()))
        if asked.agent if asked.agent is not None else os.geteuid() == 0 and not simulation.hosts:
            run_with_agent(config, origins, stack, simulate=bool(simulation.hosts))
        else:
            run_alone(config, origins, stack, simulation)
    return 0


def run_alone(config: Config, origins: Mapping[str, str], stack: contextlib.ExitStack, simulation: Simulation) -> None:
    """API, worker and simulated hosts in this process."""
    with importing():
        from pileus.cli import control, process
    state = Path(config.state)
    open_state(state)
    stack.enter_context(locked(state))
    config = logging_to(config, origins, state)
    stack.callback(process.start_log(config).close)
    stack.enter_context(pid_file(state, "api"))
    process.allow_open_files(config)
    process.run(partial(control.serve, config, simulation, partial(say, config)))


def run_with_agent(config: Config, origins: Mapping[str, str], stack: contextlib.ExitStack, *, simulate: bool) -> None:
    """The control process and the agent of this machine as processes of their own, kept by this one."""
    import asyncio

    with importing():
        from pileus.cli.keeper import Agent, Control, keep

    user = user_named(config.user) if os.geteuid() == 0 else None
    state = Path(config.state)
    rooms = open_rooms(state, user)
    stack.enter_context(locked(state))
    stack.callback(log.start(Log(file=str(state / "keeper.log"))).close)
    stack.enter_context(pid_file(state, "up"))
    config = logging_to(config, origins, rooms.control)
    local = LocalAgent(listens=f"unix:{rooms.agent_socket}", posts=str(rooms.control_socket), uid=os.geteuid())
    inside = msgspec.structs.replace(config, state=str(rooms.control))
    control = Control(Orders(config=inside, agent=local, user=user, keeper=os.getpid()))
    agent = Agent(rooms, state / "agent.log", simulate, user.uid if user else os.geteuid(), wiring(config.network))
    if (state / EPHEMERAL).exists() and not simulate:
        stack.callback(end_all, state)
    asyncio.run(keep(control, agent, partial(say, config)))


def end_all(state: Path) -> None:
    """What real engines have started runs on without us: of a cloud that is gone at the end nothing may."""
    import asyncio

    from pileus.cli.down import down

    asyncio.run(down(state))


def wiring(network: Network) -> Wiring:
    """How this machine is wired, by the options."""
    return Wiring(
        netns=network.netns,
        physical_network=network.physical_networks[0] if network.physical_networks else "public",
        external=network.external_addresses if network.physical_networks else (),
        masquerade=network.masquerade,
        tunnel=network.tunnel,
        overlay=network.overlay_listen,
    )


def logging_to(config: Config, origins: Mapping[str, str], room: Path) -> Config:
    """The log of the control process is in its room, unless somebody said otherwise."""
    said = os.path.abspath(config.log.file) if config.log.file else ""
    file = said if "log.file" in origins else str(room / LOG_FILE)
    return msgspec.structs.replace(config, log=msgspec.structs.replace(config.log, file=file))


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


def say(config: Config, served: Served) -> None:
    """Tell clients by their files, and people by three lines."""
    state = Path(config.state)
    if served.password:
        ca = Path(served.ca) if served.ca else None
        write_client_files(state, served.url, served.password, region=config.api.region, ca=ca)
    else:
        logger.warning("clouds.yaml is as it was: admin.password, which it is made from, is not there.")
    where = config.log.file or "standard error"
    sys.stdout.write(SAID.format(url=served.url, pid=os.getpid(), log=where, clouds=state / "clouds.yaml"))
    sys.stdout.flush()
