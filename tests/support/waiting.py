"""The one place where tests look again after a while: at a process or a file, which can ring no bell here."""

from __future__ import annotations

import asyncio


async def pause(seconds: float) -> None:
    """Between two looks, in a loop that something bounds. Never instead of an event, a port, or the cloud's clock."""
    await asyncio.sleep(seconds)
