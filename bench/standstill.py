"""Whether the machine itself stood still: a guest whose host gave its processors to others cannot tell that from a stall.

    python -m bench.standstill      until its input ends; then one line of JSON: [[from, to], ...], seconds, monotonic

It looks a thousand times a second, before everybody else on this machine where it may (SCHED_FIFO).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TICK_S = 0.001
GAP_S = 0.003

Gaps = list[tuple[float, float]]


@asynccontextmanager
async def standstills() -> AsyncIterator[Gaps]:
    """Those of the block; known at its end."""
    gaps: Gaps = []
    watch = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.standstill", stdin=PIPE, stdout=PIPE)
    yield gaps
    said, _ = await watch.communicate(b"")  # which closes its input
    gaps += json.loads(said)


def within(gaps: Gaps, begin: float, end: float) -> float:
    """Seconds between those moments in which the machine stood still."""
    return sum(max(0.0, min(end, b) - max(begin, a)) for a, b in gaps)


def look() -> Gaps:
    gaps, before = [], time.monotonic()
    while not select.select([sys.stdin], [], [], TICK_S)[0]:
        now = time.monotonic()
        if now - before > GAP_S:
            gaps.append((before + TICK_S, now))
        before = now
    return gaps


if __name__ == "__main__":
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    print(json.dumps(look()))
