"""Networks and ports."""

from __future__ import annotations

from typing import Any

from bench.load import compute
from bench.load.cloud import Unexpected, tag
from bench.load.loops import counted_loop
from bench.load.samples import Sample
from bench.peer.operations import Desk, Operation, Scene, counted, timed

NETWORKS, PORTS, BULK, LISTED = 60, 60, 50, 150
AT_ONCE = 16


async def networks(desk: Desk) -> Sample:
    async def make(n: int) -> None:
        await network(desk, f"{tag()}-{n}")

    return await counted_loop(make, range(NETWORKS), AT_ONCE, desk.args.limit_s)


async def network(desk: Desk, name: str) -> str:
    made = await desk.cloud.call("POST", "network", "/networks", want=(201,), json_body={"network": {"name": name}})
    return str(made["network"]["id"])


async def lift_quotas(desk: Desk) -> None:
    await compute.quotas(desk.cloud)


async def homes(desk: Desk) -> None:
    """Two networks with a subnet: for ports of their own, and for those that are listed."""
    for home in ("home", "list"):
        desk.left[home] = await network(desk, f"bench-{home}")
        subnet = {"network_id": desk.left[home], "ip_version": 4, "cidr": "10.80.0.0/16", "enable_dhcp": False}
        await desk.cloud.call("POST", "network", "/subnets", want=(201,), json_body={"subnet": subnet})


async def ports(desk: Desk) -> Sample:
    async def make(n: int) -> None:
        port = {"name": f"{tag()}-{n}", "network_id": desk.left["home"]}
        await desk.cloud.call("POST", "network", "/ports", want=(201,), json_body={"port": port})

    return await counted_loop(make, range(PORTS), AT_ONCE, desk.args.limit_s)


async def bulk(desk: Desk) -> Sample:
    async def make(_: int) -> None:
        await fifty(desk, desk.left["home"])

    return await counted_loop(make, range(1 if desk.peer else 5), 1, desk.args.limit_s)


async def fifty(desk: Desk, home: str) -> Any:
    ports = [{"name": f"{tag()}-{n}", "network_id": home} for n in range(BULK)]
    return await desk.cloud.call("POST", "network", "/ports", want=(201,), json_body={"ports": ports})


async def fill(desk: Desk) -> None:
    for _ in range(LISTED // BULK):
        await fifty(desk, desk.left["list"])


async def list_ports(desk: Desk, _: int) -> None:
    found = await desk.cloud.call("GET", "network", "/ports", params={"network_id": desk.left["list"]})
    if len(found["ports"]) not in (LISTED, LISTED + 1):  # one may be the network's own
        raise Unexpected(f"{len(found['ports'])} ports, not {LISTED}")


SCENES = [
    Scene((Operation("networks", "creation of a network", counted(networks)),), lift_quotas),
    Scene(
        (
            Operation("ports", "creation of a port", counted(ports)),
            Operation("ports_50", "creation of 50 ports in one call", counted(bulk)),
        ),
        homes,
    ),
    Scene((Operation("ports_150", "list of 150 ports", timed(list_ports)),), fill),
]
