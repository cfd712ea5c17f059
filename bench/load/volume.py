"""Volumes."""

from __future__ import annotations

import asyncio
import sys
import time

from bench.load.cloud import Unexpected, tag
from bench.load.loops import counted_loop


async def quotas(cloud):
    unlimited = {"quota_set": {"volumes": -1, "gigabytes": -1}}
    try:
        await cloud.call("PUT", "volume", f"/os-quota-sets/{cloud.project_id}", json_body=unlimited)
    except Exception as e:
        print(f"note: quota not set: {e}", file=sys.stderr)


async def volume_all(cloud, rec, args):
    """Create --volumes 1 GiB volumes until available, list them, delete them until gone."""
    c, prefix = rec.each_concurrency()[-1], tag()
    await quotas(cloud)

    async def mine(detail=False, status=None):
        q = {"limit": "1000"}
        if status:
            q["status"] = status
        b = await cloud.call("GET", "volume", "/volumes/detail" if detail else "/volumes", params=q)
        return [v for v in b["volumes"] if (v["name"] or "").startswith(prefix)]

    async def create(n):
        await cloud.call(
            "POST", "volume", "/volumes", want=(202,), json_body={"volume": {"name": f"{prefix}-{n}", "size": 1}}
        )

    async def up():
        s = await counted_loop(create, range(args.volumes), c, args.limit_s)
        s.extra["accepted_s"] = round(s.end - s.start, 2)
        while time.perf_counter() < s.start + args.limit_s:
            ready = len(await mine(status="available"))
            if ready >= len(s.latencies):
                break
            await asyncio.sleep(args.poll_s)
        s.end = time.perf_counter()
        s.extra["all_active_s"] = round(s.end - s.start, 2)
        return s

    await rec.measure("volume: create until available", {"n": args.volumes, "c": c}, up, repeat=1)

    async def lister(_):
        b = await cloud.call("GET", "volume", "/volumes/detail", params={"limit": "1000"})
        if len(b["volumes"]) < args.volumes:
            raise Unexpected("too few volumes")

    await rec.timed("volume: list detail", lister, {"n": args.volumes})
    ids = [v["id"] for v in await mine()]

    async def kill(i):
        await cloud.call("DELETE", "volume", f"/volumes/{i}", want=(202,))

    async def down():
        s = await counted_loop(kill, ids, c, args.limit_s)
        while time.perf_counter() < s.start + args.limit_s and await mine():
            await asyncio.sleep(args.poll_s)
        s.end = time.perf_counter()
        s.extra["all_gone_s"] = round(s.end - s.start, 2)
        return s

    await rec.measure("volume: delete until gone", {"n": args.volumes, "c": c}, down, repeat=1)
