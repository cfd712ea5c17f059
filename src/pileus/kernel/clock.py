"""Time, as something that can be given to a cloud.

Wall time (`now`) only stamps; decisions about "how long" use `monotonic`. Simulated clouds get a `SteppingClock`, whose
time moves when told, so that a test of an hour takes a millisecond and the same seed gives the same times.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch, UTC. May jump when an operator sets the clock."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock's time."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SteppingClock:
    """A clock that stands still until `advance` moves it; each `now` adds a microsecond, so that stamps keep their order."""

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        self._now = self._start = start
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        self._now += 1e-6
        return self._now

    def monotonic(self) -> float:
        return self._now - self._start

    async def sleep(self, seconds: float) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, done))
        await done

    def advance(self, seconds: float) -> None:
        """Move time forward and wake whoever slept until then."""
        self._now += seconds
        due = [f for until, f in self._sleepers if until <= self._now]
        self._sleepers = [(until, f) for until, f in self._sleepers if until > self._now]
        for future in due:
            if not future.done():
                future.set_result(None)


@lru_cache(4096)  # a list shows the same times again and again
def iso(seconds: float, *, microseconds: bool = False) -> str:
    """ISO 8601 in UTC with a Z, as the APIs show time: 2026-01-31T12:00:00Z, or with six decimals."""
    stamp = datetime.fromtimestamp(seconds, UTC)  # isoformat costs a third of strftime
    return stamp.isoformat(timespec="microseconds" if microseconds else "seconds")[:-6] + "Z"
