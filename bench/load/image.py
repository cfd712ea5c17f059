"""Images."""

from __future__ import annotations

import random
import time

from bench.load.cloud import Unexpected, tag
from bench.load.loops import counted_loop
from bench.load.samples import MIB


async def image_ensure(cloud, name="lp-boot"):
    """A tiny active image to boot from, made once."""
    found = (await cloud.call("GET", "image", "/images", params={"name": name}))["images"]
    for i in found:
        if i["status"] == "active":
            return i["id"]
    i = await cloud.call(
        "POST",
        "image",
        "/images",
        want=(201,),
        json_body={"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "public"},
    )
    await cloud.call(
        "PUT",
        "image",
        f"/images/{i['id']}/file",
        data=b"\0" * MIB,
        want=(204,),
        headers={"Content-Type": "application/octet-stream"},
    )
    return i["id"]


async def image_list(cloud, rec, args):
    """GET /v2/images?limit=1000 with at least --images images present (they are made first, as queued records)."""
    have, url = 0, "/images?limit=1000"
    while url and have < args.images:
        page = await cloud.call("GET", "image", url)
        have += len(page["images"])
        nxt = page.get("next")
        url = nxt[len("/v2") :] if nxt else None
    todo = max(0, args.images - have)
    if todo:

        async def make(n):
            await cloud.call(
                "POST",
                "image",
                "/images",
                want=(201,),
                parse=False,
                json_body={"name": f"lp-img-{n}", "disk_format": "raw", "container_format": "bare"},
            )

        c = rec.each_concurrency()[-1]
        await rec.measure(
            "image: create record",
            {"n": todo, "c": c},
            lambda: counted_loop(make, range(todo), c, args.limit_s),
            repeat=1,
        )
    for limit in (args.images, 25):

        async def op(_, limit=limit):
            b = await cloud.call("GET", "image", "/images", params={"limit": str(limit)})
            if len(b["images"]) != limit:
                raise Unexpected(f"{len(b['images'])} images, not {limit}")

        await rec.timed("image: list", op, {"limit": limit})


def blocks(total, chunk=MIB, seed=1):
    """`total` bytes in `chunk`-sized pieces which are neither constant nor compressible."""
    block = random.Random(seed).randbytes(chunk)
    left = total
    while left > 0:
        yield block if left >= chunk else block[:left]
        left -= chunk


async def astream(total):
    for b in blocks(total):
        yield b


async def drain(cloud, url, total):
    """Download and throw away; checks the length."""
    got = 0
    async with cloud.http.get(url, headers={"X-Auth-Token": cloud.token}) as r:
        if r.status != 200:
            raise Unexpected(f"HTTP {r.status}: {(await r.read())[:160]!r}")
        async for piece in r.content.iter_any():
            got += len(piece)
    if got != total:
        raise Unexpected(f"{got} bytes, not {total}")
    return got


async def image_transfer(cloud, rec, args):
    """Upload one --size image, download it, delete it.  One stream."""
    state = {}

    async def up(_):
        i = await cloud.call(
            "POST",
            "image",
            "/images",
            want=(201,),
            json_body={"name": tag(), "disk_format": "raw", "container_format": "bare"},
        )
        state["id"] = i["id"]
        t = time.perf_counter()
        await cloud.call(
            "PUT",
            "image",
            f"/images/{i['id']}/file",
            data=astream(args.size),
            want=(204,),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(args.size)},
        )
        state["put_s"] = time.perf_counter() - t
        return args.size

    async def down(_):
        return await drain(cloud, cloud.endpoint("image") + f"/images/{state['id']}/file", args.size)

    async def upload():
        if "id" in state:
            await cloud.call("DELETE", "image", f"/images/{state.pop('id')}", want=(204,))
        return await counted_loop(up, [0], 1, args.limit_s)

    await rec.measure("image: upload", {"bytes": args.size, "c": 1}, upload)
    await rec.measure("image: download", {"bytes": args.size, "c": 1}, lambda: counted_loop(down, [0], 1, args.limit_s))
    if "id" in state:
        await cloud.call("DELETE", "image", f"/images/{state['id']}", want=(204,))
