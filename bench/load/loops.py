"""Closed loops: C workers, each with one request in flight."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time

from bench.load.cloud import Unexpected
from bench.load.samples import Sample


async def closed_loop(op, concurrency, duration, warmup=1):
    """C workers call op(i) back to back until `duration` seconds have passed."""
    sample, counter = Sample(), iter(range(10**9))
    sample.warmups = warmup * concurrency

    async def warm():
        for _ in range(warmup):
            with contextlib.suppress(Exception):
                await op(next(counter))

    if warmup:
        await asyncio.gather(*(warm() for _ in range(concurrency)))
    sample.start = time.perf_counter()
    stop = sample.start + duration

    async def worker():
        while time.perf_counter() < stop:
            t = time.perf_counter()
            try:
                n = await op(next(counter))
                sample.ok(time.perf_counter() - t, n or 0)
            except Exception as e:
                sample.fail(e if isinstance(e, Unexpected) else f"{type(e).__name__}: {e}")

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    sample.end = time.perf_counter()
    return sample


async def counted_loop(op, items, concurrency, limit_s):
    """C workers call op(item) once for every item, or until limit_s has passed."""
    sample, queue = Sample(), collections.deque(items)
    sample.start = time.perf_counter()
    stop = sample.start + limit_s

    async def worker():
        while queue and time.perf_counter() < stop:
            item = queue.popleft()
            t = time.perf_counter()
            try:
                n = await op(item)
                sample.ok(time.perf_counter() - t, n or 0)
            except Exception as e:
                sample.fail(e if isinstance(e, Unexpected) else f"{type(e).__name__}: {e}")

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    sample.end = time.perf_counter()
    if queue:
        sample.extra["not_started"] = len(queue)
    return sample
