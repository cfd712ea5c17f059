"""Volumes: made until they are available, deleted until they are gone."""

from __future__ import annotations

import asyncio
import time

from bench.load import volume
from bench.load.cloud import tag
from bench.load.loops import counted_loop
from bench.load.samples import Sample
from bench.peer.operations import POLL_S, Desk, Operation, Scene, counted
from conformance.installed import Failure

VOLUMES, AT_ONCE = 30, 8


async def lift_quotas(desk: Desk) -> None:
    await volume.quotas(desk.cloud)


async def create(desk: Desk) -> Sample:
    have, prefix = len(await volumes(desk)), tag()

    async def make(n: int) -> None:
        body = {"volume": {"name": f"{prefix}-{n}", "size": 1}}
        await desk.cloud.call("POST", "volume", "/volumes", want=(202,), json_body=body)

    sample = await counted_loop(make, range(VOLUMES), AT_ONCE, desk.args.limit_s)
    await until(desk, sample, have + VOLUMES, "available")
    return sample


async def delete(desk: Desk) -> Sample:
    ids = await volumes(desk)

    async def drop(volume_id: str) -> None:
        await desk.cloud.call("DELETE", "volume", f"/volumes/{volume_id}", want=(202,))

    sample = await counted_loop(drop, ids, AT_ONCE, desk.args.limit_s)
    await until(desk, sample, 0)
    return sample


async def volumes(desk: Desk, status: str = "") -> list[str]:
    """Of all rounds: ids."""
    params = {"limit": "1000", **({"status": status} if status else {})}
    found = await desk.cloud.call("GET", "volume", "/volumes", params=params)
    return [each["id"] for each in found["volumes"] if (each["name"] or "").startswith("lp-")]


async def until(desk: Desk, sample: Sample, number: int, status: str = "") -> None:
    """So many are left, in this state. Raises Failure when it takes too long."""
    late = time.monotonic() + desk.args.limit_s
    while len(await volumes(desk, status)) != number:
        if time.monotonic() > late:
            raise Failure(f"{desk.side.name}: not {number} volumes {status} within {desk.args.limit_s:.0f} s")
        await asyncio.sleep(POLL_S)
    sample.end = time.perf_counter()


SCENES = [
    Scene(
        (
            Operation("volume_create", "creation of a volume until it is available", counted(create)),
            Operation("volume_delete", "deletion of a volume until it is gone", counted(delete), again=False),
        ),
        lift_quotas,
    )
]
