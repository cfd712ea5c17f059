"""Keeps N processes running: a fork of this one each, started anew when it dies, ended with this one.

They are forks of a process that has imported everything, so they share its memory; they share its listening sockets, so
a connection that waits while one of them dies is taken by another.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from pileus.cli import Failure

logger = logging.getLogger("pileus.supervisor")

PR_SET_PDEATHSIG = 1
SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
STEADY_S = 30.0  # who lived that long begins anew at once
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 30.0

Ready = Callable[[], None]


@dataclass
class Place:
    """One of the N."""

    index: int
    started_at: float = 0.0
    pause_s: float = 0.0
    due_at: float | None = None  # None: it runs


class Supervisor:
    """Runs `child(index, ready)` in `count` forks. A child calls `ready` when it serves; it ends by SIGTERM."""

    def __init__(self, child: Callable[[int, Ready], None], count: int) -> None:
        self._child = child
        self._places = [Place(index) for index in range(count)]
        self._running: dict[int, Place] = {}

    def start(self) -> None:
        """Start all and return when all are ready. Raises Failure when one of them is not: it has said why."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        for place in self._places:
            if not self._fork(place, wait=True):
                self._end()
                raise Failure("a process could not start")

    def watch(self) -> None:
        """Start who dies anew; return when SIGTERM or SIGINT has come and all have ended."""
        while True:
            number = self._next_signal()
            if number in (signal.SIGTERM, signal.SIGINT):
                self._end()
                return
            self._reap()
            for place in self._places:
                if place.due_at is not None and place.due_at <= time.monotonic():
                    self._fork(place)

    def _next_signal(self) -> int | None:
        due = [place.due_at for place in self._places if place.due_at is not None]
        if not due:
            return signal.sigwait(SIGNALS)
        found = signal.sigtimedwait(SIGNALS, max(0.0, min(due) - time.monotonic()))
        return found.si_signo if found else None

    def _fork(self, place: Place, *, wait: bool = False) -> bool:
        """Whether the child runs; with `wait`, whether it became ready."""
        reading, writing = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            self._be_child(place.index, parent, writing)
        os.close(writing)
        place.started_at, place.due_at = time.monotonic(), None
        self._running[pid] = place
        is_ready = bool(os.read(reading, 1)) if wait else True
        os.close(reading)
        return is_ready

    def _be_child(self, index: int, parent: int, writing: int) -> None:
        """Never returns."""
        status = 1
        try:
            die_with(parent)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._child(index, lambda: tell(writing))
            status = 0
        except Failure as e:
            print(f"pileus: {e}", file=sys.stderr)
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            logging.shutdown()
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            place = self._running.pop(pid)
            now = time.monotonic()
            steady = now - place.started_at > STEADY_S
            place.pause_s = 0.0 if steady else min(max(FIRST_PAUSE_S, 2 * place.pause_s), LONGEST_PAUSE_S)
            place.due_at = now + place.pause_s
            facts = {"pid": pid, "status": os.waitstatus_to_exitcode(status), "again_in_s": place.pause_s}
            logger.error("A process has died.", extra={"facts": facts})

    def _end(self) -> None:
        for pid in self._running:
            os.kill(pid, signal.SIGTERM)
        for pid in list(self._running):
            os.waitpid(pid, 0)
        self._running.clear()


def tell(writing: int) -> None:
    """Say that we are ready; nobody may listen any more."""
    try:
        os.write(writing, b".")
    except BrokenPipeError:
        return
    os.close(writing)


def die_with(parent: int) -> None:
    """SIGTERM when the parent ends, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was quicker
        os._exit(1)
