"""Daemons that outlive us: started when they are not there, adopted when they are, started again when they die.

A daemon of OVS or OVN holds a lock on its pid file as long as it lives. Who asks for the lock is told the pid of who has it:
that is never somebody else's process, however old the file. A pidfd then tells of its end, whoever its parent is.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import struct
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pileus.kernel.clock import Clock
from pileus.kernel.errors import Unavailable

logger = logging.getLogger("pileus.overlay")

STARTS_WITHIN_S = 30.0
ENDS_WITHIN_S = 10.0
STEADY_S = 30.0  # who lived that long begins anew at once
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
FLOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, pid


@dataclass(frozen=True)
class Daemon:
    """A program that detaches itself and writes and locks `home/NAME.pid`."""

    name: str
    home: Path
    command: Sequence[str]
    netns: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def pid_file(self) -> Path:
        return self.home / f"{self.name}.pid"

    def pid(self) -> int | None:
        """Of the one that runs."""
        return holder(self.pid_file)

    async def start(self) -> None:
        """Return when it is ready. Raises Unavailable with what it said."""
        await run(*self.command, netns=self.netns, environment=self.environment, within_s=STARTS_WITHIN_S)

    async def end(self, number: int = signal.SIGTERM) -> None:
        """It runs no more; by SIGKILL if it does not listen."""
        while (pid := self.pid()) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(ENDS_WITHIN_S):
                    await ended(pid)
            number = signal.SIGKILL
        self.pid_file.unlink(missing_ok=True)


def holder(pid_file: Path) -> int | None:
    """Who holds the lock of the file; None when nobody does."""
    try:
        with open(pid_file, "rb+") as file:
            asked = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            answer = FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except FileNotFoundError:
        return None
    return None if answer[0] == fcntl.F_UNLCK else int(answer[4])


async def ended(pid: int) -> None:
    """Return when the process has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(fd, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)


async def run(
    *command: str, netns: str = "", environment: Mapping[str, str] | None = None, within_s: float = 10.0
) -> str:
    """What the command prints, run in that network namespace. Raises Unavailable with what it complained of."""
    words = (*inside(netns), *command)
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
    except OSError as e:
        raise Unavailable(f"{words[0]} cannot be run: {e.strerror}; is its package installed?") from e
    try:
        async with asyncio.timeout(within_s):
            output, complaint = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Unavailable(f"{' '.join(command)} does not end.") from None
    if process.returncode:
        raise Unavailable(f"{' '.join(command)}: {(complaint or output).decode(errors='replace').strip()}")
    return output.decode()


def inside(netns: str) -> tuple[str, ...]:
    return ("nsenter", f"--net=/run/netns/{netns}") if netns else ()


def begin(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Run it beside everything else. It ends when it is cancelled; another end is told to the log."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(tell_end)
    return task


def tell_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("%s has stopped: %r", task.get_name(), error, exc_info=error)


class Keeper:
    """Sees to it that daemons run, until it is stopped; then they run on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watching: list[asyncio.Task[None]] = []

    async def ensure(self, daemon: Daemon) -> None:
        """It runs and is watched. Raises Unavailable when it cannot be started."""
        if daemon.pid() is None:
            await daemon.start()
        else:
            logger.info("A daemon is adopted.", extra={"facts": {"daemon": daemon.name, "pid": daemon.pid()}})
        self._watching.append(begin(self._watch(daemon), f"daemon {daemon.name}"))

    async def stop(self) -> None:
        """Watch no more."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        self._watching.clear()

    async def _watch(self, daemon: Daemon) -> None:
        pause_s = 0.0
        while True:
            since = self._clock.monotonic()
            if (pid := daemon.pid()) is not None:
                await ended(pid)
            steady = self._clock.monotonic() - since > STEADY_S
            logger.error("A daemon has died.", extra={"facts": {"daemon": daemon.name, "pid": pid}})
            await self._clock.sleep(0.0 if steady else pause_s)
            pause_s = FIRST_PAUSE_S if steady else min(max(FIRST_PAUSE_S, 2 * pause_s), LONGEST_PAUSE_S)
            try:
                await daemon.start()
            except Unavailable as e:
                logger.error("A daemon cannot be started: %s", e.message)
