"""Servers."""

from __future__ import annotations

import asyncio
import sys
import time
from urllib.parse import quote, urlsplit

from bench.load.cloud import Unexpected, tag
from bench.load.image import image_ensure
from bench.load.loops import counted_loop
from bench.load.recorder import Recorder
from bench.load.samples import spread


async def flavor_ensure(cloud, name="lp.tiny"):
    for f in (await cloud.nova("GET", "/flavors?is_public=None"))["flavors"]:
        if f["name"] == name:
            return f["id"]
    b = await cloud.nova(
        "POST",
        "/flavors",
        {"flavor": {"name": name, "vcpus": 1, "ram": 64, "disk": 1, "os-flavor-access:is_public": True}},
        want=(200, 201),
    )
    return b["flavor"]["id"]


async def quotas(cloud):
    """Lift this project's limits where the service has such a call; silent where it has not."""

    async def attempt(coro):
        try:
            await coro
        except Exception as e:
            print(f"note: quota not set: {e}", file=sys.stderr)

    if cloud.has("compute"):
        await attempt(
            cloud.nova(
                "PUT",
                f"/os-quota-sets/{cloud.project_id}",
                {"quota_set": {"instances": -1, "cores": -1, "ram": -1, "force": True}},
            )
        )
    if cloud.has("network"):
        await attempt(
            cloud.call(
                "PUT",
                "network",
                f"/quotas/{cloud.project_id}",
                json_body={"quota": {"network": -1, "subnet": -1, "port": -1}},
            )
        )


async def network_for_boot(cloud, args):
    """What goes under server.networks: 'none', 'auto', or one made (or given) network."""
    if args.networks in ("none", "auto"):
        return args.networks
    if args.networks != "make":
        return [{"uuid": args.networks}]
    for n in (await cloud.call("GET", "network", "/networks", params={"name": "lp-boot-net"}))["networks"]:
        return [{"uuid": n["id"]}]
    n = (await cloud.call("POST", "network", "/networks", want=(201,), json_body={"network": {"name": "lp-boot-net"}}))[
        "network"
    ]
    await cloud.call(
        "POST",
        "network",
        "/subnets",
        want=(201,),
        json_body={"subnet": {"network_id": n["id"], "ip_version": 4, "cidr": "10.64.0.0/16", "enable_dhcp": False}},
    )
    return [{"uuid": n["id"]}]


async def server_to_boot(cloud, args):
    """What every booted server has, its name aside; made when missing."""
    image, flavor = await image_ensure(cloud), await flavor_ensure(cloud)
    return {"imageRef": image, "flavorRef": flavor, "networks": await network_for_boot(cloud, args)}


async def servers_named(cloud, prefix, detail=False, status=None):
    """Every server of this project whose name begins with prefix (all pages)."""
    query = f"/servers{'/detail' if detail else ''}?limit=1000&name=^{quote(prefix)}"
    if status:
        query += f"&status={status}"
    out = []
    while query:
        page = await cloud.nova("GET", query)
        out += page["servers"]
        nxt = [link["href"] for link in page.get("servers_links", []) if link["rel"] == "next"]
        query = None
        if nxt and page["servers"]:
            query = f"/servers{'/detail' if detail else ''}?" + urlsplit(nxt[0]).query
    return out


async def boot(cloud, args, prefix, count, concurrency, server):
    """Create `count` servers one request each, then wait until every one is ACTIVE."""

    async def create(n):
        await cloud.nova(
            "POST",
            "/servers",
            {"server": {"name": f"{prefix}-{n:04d}", **server}},
            want=(202,),
        )

    sample = await counted_loop(create, range(count), concurrency, args.limit_s)
    accepted = len(sample.latencies)
    sample.extra["accepted_s"] = round(sample.end - sample.start, 2)
    deadline = sample.start + args.limit_s
    active = bad = 0
    while time.perf_counter() < deadline:
        active = len(await servers_named(cloud, prefix, status="ACTIVE"))
        if active >= accepted:
            break
        bad = len(await servers_named(cloud, prefix, status="ERROR"))
        if active + bad >= accepted:
            break
        await asyncio.sleep(args.poll_s)
    took = time.perf_counter() - sample.start
    sample.extra.update(
        active=active, error_state=bad, all_active_s=round(took, 2), rps=round(active / took, 3)
    )  # the rate is of servers that became ACTIVE
    if active < count:
        sample.errors[f"only {active} of {count} ACTIVE"] += count - active
    sample.end = sample.start + took
    return sample


async def delete_all(cloud, args, prefix, concurrency):
    """Delete every server with this prefix and wait until the list is empty."""
    ids = [s["id"] for s in await servers_named(cloud, prefix)]

    async def kill(i):
        await cloud.nova("DELETE", f"/servers/{i}", want=(204,))

    sample = await counted_loop(kill, ids, concurrency, args.limit_s)
    sample.extra["accepted_s"] = round(sample.end - sample.start, 2)
    deadline = sample.start + args.limit_s
    left = len(ids)
    while time.perf_counter() < deadline:
        left = len(await servers_named(cloud, prefix))
        if not left:
            break
        await asyncio.sleep(args.poll_s)
    sample.end = time.perf_counter()
    sample.extra.update(deleted=len(ids) - left, all_gone_s=round(sample.end - sample.start, 2))
    if left:
        sample.errors[f"{left} not gone"] += left
    return sample


async def server_boot(cloud, rec, args):
    """Boot --servers servers until all are ACTIVE, then delete them until all are gone."""
    await quotas(cloud)
    server = await server_to_boot(cloud, args)
    kind = args.networks if args.networks in ("none", "auto") else "port"
    c = rec.each_concurrency()[-1]
    prefixes = []

    async def up():
        prefixes.append(tag())
        return await boot(cloud, args, prefixes[-1], args.servers, c, server)

    async def down():
        return await delete_all(cloud, args, prefixes.pop(0), c)

    # boot and delete alternate, so that every boot begins with an empty project
    ups, downs = Recorder(args), Recorder(args)
    ups.save = downs.save = lambda: None
    ups.show = downs.show = lambda *a: None
    done, p = list(rec.results), {"n": args.servers, "networks": kind, "c": c}
    for _ in range(args.repeat):
        await ups.measure("compute: boot", {}, up, repeat=1)
        await downs.measure("compute: delete", {}, down, repeat=1)
        rec.results = list(done)
        for name, part in (("compute: boot to ACTIVE", ups), ("compute: delete until gone", downs)):
            runs = [r["runs"][0] for r in part.results]
            med, lo, hi = spread(runs)
            rec.results.append({"workload": name, "params": p, "median": med, "min": lo, "max": hi, "runs": runs})
        rec.save()
    for r in rec.results[len(done) :]:
        rec.show(r["workload"], p, r["median"], r["min"], r["max"], r["runs"])


async def server_boot_one(cloud, rec, args):
    """One server at a time: POST until GET says ACTIVE (polled every 20 ms), then delete it."""
    await quotas(cloud)
    server = await server_to_boot(cloud, args)
    kind = args.networks if args.networks in ("none", "auto") else "port"
    prefix = tag()

    async def op(n):
        s = (
            await cloud.nova(
                "POST",
                "/servers",
                {"server": {"name": f"{prefix}-{n:04d}", **server}},
                want=(202,),
            )
        )["server"]
        while True:
            got = (await cloud.nova("GET", f"/servers/{s['id']}"))["server"]["status"]
            if got == "ACTIVE":
                return
            if got == "ERROR":
                raise Unexpected("ERROR state")
            await asyncio.sleep(0.02)

    await rec.measure(
        "compute: one boot, POST->ACTIVE",
        {"n": args.singles, "networks": kind, "c": 1},
        lambda: counted_loop(op, range(args.singles), 1, args.limit_s),
    )
    await delete_all(cloud, args, prefix, rec.each_concurrency()[-1])


async def server_list(cloud, rec, args):
    """With --servers servers up: GET /servers/detail (one page of all, and limit=50), GET /servers, GET one.

    --existing PREFIX lists servers that are already there, instead of booting and deleting some.
    """
    c = rec.each_concurrency()[-1]
    prefix, n = args.existing or tag(), args.servers
    if not args.existing:
        await quotas(cloud)
        server = await server_to_boot(cloud, args)
        await rec.measure(
            "compute: boot (for lists)",
            {"n": n, "c": c},
            lambda: boot(cloud, args, prefix, n, c, server),
            repeat=1,
        )
    some = [s["id"] for s in await servers_named(cloud, prefix)]
    n = min(len(some), n, 1000)

    def lister(path, limit):
        async def op(_):
            b = await cloud.nova("GET", f"{path}?limit={limit}")
            if len(b["servers"]) != limit:
                raise Unexpected(f"{len(b['servers'])} servers, not {limit}")

        return op

    async def one(i):
        await cloud.nova("GET", f"/servers/{some[i % len(some)]}")

    await rec.timed("compute: list detail", lister("/servers/detail", n), {"limit": n})
    await rec.timed("compute: list detail", lister("/servers/detail", min(n, 50)), {"limit": min(n, 50)})
    await rec.timed("compute: list brief", lister("/servers", n), {"limit": n})
    await rec.timed("compute: show one", one)
    if not (args.keep or args.existing):
        await rec.measure(
            "compute: delete (after lists)", {"n": n, "c": c}, lambda: delete_all(cloud, args, prefix, c), repeat=1
        )
