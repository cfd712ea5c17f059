"""/v2.0/subnets"""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import RunningCloud
from support.networks import ROOT, error, external, made, network, port, told

SUBNETS = "/network/v2.0/subnets"


async def test_one_is_made_shown_changed_and_deleted(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    network_id, _ = await network(member, None)
    new = await made(
        member,
        SUBNETS,
        "subnet",
        {"network_id": network_id, "ip_version": 4, "cidr": "192.0.2.7/24", "dns_nameservers": ["192.0.2.2"]},
    )
    assert new == {
        "id": new["id"],
        "name": "",
        "description": "",
        "network_id": network_id,
        "ip_version": 4,
        "cidr": "192.0.2.0/24",
        "router:external": False,
        "gateway_ip": "192.0.2.1",
        "allocation_pools": [{"start": "192.0.2.2", "end": "192.0.2.254"}],
        "dns_nameservers": ["192.0.2.2"],
        "host_routes": [],
        "enable_dhcp": True,
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "subnetpool_id": None,
        "service_types": [],
        "dns_publish_fixed_ip": False,
        "tags": [],
        "created_at": "2100-01-01T00:00:00Z",
        "updated_at": "2100-01-01T00:00:00Z",
        "revision_number": 1,
        "project_id": member.project_id,
        "tenant_id": member.project_id,
    }
    url = f"{SUBNETS}/{new['id']}"
    assert (await member.get(url)).json() == {"subnet": new}
    assert (await member.get(f"{ROOT}/networks/{network_id}")).json()["network"]["subnets"] == [new["id"]]
    assert (await member.delete(url)).status_code == 204
    assert error(await member.get(url))[:2] == (404, "SubnetNotFound")


async def test_the_overlay_tells_its_ports_of_it(cloud: RunningCloud) -> None:
    network_id, subnet_id = await network(cloud, "192.0.2.0/24")
    url = f"{SUBNETS}/{subnet_id}"
    new = (await cloud.get(url)).json()["subnet"]
    route = {"destination": "198.51.100.0/24", "nexthop": "192.0.2.9"}
    changes = {
        "name": "s",
        "gateway_ip": "192.0.2.254",
        "allocation_pools": [{"start": "192.0.2.10", "end": "192.0.2.20"}],
        "dns_nameservers": ["192.0.2.3", "192.0.2.2"],
        "host_routes": [route],
    }
    changed = await cloud.put(url, json={"subnet": changes})
    assert changed.json()["subnet"] == {**new, **changes, "revision_number": 2}
    await cloud.settle()
    (seen,) = told(cloud, "networks", network_id)["subnets"]
    assert seen == {
        "id": new["id"],
        "cidr": "192.0.2.0/24",
        "gateway": "192.0.2.254",
        "dns": ["192.0.2.3", "192.0.2.2"],
        "routes": [route],
        "ipv6_address_mode": None,
        "ipv6_ra_mode": None,
        "enabled": True,
    }
    assert (await cloud.delete(url)).status_code == 204
    await cloud.settle()
    assert told(cloud, "networks", network_id)["subnets"] == []


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"cidr": "10.0.0.0"}, 400, "HTTPBadRequest"),
    ({"cidr": None}, 400, "HTTPBadRequest"),
    ({"cidr": "224.0.0.0/24"}, 400, "HTTPBadRequest"),
    ({"cidr": "fd00::/64"}, 400, "InvalidInput"),
    ({"ip_version": 5}, 400, "HTTPBadRequest"),
    ({"gateway_ip": "10.0.0.0"}, 400, "InvalidInput"),
    ({"gateway_ip": "nonsense"}, 400, "HTTPBadRequest"),
    ({"gateway_ip": "fd00::1"}, 400, "InvalidInput"),
    ({"allocation_pools": [{"start": "10.0.0.1", "end": "10.0.0.9"}]}, 409, "GatewayConflictWithAllocationPools"),
    ({"allocation_pools": [{"start": "10.0.0.9", "end": "10.0.0.2"}]}, 400, "InvalidAllocationPool"),
    ({"allocation_pools": [{"start": "10.0.0.9", "end": "10.0.1.2"}]}, 400, "OutOfBoundsAllocationPool"),
    (
        {"allocation_pools": [{"start": "10.0.0.5", "end": "10.0.0.9"}, {"start": "10.0.0.9", "end": "10.0.0.12"}]},
        409,
        "OverlappingAllocationPools",
    ),
    ({"dns_nameservers": ["one"]}, 400, "HTTPBadRequest"),
    ({"dns_nameservers": ["10.0.0.1", "10.0.0.1"]}, 400, "HTTPBadRequest"),
    ({"dns_nameservers": [f"10.0.0.{n}" for n in range(1, 8)]}, 400, "DNSNameServersExhausted"),
    ({"host_routes": [{"destination": "10.1.0.0/24", "nexthop": "fd00::1"}]}, 400, "HTTPBadRequest"),
    ({"host_routes": [{"destination": "10.1.0.0/24"}]}, 400, "HTTPBadRequest"),
    (
        {"host_routes": [{"destination": f"10.1.{n}.0/24", "nexthop": "10.0.0.9"} for n in range(21)]},
        400,
        "HostRoutesExhausted",
    ),
    ({"ipv6_ra_mode": "slaac"}, 400, "InvalidInput"),
    ({"ip_version": 6, "cidr": "fd00::/65", "ipv6_address_mode": "slaac"}, 400, "InvalidInput"),
    (
        {"ip_version": 6, "cidr": "fd00::/64", "ipv6_address_mode": "slaac", "ipv6_ra_mode": "dhcpv6-stateful"},
        400,
        "InvalidInput",
    ),
    ({"ip_version": 6, "cidr": "fd00::/64", "ipv6_address_mode": "slaac", "enable_dhcp": False}, 400, "InvalidInput"),
    ({"nonsense": 1}, 400, "HTTPBadRequest"),
    ({"network_id": "00000000-0000-4000-8000-000000000000"}, 404, "NetworkNotFound"),
]


@pytest.mark.parametrize(("body", "status", "kind"), WRONG, ids=lambda value: str(value)[:60])
async def test_what_is_no_subnet_is_refused(cloud: RunningCloud, body: dict[str, Any], status: int, kind: str) -> None:
    network_id, _ = await network(cloud, None)
    wanted = {"network_id": network_id, "ip_version": 4, "cidr": "10.0.0.0/24", **body}
    assert error(await cloud.post(f"{SUBNETS}", json={"subnet": wanted}))[:2] == (status, kind)


async def test_two_of_a_network_do_not_overlap(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud)
    again = {"network_id": network_id, "ip_version": 4, "cidr": "10.0.0.128/25"}
    status, kind, message = error(await cloud.post(f"{SUBNETS}", json={"subnet": again}))
    assert (status, kind) == (400, "InvalidInput")
    assert "overlaps with another subnet" in message
    await network(cloud)  # those of different networks may
    two = [{**again, "cidr": cidr} for cidr in ("10.1.0.0/24", "10.1.0.0/25")]
    assert error(await cloud.post(f"{SUBNETS}", json={"subnets": two}))[1] == "InvalidInput"


async def test_one_without_a_gateway(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud, None)
    wanted = {"network_id": network_id, "ip_version": 4, "cidr": "10.0.0.0/29", "gateway_ip": None}
    new = await made(cloud, SUBNETS, "subnet", wanted)
    assert new["gateway_ip"] is None
    assert new["allocation_pools"] == [{"start": "10.0.0.1", "end": "10.0.0.6"}]


async def test_others_use_what_is_shared_and_see_no_more(cloud: RunningCloud) -> None:
    shared_id, shared_subnet = await network(cloud, shared=True)
    _, hidden_subnet = await network(cloud)
    member = cloud.as_("member")
    assert [each["id"] for each in (await member.get(f"{SUBNETS}")).json()["subnets"]] == [shared_subnet]
    assert error(await member.get(f"{SUBNETS}/{hidden_subnet}"))[1] == "SubnetNotFound"
    assert error(await member.delete(f"{SUBNETS}/{shared_subnet}"))[0] == 403
    wanted = {"network_id": shared_id, "ip_version": 4, "cidr": "10.9.0.0/24"}
    assert error(await member.post(f"{SUBNETS}", json={"subnet": wanted}))[0] == 403


async def test_one_that_is_used_is_not_deleted(cloud: RunningCloud) -> None:
    network_id, subnet_id = await network(cloud)
    used = await port(cloud, network_id)
    assert error(await cloud.delete(f"{SUBNETS}/{subnet_id}"))[:2] == (409, "SubnetInUse")
    await cloud.delete(f"{ROOT}/ports/{used['id']}")
    assert (await cloud.delete(f"{SUBNETS}/{subnet_id}")).status_code == 204


async def test_without_dhcp_there_is_no_metadata(cloud: RunningCloud) -> None:
    network_id, subnet_id = await network(cloud)
    for wanted, address in ((False, None), (True, "10.0.0.2")):
        await cloud.put(f"{SUBNETS}/{subnet_id}", json={"subnet": {"enable_dhcp": wanted}})
        await cloud.settle()
        assert told(cloud, "networks", network_id)["metadata_address"] == address


async def test_the_subnets_of_a_way_out_are_told_apart(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    outside, inside = (await external(cloud))[1], (await network(member))[1]
    shown = (await member.get("/network/v2.0/subnets")).json()["subnets"]
    assert {each["id"]: each["router:external"] for each in shown} == {outside: True, inside: False}
    for asked, found in (("True", outside), ("False", inside)):
        narrowed = (await member.get(f"/network/v2.0/subnets?router:external={asked}")).json()["subnets"]
        assert [each["id"] for each in narrowed] == [found]
    aliases = (await member.get("/network/v2.0/extensions/subnet-external-network")).json()["extension"]["alias"]
    assert aliases == "subnet-external-network"


async def test_many_at_once_of_one_network(cloud: RunningCloud) -> None:
    """Whatever their ids: what belongs to each is locked in one order."""
    network_id, _ = await network(cloud, None)
    wanted = [{"network_id": network_id, "ip_version": 4, "cidr": f"10.0.{n}.0/24"} for n in range(8)]
    answer = await cloud.post(SUBNETS, json={"subnets": wanted})
    assert answer.status_code == 201, answer.text
    assert [each["cidr"] for each in answer.json()["subnets"]] == [each["cidr"] for each in wanted]
