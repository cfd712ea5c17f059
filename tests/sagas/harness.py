"""Worlds, troubles at seams, and crashes: a fork of this warm process dies where it is told to."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import shutil
import signal
import tempfile
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from demo.world import DemoWorld
from pileus.kernel.db import open_database
from pileus.kernel.operations import Op, Seam
from pileus.kernel.operations.carry import SeamHook
from pileus.kernel.operations.tables import operations
from sagas.scenario import Scenario
from support.databases import DATABASE, sqlite_database
from support.workers import successor

HOSTS, BEGUN = "hosts", "begun"  # beside the database


def run_in(url: str, home: Path, work: Callable[[DemoWorld], Awaitable[Any]]) -> Any:
    """Do the work in a world of its own on that database and those hosts, in a fresh event loop."""

    async def go() -> Any:
        database = open_database(url, pool_size=4)
        await database.start()
        try:
            return await work(DemoWorld(database, home))
        finally:
            await database.close()

    return asyncio.run(go())


@dataclass(frozen=True)
class Begun:
    """A scenario that has begun: its database and hosts, its subject, and what time it was."""

    url: str
    home: Path
    subject: Any
    at: float


def begun(scenario: Scenario, url: str, home: Path) -> Begun:
    async def begin(world: DemoWorld) -> Begun:
        return Begun(url, home, await scenario.begin(world), world.clock.now())

    with ThreadPoolExecutor(1) as beside:  # an event loop may run in this thread
        found: Begun = beside.submit(run_in, url, home, begin).result()
    return found


class Beginnings:
    """On SQLite a scenario begins once, for all its tests in all processes of a test run: each goes on with a copy."""

    def __init__(self, run: Path) -> None:
        self._run, self._folder = run, run / "scenarios"
        self._folder.mkdir(exist_ok=True)

    def copy(self, scenario: Scenario, name: str, to: Path) -> Begun:
        made = self._folder / name
        if not made.exists():
            self._make(scenario, made)
        database = shutil.copyfile(made / DATABASE, to / DATABASE)
        if (made / HOSTS).exists():
            shutil.copytree(made / HOSTS, to / HOSTS)
        subject, at = pickle.loads((made / BEGUN).read_bytes())
        return Begun(f"sqlite:///{database}", to / HOSTS, subject, at)

    def _make(self, scenario: Scenario, to: Path) -> None:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        with sqlite_database(self._run, folder) as url:
            made = begun(scenario, url, folder / HOSTS)
        (folder / BEGUN).write_bytes(pickle.dumps((made.subject, made.at)))
        with suppress(OSError):  # another process has been quicker
            folder.rename(to)


def killed_by(url: str, home: Path, work: Callable[[DemoWorld], Awaitable[Any]]) -> int:
    """Do the work in a fork; returns the signal that ended it, 0 if none did. What fails there is printed."""
    child = os.fork()
    if child == 0:
        gc.disable()  # it would copy what it looks at
        try:
            run_in(url, home, work)
        except BaseException:
            traceback.print_exc()
            os._exit(70)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)


def at(saga: str, step: str, when: str, do: Callable[[Op], Awaitable[None]], *, way: str = "running") -> SeamHook:
    """A hook that does something each time this seam is reached."""

    async def hook(seam: Seam, op: Op) -> None:
        if (seam.saga, seam.step, seam.when, seam.way) == (saga, step, when, way):
            await do(op)

    return hook


async def die(op: Op) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def take_over(world: DemoWorld) -> None:
    """What another worker does after the death of the first: watch its lease run out, then finish the work."""
    worker = await successor(world.ctx())
    await worker.drain()


async def states(world: DemoWorld, subject_id: Any) -> list[str]:
    """The states of the operations on this subject, oldest first."""
    query = sa.select(operations.c.state).where(operations.c.subject_id == subject_id).order_by(operations.c.created_at)
    return list((await world.ctx().execute(query)).scalars())
