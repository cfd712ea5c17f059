"""What a cloud takes that nobody asks anything."""

from __future__ import annotations

import asyncio

from bench.machine import pss_mb
from bench.peer.operations import Desk, Figures, Operation, Scene

SETTLE_S = 10.0


async def settle(_: Desk) -> None:
    await asyncio.sleep(SETTLE_S)


async def idle(desk: Desk) -> Figures:
    """Memory of all processes, each page counted once, and CPU in parts of a core."""
    with desk.watched() as use:
        await asyncio.sleep(3 * desk.seconds)
    return {"pss_mb": sum(map(pss_mb, desk.side.pids)), "cpu_percent": 100 * use.cpu_s / use.seconds}


SCENES = [Scene((Operation("idle", "idle", idle),), settle)]
