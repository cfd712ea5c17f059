"""A large cloud: 1,000 simulated hosts on PostgreSQL, empty and then with 20,000 servers, and a storm of boots in between.

What a request costs may not grow with what the cloud holds: the figures are those of the full cloud, of the empty one's.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load.compute import quotas, server_to_boot
from bench.load.loops import counted_loop
from bench.machine import Use, watched
from bench.peer import ours
from bench.peer.operations import desk
from conformance.installed import Failure

HOSTS, SERVERS = 1_000, 20_000
BATCH, BATCHES = 100, 4  # servers that one request asks for, and requests at once, while the cloud is filled
STORM_HOSTS, STORM, FITS = 9, 1_000, 900
BOOTS, AT_ONCE, READS = 100, 16, 50
POOL = {"pool": "storm"}
STORMED, FILLED = "storm: boots a second", "filled: servers a second"
WORDS = {
    "boot_ms": "a boot alone, POST to ACTIVE: ms",
    "boots_ms": f"each of {BOOTS} boots, {AT_ONCE} at once: ms",
    "show_ms": "a server shown: half within, ms",
    "list_ms": "a page of 100 servers with details: half within, ms",
    "candidates_ms": "allocation candidates: half within, ms",
}
READ = {
    "show": ("compute", "/servers/{server}"),
    "list": ("compute", "/servers/detail?limit=100"),
    "candidates": ("placement", "/allocation_candidates?resources=VCPU:1,MEMORY_MB:64&limit=10"),
}


@dataclass
class Tenant:
    """Who boots servers there, and of what."""

    cloud: Any  # bench.load's
    servers: dict[str, Any]

    async def boot(self, name: str, **more: Any) -> str:
        """The id of the server, or of the first of them."""
        wanted = {"server": {"name": name, **self.servers, **more}}
        return str((await self.cloud.nova("POST", "/servers", wanted, want=(202,)))["server"]["id"])

    async def settled(self, server: str) -> dict[str, Any]:
        """The server, once it is no longer being built."""
        while True:
            shown: dict[str, Any] = (await self.cloud.nova("GET", f"/servers/{server}"))["server"]
            if shown["status"] != "BUILD":
                return shown
            await asyncio.sleep(0.01)

    async def all_settled(self, prefix: str) -> None:
        while (await self.cloud.nova("GET", f"/servers?status=BUILD&limit=1&name=^{prefix}"))["servers"]:
            await asyncio.sleep(0.1)


async def scale(state: Path, seconds: float, servers: int = SERVERS) -> tuple[dict[str, float], Use]:
    """Measured empty; then the storm, then filled, then measured again. Takes a quarter of an hour."""
    with ours.on_postgresql(state / "cloud", command=("up", "--simulate-hosts", str(HOSTS))) as side:
        async with desk(side, seconds) as at:
            at.args.networks = "none"
            await quotas(at.cloud)
            who = Tenant(at.cloud, await server_to_boot(at.cloud, at.args))
            with watched(*side.pids) as before:
                empty = await measured(who, "empty")
            storm = await weathered(who)
            filling = await filled(who, servers - FITS - 2 * BOOTS)
            with watched(*side.pids) as after:
                full = await measured(who, "full")
    figures = {f"scale_{name}": full[name] / empty[name] for name in empty}
    seen = {f"{when}: {name}": value for when, of in (("empty", empty), ("full", full)) for name, value in of.items()}
    return figures | storm | filling | seen, max(before, after, key=lambda use: use.others_cores)


def table(figures: Mapping[str, float]) -> str:
    """Markdown: what it costs in each cloud, and how fast the full one came about."""
    lines = ["| | empty | full |", "| --- | ---: | ---: |"]
    for name, words in WORDS.items():
        lines.append(f"| {words} | {figures[f'empty: {name}']:.3g} | {figures[f'full: {name}']:.3g} |")
    storm = f"{STORM:,} boots at once, {FITS} of which fit: a second"
    lines.append(f"| {storm} | {figures[STORMED]:.3g} | |")
    lines.append(
        f"| servers made {BATCH} by one request, {BATCHES} requests at once: a second | {figures[FILLED]:.3g} | |"
    )
    return "\n".join(lines)


async def measured(who: Tenant, prefix: str) -> dict[str, float]:
    """Milliseconds: of a boot alone to ACTIVE, of one of many at once, and of what is read; the half that is faster within."""

    async def alone(n: int) -> None:
        await active(who, await who.boot(f"{prefix}-alone-{n}"))

    async def one_of_many(n: int) -> None:
        await active(who, await who.boot(f"{prefix}-{n}"))

    await counted_loop(alone, range(5), 1, 60)
    single = await counted_loop(alone, range(BOOTS), 1, 600)
    many = await counted_loop(one_of_many, range(BOOTS), AT_ONCE, 600)
    server = (await who.cloud.nova("GET", "/servers?limit=1"))["servers"][0]["id"]
    found = {
        "boot_ms": 1000 * statistics.median(checked(single)),
        "boots_ms": 1000 * (many.end - many.start) / len(checked(many)),
    }
    for name, (service, path) in READ.items():
        reads = await counted_loop(reading(who, service, path.format(server=server)), range(READS), 1, 60)
        found[f"{name}_ms"] = 1000 * statistics.median(checked(reads))
    return found


def reading(who: Tenant, service: str, path: str) -> Callable[[int], Awaitable[None]]:
    ask = who.cloud.rp if service == "placement" else who.cloud.nova

    async def read(_: int) -> None:
        await ask("GET", path)

    return read


def checked(sample: Any) -> list[float]:
    if sample.errors or not sample.latencies:
        raise Failure(f"not every request succeeded: {dict(sample.errors)}")
    return list(sample.latencies)


async def active(who: Tenant, server: str) -> None:
    shown = await who.settled(server)
    if shown["status"] != "ACTIVE":
        raise Failure(f"a server is {shown['status']}: {shown.get('fault')}")


async def filled(who: Tenant, number: int) -> dict[str, float]:
    """So many servers more."""
    began = time.perf_counter()

    async def batch(n: int) -> None:
        await who.boot(f"fill-{n}", min_count=BATCH, max_count=BATCH)
        await who.all_settled(f"fill-{n}-")

    checked(await counted_loop(batch, range(number // BATCH), BATCHES, 7200))
    return {FILLED: number / (time.perf_counter() - began)}


async def weathered(who: Tenant) -> dict[str, float]:
    """A thousand boots at once where nine hundred have room: so many are there in the end, and the others say why."""
    flavor = await storm_flavor(who)
    ids: list[str] = []

    async def boot(n: int) -> None:
        ids.append(await who.boot(f"storm-{n}", flavorRef=flavor))

    began = time.perf_counter()
    checked(await counted_loop(boot, range(STORM), AT_ONCE, 3600))
    await who.all_settled("storm-")
    took = time.perf_counter() - began
    shown = [await who.settled(server) for server in ids]
    made = sum(server["status"] == "ACTIVE" for server in shown)
    told = [server["fault"]["message"] for server in shown if server["status"] == "ERROR"]
    if (made, len(told)) != (FITS, STORM - FITS) or not all("No valid host was found. Of" in why for why in told):
        raise Failure(f"{made} of the storm are ACTIVE and {len(told)} in ERROR: {told[:1]}")
    for server in shown:
        if server["status"] == "ERROR":
            await who.cloud.nova("DELETE", f"/servers/{server['id']}", want=(204,))
    return {STORMED: STORM / took}


async def storm_flavor(who: Tenant) -> str:
    """Of which exactly nine hundred fit on nine hosts that are in an aggregate of their own."""
    detail = await who.cloud.nova("GET", f"/os-hypervisors/detail?limit={HOSTS}")
    free = [each for each in detail["hypervisors"] if not await used(who, each["id"])][-STORM_HOSTS:]
    pool = (await who.cloud.nova("POST", "/os-aggregates", {"aggregate": {"name": "storm"}}))["aggregate"]["id"]
    for host in free:
        wanted = {"add_host": {"host": host["hypervisor_hostname"]}}
        await who.cloud.nova("POST", f"/os-aggregates/{pool}/action", wanted)
    await who.cloud.nova("POST", f"/os-aggregates/{pool}/action", {"set_metadata": {"metadata": POOL}})
    memory = await capacity(who, free[0]["id"], "MEMORY_MB")
    wanted = {"name": "storm", "vcpus": 1, "ram": memory // (FITS // STORM_HOSTS), "disk": 1}
    flavor = (await who.cloud.nova("POST", "/flavors", {"flavor": wanted}))["flavor"]["id"]
    specs = {f"aggregate_instance_extra_specs:{key}": value for key, value in POOL.items()}
    await who.cloud.nova("POST", f"/flavors/{flavor}/os-extra_specs", {"extra_specs": specs})
    return str(flavor)


async def used(who: Tenant, provider: str) -> bool:
    usages = await who.cloud.rp("GET", f"/resource_providers/{provider}/usages")
    return any(usages["usages"].values())


async def capacity(who: Tenant, provider: str, resource: str) -> int:
    has = (await who.cloud.rp("GET", f"/resource_providers/{provider}/inventories"))["inventories"][resource]
    return int((has["total"] - has["reserved"]) * has["allocation_ratio"])
