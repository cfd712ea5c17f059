"""What is measured. Each returns figures by the name of their gate, and how the machine was used."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from subprocess import PIPE

from bench.load.image import astream
from bench.load.loops import closed_loop
from bench.machine import Use, pss_mb, watched
from bench.site import Site, started, up
from bench.standstill import standstills, within

GB = 10**9
Figures = dict[str, float]
Measure = Callable[[Site, float], Awaitable[tuple[Figures, Use]]]
Workload = Callable[[Path, float], Awaitable[tuple[Figures, Use]]]
WORKERS = 4
BALLAST_MB, BALLAST_ROUNDS = 256, 16
BALLAST = ("if=/dev/zero", "bs=1M", f"count={BALLAST_MB}", "conv=notrunc,fsync", "status=none")
SETTLE_S = 5.0  # the administrator is made after the first answer


async def start(state: Path, seconds: float) -> tuple[Figures, Use]:
    """How long `pileus up` takes with nothing there, and what the idle process costs."""
    async with up(state) as (pid, started_in_s):
        await asyncio.sleep(SETTLE_S)
        with watched(pid) as use:
            await asyncio.sleep(3 * seconds)
        idle = 100 * use.cpu_s / use.seconds
        return {"start_s": started_in_s, "idle_pss_mb": pss_mb(pid), "idle_cpu_percent": idle}, use


async def get_one_row(site: Site, seconds: float) -> tuple[Figures, Use]:
    """GET of the admin's project, with its token."""

    async def get(_: int) -> None:
        await site.call("GET", f"/identity/v3/projects/{site.project_id}")

    await closed_loop(get, WORKERS, 1.0)
    with watched(site.pid) as use:
        sample = await closed_loop(get, WORKERS, seconds, warmup=0)
    site.refuse_errors(sample)
    return {"get_one_row_ms": 1000 * use.cpu_s / len(sample.latencies)}, use


async def start_operation(site: Site, seconds: float) -> tuple[Figures, Use]:
    """POST of machines while no worker runs; then a worker, until all of them are ACTIVE."""
    names = itertools.count()

    async def post(_: int) -> None:
        await site.call("POST", "/demo/v1/machines", {"machine": {"name": f"m{next(names)}"}}, want=202)

    await closed_loop(post, WORKERS, 1.0)
    with watched(site.pid) as posting:
        sample = await closed_loop(post, WORKERS, seconds, warmup=0)
    site.refuse_errors(sample)
    with watched(site.pid) as working:
        done = (await site.call("POST", "/site/drain", {}))["active"]
    if done != next(names):
        raise RuntimeError(f"{done} machines are ACTIVE, not all")
    use = max(posting, working, key=lambda u: u.others_cores)
    figures = {
        "start_operation_ms": 1000 * posting.cpu_s / len(sample.latencies),
        "operation_ms": 1000 * working.cpu_s / done,
    }
    return figures, use


async def loop_stall(site: Site, seconds: float) -> tuple[Figures, Use]:
    """Reads and writes while a process beside writes 4 GB to the disk of the state directory, and syncs them.

    A stall is the loop's own: without the time that it waited for a core, or in which the machine itself stood still.
    """
    names = itertools.count()

    async def read_and_write(_: int) -> None:
        await site.call("GET", f"/identity/v3/projects/{site.project_id}")
        await site.call("POST", "/demo/v1/machines", {"machine": {"name": f"s{next(names)}"}}, want=202)

    await closed_loop(read_and_write, WORKERS, 1.0)
    await write_ballast(site)
    await site.call("POST", "/site/lag", {})
    with watched(site.pid) as use:
        async with standstills() as gaps:
            load = asyncio.create_task(closed_loop(read_and_write, 2, 3600, warmup=0))
            for _ in range(BALLAST_ROUNDS):
                await write_ballast(site)
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
    (site.state / "ballast").unlink()
    stalls = (await site.call("POST", "/site/lag", {}))["stalls"]
    return {
        "loop_stall_ms": 1000 * max((b - a - max(waited, within(gaps, a, b)) for a, b, waited in stalls), default=0),
        "with_waiting_for_a_core_ms": 1000 * max((b - a for a, b, _ in stalls), default=0),
        "machine_stood_still_ms": 1000 * max((b - a for a, b in gaps), default=0),
    }, use


async def write_ballast(site: Site) -> None:
    """A part of it, into the same file each time: fresh memory for all of it can cost the machine more than its disk does."""
    writer = await asyncio.create_subprocess_exec("dd", f"of={site.state / 'ballast'}", *BALLAST)
    if await writer.wait():
        raise RuntimeError("dd failed")


async def stream_growth(site: Site, seconds: float) -> tuple[Figures, Use]:
    """Four uploads and four downloads of 1 GB at once; the memory is looked at ten times a second."""
    blob = site.state / "blob"
    with blob.open("wb") as f:
        f.truncate(GB)
    await asyncio.gather(*(download(site, 10**6) for _ in range(8)), *(upload(site, 10**6) for _ in range(8)))
    before, most = pss_mb(site.pid), 0.0
    with watched(site.pid) as use:
        streams = asyncio.gather(*(upload(site, GB) for _ in range(4)), *(download(site, GB) for _ in range(4)))
        while not streams.done():
            most = max(most, pss_mb(site.pid))
            await asyncio.wait([streams], timeout=0.1)
        await streams
    return {"stream_growth_mb": most - before}, use


async def upload(site: Site, size: int) -> None:
    async with site.http.put(f"{site.url}/site/blob", data=astream(size), headers=site.headers) as answer:
        if answer.status != 200 or (await answer.json())["bytes"] != size:
            raise RuntimeError(f"upload: {answer.status} {await answer.text()}")


async def download(site: Site, size: int) -> None:
    headers = {**site.headers, "Range": f"bytes=0-{size - 1}"}
    got = 0
    async with site.http.get(f"{site.url}/site/blob", headers=headers) as answer:
        async for piece in answer.content.iter_any():
            got += len(piece)
    if answer.status != 206 or got != size:
        raise RuntimeError(f"download: {answer.status}, {got} bytes")


async def kill(state: Path, seconds: float) -> tuple[Figures, Use]:
    """SIGKILLs at a seam in the middle of a saga, as the generated tests do it, one after the other."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.kills", str(state), str(seconds)), stdout=PIPE
    )
    with watched(program.pid) as use:
        assert program.stdout is not None
        said = await program.stdout.readline()
    if await program.wait() or not said:
        raise RuntimeError("bench.kills failed")
    return json.loads(said), use


def on_a_site(measure: Measure) -> Workload:
    """The measure on a demonstration cloud of its own."""

    @wraps(measure)
    async def run(state: Path, seconds: float) -> tuple[Figures, Use]:
        async with started(state) as site:
            return await measure(site, seconds)

    return run


SITES = {measure.__name__: on_a_site(measure) for measure in (get_one_row, start_operation, loop_stall, stream_growth)}
WORKLOADS: dict[str, Workload] = {"start": start, **SITES, "kill": kill}
