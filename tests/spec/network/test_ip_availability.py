"""/v2.0/network-ip-availabilities"""

from __future__ import annotations

from support.cloud import RunningCloud
from support.networks import ROOT, error, made, network, port

AVAILABILITIES = "/network/v2.0/network-ip-availabilities"


async def test_addresses_are_counted(cloud: RunningCloud) -> None:
    network_id, subnet_id = await network(cloud, "10.0.0.0/28")
    await port(cloud, network_id)
    six = {"network_id": network_id, "ip_version": 6, "cidr": "fd00::/48"}
    await made(cloud, f"{ROOT}/subnets", "subnet", six)
    one = (await cloud.get(f"{AVAILABILITIES}/{network_id}")).json()["network_ip_availability"]
    assert one["subnet_ip_availability"][0] == {
        "subnet_id": subnet_id,
        "subnet_name": "",
        "cidr": "10.0.0.0/28",
        "ip_version": 4,
        "total_ips": 13,
        "used_ips": 2,
    }
    assert one["total_ips"] == 13 + 2**80 - 2
    assert (one["network_name"], one["project_id"]) == ("net", cloud.project_id)
    only = (await cloud.get(f"{AVAILABILITIES}?ip_version=4&network_id={network_id}")).json()
    (found,) = only["network_ip_availabilities"]
    assert (found["total_ips"], found["used_ips"]) == (13, 2)
    assert (await cloud.get(f"{AVAILABILITIES}?network_name=other")).json() == {"network_ip_availabilities": []}
    assert error(await cloud.as_("member").get(f"{AVAILABILITIES}"))[0] == 403
