"""What `pileus verify` says of networks and ports."""

from __future__ import annotations

from pileus.kernel.verify import verify
from support.cloud import RunningCloud
from support.networks import network, port

CHECKS = ("network.networks", "network.ports")


async def test_the_overlay_has_what_the_rows_say(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud)
    bound = await port(cloud, network_id, **{"binding:host_id": "h1"})
    await cloud.settle()
    assert (await verify(cloud.ctx(), CHECKS)).clean
    home = cloud.world.state / "hosts" / "h1" / "overlay"
    (home / "ports" / f"{bound['id']}.json").unlink()
    (home / "networks" / f"{network_id}.json").rename(home / "networks" / f"{bound['id']}.json")
    found = (await verify(cloud.ctx(), CHECKS)).differences
    assert {(each.subject, each.subject_id) for each in found} == {
        ("port", bound["id"]),
        ("network", network_id),
        ("network", bound["id"]),
    }
