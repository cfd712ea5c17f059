"""Networks and ports."""

from __future__ import annotations

from bench.load.cloud import Unexpected, tag
from bench.load.compute import quotas
from bench.load.loops import counted_loop


async def network_all(cloud, rec, args):
    """Create --networks-n networks, --ports-single ports one by one, then fill up to --ports; list, show, delete."""
    await quotas(cloud)
    c = rec.each_concurrency()[-1]
    nets, pages = [], tag()

    async def make_net(n):
        b = await cloud.call(
            "POST", "network", "/networks", want=(201,), json_body={"network": {"name": f"{pages}-{n}"}}
        )
        nets.append(b["network"]["id"])

    async def drop_net(i):
        await cloud.call("DELETE", "network", f"/networks/{i}", want=(204,))

    async def nets_round():
        while nets:
            await counted_loop(drop_net, [nets.pop() for _ in range(len(nets))], c, args.limit_s)
        return await counted_loop(make_net, range(args.networks_n), c, args.limit_s)

    await rec.measure("network: create network", {"n": args.networks_n, "c": c}, nets_round)

    async def list_nets(_):
        b = await cloud.call("GET", "network", "/networks")
        if len(b["networks"]) < args.networks_n:
            raise Unexpected("too few networks")

    await rec.timed("network: list networks", list_nets, {"n": args.networks_n})

    await ports_on(cloud, rec, args, nets[0])
    await counted_loop(drop_net, list(nets), c, args.limit_s)


async def ports_on(cloud, rec, args, home):
    """Create ports one by one and in bulk on the network `home`, list and show them, delete them."""
    c, ports, pages = rec.each_concurrency()[-1], [], tag()
    subnet = (
        await cloud.call(
            "POST",
            "network",
            "/subnets",
            want=(201,),
            json_body={"subnet": {"network_id": home, "ip_version": 4, "cidr": "10.80.0.0/16", "enable_dhcp": False}},
        )
    )["subnet"]["id"]

    async def make_port(n):
        b = await cloud.call(
            "POST", "network", "/ports", want=(201,), json_body={"port": {"name": f"{pages}-p{n}", "network_id": home}}
        )
        ports.append(b["port"]["id"])

    async def drop_port(i):
        await cloud.call("DELETE", "network", f"/ports/{i}", want=(204,))

    async def ports_round():
        while ports:
            await counted_loop(drop_port, [ports.pop() for _ in range(len(ports))], c, args.limit_s)
        return await counted_loop(make_port, range(args.ports_single), c, args.limit_s)

    await rec.measure("network: create port", {"n": args.ports_single, "c": c}, ports_round)

    await fill(cloud, rec, args, home, ports)

    async def list_ports(_):
        b = await cloud.call("GET", "network", "/ports", params={"network_id": home})
        if len(b["ports"]) != len(ports):
            raise Unexpected(f"{len(b['ports'])} ports, not {len(ports)}")

    async def show_port(i):
        await cloud.call("GET", "network", f"/ports/{ports[i % len(ports)]}")

    await rec.timed("network: list ports", list_ports, {"n": args.ports})
    await rec.timed("network: show port", show_port)
    await rec.measure(
        "network: delete port",
        {"n": args.ports, "c": c},
        lambda: counted_loop(drop_port, list(ports), c, args.limit_s),
        repeat=1,
    )
    await cloud.call("DELETE", "network", f"/subnets/{subnet}", want=(204,))


async def fill(cloud, rec, args, home, ports):
    """Ports in bulk, 50 in one request, until there are --ports."""

    async def bulk(size):
        b = await cloud.call(
            "POST",
            "network",
            "/ports",
            want=(201,),
            json_body={"ports": [{"name": f"{tag()}-{k}", "network_id": home} for k in range(size)]},
        )
        ports.extend(p["id"] for p in b["ports"])

    todo = args.ports - len(ports)
    if todo > 0:
        sizes = [min(50, todo - k) for k in range(0, todo, 50)]
        await rec.measure(
            "network: create 50 ports in one",
            {"n": len(sizes), "c": 1},
            lambda: counted_loop(bulk, sizes, 1, args.limit_s),
            repeat=1,
        )
