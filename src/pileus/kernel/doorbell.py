"""What wakes a worker. A lost ring costs one poll interval, never correctness."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Doorbell(Protocol):
    """Rung after a commit that gave workers something to do."""

    def ring(self) -> None:
        """Wake whoever waits. Never blocks, never fails."""
        ...

    async def wait(self, timeout_s: float) -> None:
        """Return when it was rung since the last return, or after `timeout_s`."""
        ...


class LocalDoorbell:
    """An event in the process."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()
