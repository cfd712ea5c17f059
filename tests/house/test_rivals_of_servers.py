"""Servers want the same port, or the last room of a host, at once: no more get it than there is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec
import pytest

from pileus.kernel.errors import CloudError
from pileus.kernel.operations import Worker
from pileus.services.compute.flavors.service import Flavor
from pileus.services.compute.servers import sagas, store
from pileus.services.compute.servers import service as servers
from pileus.services.compute.servers.service import WantedNic, WantedServer
from support.cloud import RunningCloud
from support.networked import a_port
from support.served import SERVERS, TINY, an_image, ctx_of, made

RIVALS = 16
HUGE = Flavor(id="huge", name="huge", memory_mib=150_000, vcpus=1, disk_gib=1)
HOSTS = 2
NO_ROOM = "No valid host was found. Of 2 hosts Placement took 2 (has not 150000 MiB of memory free)."


@pytest.mark.database("postgresql")
async def test_a_storm_of_boots_never_fills_a_host_beyond_what_it_has(cloud: RunningCloud) -> None:
    """Of 16 that want more than half of a host's memory, each host takes one; the others say why not."""
    first = await made(cloud, name="pattern")
    ctx = cloud.ctx()
    for n in range(RIVALS):
        new = {"id": ctx.world.ids.uuid(), "name": f"s{n}", "flavor": HUGE, "flavor_id": "huge", "host": None}
        states = {"vm_state": "building", "task_state": "scheduling", "power_state": 0, "launched_at": None}
        server = msgspec.structs.replace(first, **new, **states)
        async with ctx.transaction() as writing:
            await sagas.create_server.start(writing, server.id, host=None, forced=False)
            await store.add(writing, [server])
    await asyncio.gather(*(Worker(cloud.ctx()).drain() for _ in range(4)))
    listed = (await cloud.get(f"{SERVERS}/detail?name=^s")).json()["servers"]
    placed = [each["OS-EXT-SRV-ATTR:host"] for each in listed if each["status"] == "ACTIVE"]
    assert sorted(placed) == ["h1", "h2"][:HOSTS]
    why_not = [each["fault"]["message"] for each in listed if each["status"] == "ERROR"]
    assert len(why_not) == RIVALS - HOSTS
    for message in why_not:
        assert message.startswith(NO_ROOM), message


@pytest.mark.database("postgresql")
async def test_of_16_who_want_one_port_one_gets_it(cloud: RunningCloud) -> None:
    port_id, image_id = UUID(await a_port(cloud)), UUID(await an_image(cloud))
    nic = WantedNic(port_id=port_id)

    async def boot(n: int) -> Any:
        ctx = replace(ctx_of(cloud), request_id=f"req-{n}")
        wanted = WantedServer(name=f"s{n}", flavor_id=TINY, image_id=image_id, networks=(nic,))
        return await servers.create(ctx, wanted)

    answers = await asyncio.gather(*(boot(n) for n in range(RIVALS)), return_exceptions=True)
    lost = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(lost) == RIVALS - 1
    assert all(isinstance(each, CloudError) and each.status == 409 for each in lost), lost
