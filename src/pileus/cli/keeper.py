"""Keeps the processes of a cloud whose host is this machine: the control process and the agent.

Each is started anew when it ends. The control process ends with the keeper, however that ends; the agent outlives it,
and is adopted by the next keeper. The keeper itself does nothing that could fail: it opens no database and no engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

import pileus
from pileus.agent.wiring import Wiring
from pileus.cli import Failure
from pileus.cli.orders import Orders, Served
from pileus.cli.rooms import Rooms
from pileus.kernel.clock import SystemClock

logger = logging.getLogger("pileus.keeper")

COMMAND = (sys.executable, "-P", "-m", "pileus.cli")
AGENT_LOCK = "agent.lock"
GRACE_S = 20.0
STEADY_S = 30.0  # who lived that long begins anew at once
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 30.0


@dataclass
class Running:
    """A process, ours or one that was found. `pidfd` stays this process', even when the number is another's."""

    pid: int
    pidfd: int
    popen: subprocess.Popen[bytes] | None = None

    @classmethod
    def of(cls, popen: subprocess.Popen[bytes]) -> Running:
        return cls(popen.pid, os.pidfd_open(popen.pid), popen)

    async def ended(self) -> int | None:
        """Return when it has ended; its exit status, if it was ours."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.pidfd, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(self.pidfd)
        return None if self.popen is None else self.popen.wait()

    async def end(self) -> None:
        """Ask it to end; insist, if it does not. Return when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)
        try:
            async with asyncio.timeout(GRACE_S):
                await self.ended()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            await self.ended()


class Kept:
    """A process that is started anew whenever it ends, until `stop`."""

    def __init__(self, name: str, start: Callable[[], Awaitable[Running]]) -> None:
        self._name, self._start = name, start
        self._clock = SystemClock()
        self._running: Running | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and return when it is ready. Raises Failure."""
        self._running = await self._start()
        self._task = asyncio.create_task(self._keep(), name=f"keeps the {self._name}")

    async def _keep(self) -> None:
        pause_s = 0.0
        while True:
            assert self._running is not None
            began = time.monotonic()
            status = await self._running.ended()
            os.close(self._running.pidfd)
            pause_s = 0.0 if time.monotonic() - began > STEADY_S else pause_s
            self._running = None
            while self._running is None:
                facts = {"process": self._name, "status": status, "again_in_s": pause_s}
                logger.error("A process has ended.", extra={"facts": facts})
                await self._clock.sleep(pause_s)
                pause_s = min(max(FIRST_PAUSE_S, 2 * pause_s), LONGEST_PAUSE_S)
                with contextlib.suppress(Failure, OSError):
                    self._running = await self._start()

    async def stop(self) -> None:
        """End it, and do not start it again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._running is not None:
            await self._running.end()


@dataclass
class Control:
    """How the control process is started: as another user, with its orders on standard input."""

    orders: Orders
    served: Served | None = None

    async def start(self) -> Running:
        """Return when it serves. Raises Failure; it has said why on standard error."""
        popen = spawn((*COMMAND[:-1], "pileus.cli.child"), msgspec.json.encode(self.orders))
        line = await first_line(popen)
        try:
            self.served = msgspec.json.decode(line, type=Served)
        except msgspec.DecodeError:
            popen.kill()
            raise Failure(f"the control process did not start (exit status {popen.wait()})") from None
        # the address that clients know stays, when it was the system that chose the port
        api = msgspec.structs.replace(self.orders.config.api, listen=self.served.listen)
        config = msgspec.structs.replace(self.orders.config, api=api)
        self.orders = msgspec.structs.replace(self.orders, config=config)
        return Running.of(popen)


@dataclass(frozen=True)
class Agent:
    """How the agent is started, or found: one that outlived its keeper goes on, if it is of this release."""

    rooms: Rooms
    log: Path
    simulate: bool
    commander: int
    wiring: Wiring

    async def start(self) -> Running:
        """Return when it listens. Raises Failure."""
        found = running_agent(self.rooms.host / AGENT_LOCK)
        if found is not None and found.release == pileus.__version__:
            logger.info("An agent was running already.", extra={"facts": {"pid": found.process.pid}})
            return found.process
        if found is not None:
            await found.process.end()
        popen = spawn((*COMMAND, *self._words()), session=True)
        if not await first_line(popen):
            raise Failure(f"the agent did not start (exit status {popen.wait()})")
        return Running.of(popen)

    def _words(self) -> list[str]:
        words = ["serve", "agent", "--state", str(self.rooms.host), "--log", str(self.log)]
        words += ["--control", f"unix:{self.rooms.control_socket}", "--listen", f"unix:{self.rooms.agent_socket}"]
        words += ["--commander", str(self.commander), *self.wiring.words()]
        return [*words, *(["--simulate"] if self.simulate else [])]


@dataclass(frozen=True)
class Found:
    """An agent that runs already."""

    process: Running
    release: str


def running_agent(lock: Path) -> Found | None:
    """Who holds this lock, by what the file says."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError), open(lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, release = file.read().split()
            return Found(Running(int(pid), os.pidfd_open(int(pid))), release)
    return None


def spawn(words: tuple[str, ...], said: bytes = b"", *, session: bool = False) -> subprocess.Popen[bytes]:
    """A process to which this was said on its standard input. Raises Failure."""
    pipe = subprocess.PIPE
    try:
        popen = subprocess.Popen(words, stdin=pipe, stdout=pipe, cwd="/", start_new_session=session)  # noqa: S603 (ours)
    except OSError as e:
        raise Failure(f"{words[0]} cannot be started: {e.strerror}") from e
    assert popen.stdin is not None
    with contextlib.suppress(BrokenPipeError), popen.stdin as to_it:
        to_it.write(said)
    return popen


async def first_line(popen: subprocess.Popen[bytes]) -> bytes:
    """The first line it says, which tells that it is ready; empty when it ends without one. Ends it when cancelled."""
    assert popen.stdout is not None
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), popen.stdout)
    try:
        return await reader.readline()
    except asyncio.CancelledError:
        popen.terminate()
        raise
    finally:
        pipe.close()


async def keep(control: Control, agent: Agent, ready: Callable[[Served], None]) -> None:
    """Keep both until SIGTERM or SIGINT; `ready` is called when the cloud serves. Raises Failure."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    kept = [Kept("agent", agent.start), Kept("control process", control.start)]
    starting = asyncio.create_task(start_all(kept))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            await starting
            assert control.served is not None
            ready(control.served)
        await stopping
    finally:
        starting.cancel()
        stopping.cancel()
        await asyncio.wait({starting})
        for each in reversed(kept):
            await each.stop()


async def start_all(kept: Sequence[Kept]) -> None:
    """All at once; none goes on when one cannot. Raises Failure."""
    tasks = [asyncio.create_task(each.start()) for each in kept]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
