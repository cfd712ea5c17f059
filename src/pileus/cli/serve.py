"""`pileus serve`: one role of a cloud on many machines. Imports the cloud only when the environment is set."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pileus.cli import Failure, importing
from pileus.cli.settings import configuration
from pileus.cli.state import open_state, pid_file
from pileus.cli.systemd import Systemd
from pileus.kernel.config import Config


def prepared(asked: argparse.Namespace) -> Config:
    """The options, for roles that share a PostgreSQL. Raises Failure."""
    config, _ = configuration(asked)
    if not config.database.url.startswith("postgres"):
        raise Failure(
            "processes share a database, and SQLite is for one: set database.url to a PostgreSQL, or say `pileus up`"
        )
    state = Path(config.state).absolute()
    open_state(state)
    return config


def api(asked: argparse.Namespace) -> int:
    systemd = Systemd()
    config = prepared(asked)
    state = Path(config.state).absolute()
    numbers = state / "run" / f"metrics-{os.getpid()}"
    numbers.mkdir(mode=0o700, parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(numbers)  # read when prometheus_client is imported
    with importing():
        from pileus.cli import listeners, process
        from pileus.cli.supervisor import Supervisor

    config = process.at(config, state)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, numbers, ignore_errors=True)
        stack.enter_context(pid_file(state, "api"))
        process.allow_open_files(config)
        encrypted = listeners.secure(config)
        sockets = [stack.enter_context(sock) for sock in listeners.shared_sockets(config)]
        url = listeners.url(config, sockets[0].getsockname()[1])

        def child(index: int, ready: Callable[[], None]) -> None:
            process.start_log(config)
            process.run(partial(process.api, config, sockets, encrypted, ready, first=index == 0))

        supervisor = Supervisor(child, asked.processes)
        supervisor.start()
        systemd.ready()
        print(f"Pileus serves {url} with {asked.processes} processes (pid {os.getpid()})", flush=True)
        process.start_log(config)
        supervisor.watch()
    return 0


def worker(asked: argparse.Namespace) -> int:
    systemd = Systemd()
    config = prepared(asked)
    with importing():
        from pileus.cli import process
    state = Path(config.state).absolute()
    config = process.at(config, state)
    process.start_log(config)

    def ready() -> None:
        systemd.ready(asyncio.get_running_loop())
        print(f"Pileus works (pid {os.getpid()})", flush=True)

    with pid_file(state, f"worker-{os.getpid()}"):
        process.run(partial(process.worker, config, ready))
    return 0


def agent(asked: argparse.Namespace) -> int:
    with importing():
        from pileus.agent.main import Options, run
        from pileus.agent.wire import AgentError
        from pileus.agent.wiring import Wiring
        from pileus.kernel import log
        from pileus.kernel.config import Log

    systemd = Systemd()
    options = Options(
        state=asked.state,
        control=asked.control,
        listen=asked.listen,
        join=asked.join,
        simulate=asked.simulate,
        advertise=asked.advertise,
        commander=asked.commander,
        central=asked.central,
        wiring=Wiring(
            netns=asked.netns,
            physical_network=asked.physical_network,
            external=tuple(asked.external),
            masquerade=asked.masquerade,
            tunnel=asked.tunnel,
            overlay=asked.overlay,
        ),
    )
    os.umask(0o077)
    log.start(Log(file=asked.log))

    def ready(where: str) -> None:
        systemd.ready(asyncio.get_running_loop())
        print(f"The agent listens on {where} (pid {os.getpid()})", flush=True)

    try:
        asyncio.run(run(options, ready=ready))
    except AgentError as e:
        raise Failure(str(e)) from e
    return 0
