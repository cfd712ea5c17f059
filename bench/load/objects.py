"""Objects and containers."""

from __future__ import annotations

import asyncio
import random
import sys

from bench.load.cloud import Unexpected, tag
from bench.load.image import astream, drain
from bench.load.loops import counted_loop


async def object_small(cloud, rec, args):
    """PUT and GET of 4 KiB objects."""
    box, body = tag(), random.Random(2).randbytes(4096)
    await cloud.call("PUT", "object-store", f"/{box}", want=(201, 202))
    sent = []

    async def put(n):
        await cloud.call(
            "PUT",
            "object-store",
            f"/{box}/o{n:08d}",
            data=body,
            want=(201,),
            headers={"Content-Type": "application/octet-stream"},
        )
        sent.append(n)
        return len(body)

    async def get(i):
        b = await cloud.call("GET", "object-store", f"/{box}/o{sent[i % len(sent)]:08d}", parse=False)
        if len(b) != len(body):
            raise Unexpected("short object")
        return len(b)

    await rec.timed("object: PUT 4 KiB", put)
    await rec.timed("object: GET 4 KiB", get)
    await empty_box(cloud, args, box, [f"o{n:08d}" for n in set(sent)], rec.each_concurrency()[-1])


async def empty_box(cloud, args, box, names, c):
    async def drop(name):
        await cloud.call("DELETE", "object-store", f"/{box}/{name}", want=(204, 404))

    await counted_loop(drop, names, c, args.limit_s)
    try:
        await cloud.call("DELETE", "object-store", f"/{box}", want=(204, 404, 409))
    except Exception as e:
        print(f"note: {box} left behind: {e}", file=sys.stderr)


async def object_large(cloud, rec, args):
    """PUT and GET of one --size object.  One stream."""
    box = tag()
    await cloud.call("PUT", "object-store", f"/{box}", want=(201, 202))

    async def put(_):
        await cloud.call(
            "PUT",
            "object-store",
            f"/{box}/big",
            data=astream(args.size),
            want=(201,),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(args.size)},
        )
        return args.size

    async def get(_):
        return await drain(cloud, cloud.endpoint("object-store") + f"/{box}/big", args.size)

    for name, op in (("object: PUT large", put), ("object: GET large", get)):
        await rec.measure(name, {"bytes": args.size, "c": 1}, lambda op=op: counted_loop(op, [0], 1, args.limit_s))
    await empty_box(cloud, args, box, ["big"], 1)


async def container_list(cloud, rec, args):
    """GET of a container with --objects (empty) objects, JSON, as one page."""
    box = f"lp-list-{args.objects}"
    await cloud.call("PUT", "object-store", f"/{box}", want=(201, 202))
    c = rec.each_concurrency()[-1]
    page = await cloud.call("GET", "object-store", f"/{box}?format=json&limit={args.objects}", want=(200, 204))
    have = {o["name"] for o in page} if isinstance(page, list) else set()
    todo = [n for n in (f"d{i % 10}/o{i:06d}" for i in range(args.objects)) if n not in have]

    async def put(name):
        await cloud.call("PUT", "object-store", f"/{box}/{name}", data=b"", want=(201,))

    if todo:
        await rec.measure(
            "object: PUT empty", {"n": len(todo), "c": c}, lambda: counted_loop(put, todo, c, args.limit_s), repeat=1
        )
    # listings are updated asynchronously by some stores: wait for the count to be right
    for _ in range(60):
        page = await cloud.call("GET", "object-store", f"/{box}?format=json&limit={args.objects}")
        if len(page) >= args.objects:
            break
        await asyncio.sleep(1)
    expected = len(page)
    for limit in (expected, min(100, expected)):

        async def op(_, limit=limit):
            b = await cloud.call("GET", "object-store", f"/{box}?format=json&limit={limit}")
            if len(b) != limit:
                raise Unexpected(f"{len(b)} objects, not {limit}")

        await rec.timed("object: list container", op, {"limit": limit})
