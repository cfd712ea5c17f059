"""Allocation candidates, as a scheduler asks for them."""

from __future__ import annotations

from uuid import uuid4

from bench.load.cloud import Unexpected
from bench.load.loops import counted_loop
from bench.peer.operations import Desk, Operation, Scene, timed
from conformance.installed import Failure

PROVIDERS = 1000
INVENTORIES = {
    "VCPU": {"total": 64, "allocation_ratio": 4.0},
    "MEMORY_MB": {"total": 262144, "reserved": 512},
    "DISK_GB": {"total": 2000},
}
QUERY = f"/allocation_candidates?resources=VCPU:1,MEMORY_MB:512,DISK_GB:1&limit={PROVIDERS}"


async def providers(desk: Desk) -> None:
    desk.left["providers"] = made = [str(uuid4()) for _ in range(PROVIDERS)]

    async def make(uuid: str) -> None:
        await desk.cloud.rp("POST", "/resource_providers", {"name": f"bench-{uuid}", "uuid": uuid})
        inventories = {"resource_provider_generation": 0, "inventories": INVENTORIES}
        await desk.cloud.rp("PUT", f"/resource_providers/{uuid}/inventories", inventories)

    sample = await counted_loop(make, made, 8, desk.args.limit_s)
    if sample.errors:
        raise Failure(f"{desk.side.name}: {dict(sample.errors)}")


async def candidates(desk: Desk, _: int) -> None:
    found = await desk.cloud.rp("GET", QUERY)
    if len(found["allocation_requests"]) != PROVIDERS:
        raise Unexpected(f"{len(found['allocation_requests'])} candidates, not {PROVIDERS}")


SCENES = [Scene((Operation("candidates", "allocation candidates over 1,000 providers", timed(candidates)),), providers)]
