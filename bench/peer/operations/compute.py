"""Servers: booted, shown, listed, deleted."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

from bench.load import compute
from bench.load.cloud import Unexpected, tag
from bench.load.samples import Sample
from bench.peer import clones
from bench.peer.operations import POLL_S, Desk, Operation, Scene, counted, timed
from conformance.installed import Failure

BOOTED, AT_ONCE, FEW, MANY = 20, 8, 199, 1000
BATCH = 100  # servers of one call
STAYS = "stays"
TAGGED = "lp-"  # how every tag begins


async def plain(desk: Desk) -> None:
    """A server without a port; the one that stays is shown, and beside the peer it is what others are copies of."""
    await compute.quotas(desk.cloud)
    await prepare(desk, "none")


async def with_port(desk: Desk) -> None:
    await prepare(desk, "make")


async def prepare(desk: Desk, networks: str) -> None:
    asked = SimpleNamespace(**{**vars(desk.args), "networks": networks})
    desk.left["server"] = await compute.server_to_boot(desk.cloud, asked)


async def boot(desk: Desk) -> Sample:
    sample = await compute.boot(desk.cloud, desk.args, tag(), BOOTED, AT_ONCE, desk.left["server"])
    if sample.errors:
        raise Failure(f"{desk.side.name}: {dict(sample.errors)}")
    return sample


async def delete(desk: Desk) -> Sample:
    return await compute.delete_all(desk.cloud, desk.args, TAGGED, AT_ONCE)


async def one(desk: Desk) -> None:
    """A server to show and to copy."""
    await prepare(desk, "none")
    await compute.boot(desk.cloud, desk.args, STAYS, 1, 1, desk.left["server"])
    [found] = await compute.servers_named(desk.cloud, STAYS)
    desk.left["shown"] = found["id"]


async def show(desk: Desk, _: int) -> None:
    await desk.cloud.nova("GET", f"/servers/{desk.left['shown']}")


async def fill_199(desk: Desk) -> None:
    await fill(desk, FEW)


async def fill_1000(desk: Desk) -> None:
    await fill(desk, MANY)


async def fill(desk: Desk, number: int) -> None:
    """So many servers in all: copied rows beside the peer, ours are booted."""
    have = len(await compute.servers_named(desk.cloud, ""))
    if desk.peer:
        clones.servers(desk.peer, number - have)
        return
    server = {"name": clones.PREFIX, **desk.left["server"]}
    for begun in range(have, number, BATCH):
        count = min(BATCH, number - begun)
        body = {"server": {**server, "min_count": count, "max_count": count}}
        await desk.cloud.nova("POST", "/servers", body, want=(202,))
    await active(desk, number)


async def active(desk: Desk, number: int) -> None:
    late = time.monotonic() + desk.args.limit_s
    while len(await compute.servers_named(desk.cloud, "", status="ACTIVE")) < number:
        if time.monotonic() > late or await compute.servers_named(desk.cloud, "", status="ERROR"):
            raise Failure(f"{desk.side.name}: {number} servers do not become ACTIVE")
        await asyncio.sleep(POLL_S)


async def list_199(desk: Desk, _: int) -> None:
    await listed(desk, FEW)


async def list_1000(desk: Desk, _: int) -> None:
    await listed(desk, MANY)


async def listed(desk: Desk, number: int) -> None:
    found = await desk.cloud.nova("GET", f"/servers/detail?limit={number}")
    if len(found["servers"]) != number:
        raise Unexpected(f"{len(found['servers'])} servers, not {number}")


async def clear(desk: Desk) -> None:
    """The copies are gone before anything asks a host for them; our servers end with their cloud."""
    if desk.peer:
        clones.no_servers(desk.peer)


WITHOUT = (
    Operation("boot", "boot to ACTIVE without a port", counted(boot)),
    Operation("delete", "deletion of a server without a port", counted(delete), again=False),
)
WITH = (
    Operation("boot_port", "boot to ACTIVE with one port", counted(boot)),
    Operation("delete_port", "deletion of a server with one port", counted(delete), again=False),
)
SCENES = [
    Scene(WITHOUT, plain),
    Scene(WITH, with_port),
    Scene((Operation("show", "one server", timed(show)),), one),
    Scene((Operation("detail_199", "/servers/detail of 199", timed(list_199)),), fill_199),
    Scene((Operation("detail_1000", "/servers/detail of 1,000", timed(list_1000)),), fill_1000, clear),
]
