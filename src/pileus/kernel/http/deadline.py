"""A time by which something must have happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls `late` once it is passed. Moving it costs nothing: the timer looks again when it fires."""

    __slots__ = ("_at", "_late", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._at = 0.0
        self._late: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float, late: Callable[[], None]) -> None:
        self._at, self._late = self._loop.time() + seconds, late
        if self._timer is not None and self._timer.when() <= self._at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._at, self._look)

    def is_for(self, late: Callable[[], None]) -> bool:
        return self._late == late

    def clear(self) -> None:
        self._late = None

    def end(self) -> None:
        """Never call again, and hold nothing."""
        self._late = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        late = self._late
        if late is None:
            return
        if self._loop.time() < self._at:
            self._timer = self._loop.call_at(self._at, self._look)
            return
        self._late = None
        late()
