"""Every workload whose service is in the catalog."""

from __future__ import annotations

import sys

from bench.load import compute, identity, image, network, objects, placement, volume
from bench.load.cloud import Unexpected
from bench.load.compute import delete_all
from bench.load.loops import counted_loop

SUITE = [  # (service it needs, workload)
    ("identity", identity.token_issue),
    ("identity", identity.token_validate),
    ("identity", identity.project_list),
    ("identity", identity.nothing),
    ("image", image.image_list),
    ("image", image.image_transfer),
    ("compute", compute.server_boot_one),
    ("compute", compute.server_boot),
    ("compute", compute.server_list),
    ("placement", placement.allocation_candidates),
    ("network", network.network_all),
    ("object-store", objects.object_small),
    ("object-store", objects.object_large),
    ("object-store", objects.container_list),
    ("volume", volume.volume_all),
]


async def suite(cloud, rec, args):
    """Every workload whose service is in the catalog."""
    skip = set(filter(None, (args.skip or "").split(",")))
    for service, work in SUITE:
        if work.__name__.replace("_", "-") in skip or service in skip:
            continue
        if not cloud.has(service):
            print(f"-- no {service} in the catalog: {work.__name__} skipped", file=sys.stderr)
            continue
        await cloud.login()
        try:
            await work(cloud, rec, args)
        except Exception as e:
            print(f"!! {work.__name__}: {type(e).__name__}: {e}", file=sys.stderr, flush=True)


async def cleanup(cloud, rec, args):
    """Remove everything an interrupted run left behind (names beginning with 'lp-')."""
    if cloud.has("compute"):
        s = await delete_all(cloud, args, "lp-", 16)
        print("servers", s.extra, file=sys.stderr)
    if cloud.has("network"):
        await cleanup_networks(cloud)
    if cloud.has("image"):
        await cleanup_images(cloud, args)


async def cleanup_networks(cloud):
    networks = (await cloud.call("GET", "network", "/networks"))["networks"]
    ours = {n["id"] for n in networks if n["name"].startswith("lp-")}
    for kind in ("ports", "subnets", "networks"):
        found = (await cloud.call("GET", "network", "/" + kind))[kind]
        for x in [x for x in found if x.get("network_id", x["id"]) in ours]:
            try:
                await cloud.call("DELETE", "network", f"/{kind}/{x['id']}", want=(204, 404))
            except Unexpected as e:
                print(e, file=sys.stderr)


async def cleanup_images(cloud, args):
    url, ids = "/images?limit=1000", []
    while url:
        page = await cloud.call("GET", "image", url)
        ids += [i["id"] for i in page["images"] if (i["name"] or "").startswith("lp-")]
        url = page["next"][len("/v2") :] if page.get("next") else None

    async def drop(i):
        await cloud.call("DELETE", "image", f"/images/{i}", want=(204, 404))

    await counted_loop(drop, ids, 16, args.limit_s)


WORKLOADS = {f.__name__.replace("_", "-"): f for f in (*(work for _, work in SUITE), suite, cleanup)}
