"""Placement."""

from __future__ import annotations

import uuid

from bench.load.cloud import Unexpected, tag
from bench.load.loops import counted_loop


async def allocation_candidates(cloud, rec, args):
    """With --providers providers: GET /allocation_candidates as a scheduler asks it."""
    prefix, made = tag(), []
    c = rec.each_concurrency()[-1]

    async def make(n):
        u = str(uuid.uuid4())
        await cloud.rp("POST", "/resource_providers", {"name": f"{prefix}-{n}", "uuid": u}, want=(200, 201))
        made.append(u)
        await cloud.rp(
            "PUT",
            f"/resource_providers/{u}/inventories",
            {
                "resource_provider_generation": 0,
                "inventories": {
                    "VCPU": {"total": 64, "allocation_ratio": 4.0},
                    "MEMORY_MB": {"total": 262144, "reserved": 512},
                    "DISK_GB": {"total": 2000},
                },
            },
        )

    await rec.measure(
        "placement: create provider+inventory",
        {"n": args.providers, "c": c},
        lambda: counted_loop(make, range(args.providers), c, args.limit_s),
        repeat=1,
    )
    for limit in (args.providers, 10):

        async def op(_, limit=limit):
            b = await cloud.rp("GET", f"/allocation_candidates?resources=VCPU:1,MEMORY_MB:512,DISK_GB:1&limit={limit}")
            if len(b["allocation_requests"]) != limit:
                raise Unexpected(f"{len(b['allocation_requests'])} candidates, not {limit}")

        await rec.timed("placement: allocation candidates", op, {"providers": args.providers, "limit": limit})

    async def drop(u):
        await cloud.rp("DELETE", f"/resource_providers/{u}", want=(204,))

    await rec.measure(
        "placement: delete provider",
        {"n": len(made), "c": c},
        lambda: counted_loop(drop, list(made), c, args.limit_s),
        repeat=1,
    )
