"""POST /pileus/v1/explain/reach: what is in the way of packets to a port."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support.cloud import Client, RunningCloud
from support.networks import external, floating_ip, interface, made, network, port, router

REACH = "/pileus/v1/explain/reach"
SSH = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}


async def asked(client: Client, **question: Any) -> dict[str, Any]:
    answer = await client.post(REACH, json={"reach": question})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()["explanation"]
    return document


def in_the_way(found: dict[str, Any]) -> set[str]:
    return {each["what"] for each in found["findings"] if each["passes"] is False}


async def test_one_thing_after_the_other_is_put_out_of_the_way(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    outside, _ = await external(cloud)
    inside, subnet = await network(member)
    guest = await port(member, inside)
    question = {"port_id": guest["id"], "protocol": "tcp", "port": 22}
    assert in_the_way(await asked(member, **question)) == {"router", "binding", "security groups"}
    between = await router(member)
    await interface(member, between["id"], subnet_id=subnet)
    assert in_the_way(await asked(member, **question)) == {"gateway", "binding", "security groups"}
    info = {"router": {"external_gateway_info": {"network_id": outside}}}
    assert (await member.put(f"/network/v2.0/routers/{between['id']}", json=info)).status_code == 200
    assert in_the_way(await asked(member, **question)) == {"floating IP", "binding", "security groups"}
    await floating_ip(member, outside, port_id=guest["id"])
    assert (await asked(member, **question))["reached"] is False
    rule = {**SSH, "security_group_id": guest["security_groups"][0]}
    await made(member, "/network/v2.0/security-group-rules", "security_group_rule", rule)
    assert in_the_way(await asked(member, **question)) == {"binding"}
    bound = {"port": {"binding:host_id": "h1", "device_owner": "compute:nova", "device_id": str(uuid4())}}
    assert (await cloud.put(f"/network/v2.0/ports/{guest['id']}", json=bound)).status_code == 200
    await cloud.settle()
    found = await asked(member, **question)
    assert (found["reached"], in_the_way(found), found["trace"]) == (True, set(), [])
    assert "h1" not in str(found["findings"])
    assert "h1" in str((await asked(cloud, **question))["findings"])
    assert (await asked(member, **question | {"port": 23}))["reached"] is False


async def test_from_another_port_the_overlay_is_asked_too(cloud: RunningCloud) -> None:
    inside, _ = await network(cloud)
    one, other = await port(cloud, inside), await port(cloud, inside)
    await cloud.settle()
    found = await asked(cloud, port_id=one["id"], source=other["id"], protocol="icmp")
    assert "security groups" not in in_the_way(found)  # both are in the default group
    assert any("a simulated overlay moves no packets" in line for line in found["trace"])


async def test_rows_and_overlay_speak_of_one_packet(cloud: RunningCloud) -> None:
    """Where ports have addresses of both kinds, of IPv4, unless the protocol is IPv6's own."""
    inside, four = await network(cloud)
    six = {"network_id": inside, "cidr": "fd00:1::/64", "ip_version": 6}
    six_id = (await made(cloud, "/network/v2.0/subnets", "subnet", six))["id"]
    fixed = [{"subnet_id": four, "ip_address": "10.0.0.11"}, {"subnet_id": six_id, "ip_address": "fd00:1::11"}]
    one, other = await port(cloud, inside, fixed_ips=fixed), await port(cloud, inside)
    rule = {"direction": "ingress", "protocol": "icmp", "security_group_id": one["security_groups"][0]}
    await made(cloud, "/network/v2.0/security-group-rules", "security_group_rule", rule)
    await cloud.settle()
    for protocol, address in (("icmp", "10.0.0.11"), ("ipv6-icmp", "fd00:1::11"), ("58", "fd00:1::11")):
        found = await asked(cloud, port_id=one["id"], source=other["id"], protocol=protocol)
        assert found["trace"][0].startswith(f"{protocol} to {address} from")


async def test_who_may_not_see_the_port_is_told_nothing(cloud: RunningCloud) -> None:
    """POST /pileus/v1/explain/reach"""
    inside, _ = await network(cloud)
    guest = await port(cloud, inside)
    for port_id in (guest["id"], str(uuid4())):
        answer = await cloud.post(REACH, json={"reach": {"port_id": port_id}}, headers=cloud.stranger)
        assert answer.status_code == 404
    for wrong in ({"port_id": "x"}, {"port_id": guest["id"], "source": "x"}, {"port_id": guest["id"], "port": 22}, {}):
        assert (await cloud.post(REACH, json={"reach": wrong})).status_code == 400, wrong
