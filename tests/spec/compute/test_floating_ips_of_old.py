"""Floating IPs through Compute: their pools, they themselves, and their servers."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.cloud import Client, RunningCloud
from support.computed import at
from support.networks import external, interface, network, router
from support.networks import made as made_by
from support.served import made

FLOATING = "/compute/v2.1/os-floating-ips"
SERVERS = "/compute/v2.1/servers"


async def allocated(client: Client, pool: str) -> dict[str, Any]:
    answer = await client.post(FLOATING, json={"pool": pool})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["floating_ip"]
    return found


async def act(client: Client, server_id: object, verb: str, **body: Any) -> int:
    return (await client.post(f"{SERVERS}/{server_id}/action", json={verb: body})).status_code


async def test_they_come_out_of_pools_and_go(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    await external(cloud)
    pool = "net"
    assert (await member.get("/compute/v2.1/os-floating-ip-pools")).json() == {"floating_ip_pools": [{"name": "net"}]}
    found = await allocated(member, pool)
    assert found == {"id": found["id"], "ip": found["ip"], "fixed_ip": None, "instance_id": None, "pool": pool}
    assert (await member.get(f"{FLOATING}/{found['id']}")).json() == {"floating_ip": found}
    assert (await member.get(FLOATING)).json() == {"floating_ips": [found]}
    assert (await cloud.get(FLOATING)).json() == {"floating_ips": []}, "of one's own project"
    assert (await member.delete(f"{FLOATING}/{found['id']}")).status_code == 202
    for answer in (await member.get(f"{FLOATING}/{found['id']}"), await member.delete(f"{FLOATING}/{found['id']}")):
        assert answer.json()["itemNotFound"]["message"] == f"Floating IP not found for ID {found['id']}"
    assert (await member.get(f"{FLOATING}/none")).status_code == 404
    for path in ("/compute/v2.1/os-floating-ip-pools", FLOATING, f"{FLOATING}/{found['id']}"):
        assert (await member.get(path, headers=at("2.36"))).status_code == 404


async def test_a_pool_is_named_or_the_only_one(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    only, _ = await external(cloud)
    for body in ({}, {"pool": None}, {"pool": only}):
        assert (await member.post(FLOATING, json=body)).json()["floating_ip"]["pool"] == "net"
    await made_by(cloud, "/network/v2.0/networks", "network", {"name": "other", "router:external": True})
    assert (await member.post(FLOATING, json={})).status_code == 400
    for pool, status in (("nowhere", 404), (str(uuid4()), 404), (7, 400), ("other", 400)):
        assert (await member.post(FLOATING, json={"pool": pool})).status_code == status, pool


async def test_there_are_no_more_than_the_pool_and_the_quota_have(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    await external(cloud, "203.0.113.0/29")
    answers = [await member.post(FLOATING, json={}) for _ in range(8)]
    assert (answers[0].status_code, answers[-1].status_code) == (200, 404)
    assert answers[-1].json()["itemNotFound"]["message"] == "No more floating IPs in pool net."
    await cloud.put(f"/network/v2.0/quotas/{member.project_id}", json={"quota": {"floatingip": 1}})
    answer = await member.post(FLOATING, json={})
    assert (answer.status_code, "over quota" in answer.text) == (403, True)


@pytest.fixture
async def site(cloud: RunningCloud) -> tuple[Client, str, list[Any]]:
    """A pool, and two servers of a member that it reaches."""
    member = cloud.as_("member")
    pool, _ = await external(cloud)
    inside, subnet = await network(member)
    between = await router(member, external_gateway_info={"network_id": pool})
    await interface(member, between["id"], subnet_id=subnet)
    servers = []
    for _ in range(2):
        port = (await member.post("/network/v2.0/ports", json={"port": {"network_id": inside}})).json()["port"]
        server = await made(cloud, member)
        plugged = {"interfaceAttachment": {"port_id": port["id"]}}
        assert (await member.post(f"{SERVERS}/{server.id}/os-interface", json=plugged)).status_code == 200
        await cloud.settle()
        servers.append((server.id, port["fixed_ips"][0]["ip_address"]))
    return member, pool, servers


async def test_they_are_given_to_servers(cloud: RunningCloud, site: tuple[Client, str, list[Any]]) -> None:
    member, pool, [(one, fixed), (other, _)] = site
    found = await allocated(member, pool)
    assert await act(member, one, "addFloatingIp", address=found["ip"], fixed_address=fixed) == 202
    shown = (await member.get(f"{FLOATING}/{found['id']}")).json()["floating_ip"]
    assert (shown["instance_id"], shown["fixed_ip"]) == (str(one), fixed)
    listed = (await member.get(f"{SERVERS}/{one}")).json()["server"]["addresses"]
    assert found["ip"] in {each["addr"] for addresses in listed.values() for each in addresses}
    assert await act(member, other, "addFloatingIp", address=found["ip"]) == 202, "it moves on"
    assert await act(member, one, "removeFloatingIp", address=found["ip"]) == 409
    assert await act(member, other, "removeFloatingIp", address=found["ip"]) == 202
    assert (await member.get(f"{FLOATING}/{found['id']}")).json()["floating_ip"]["instance_id"] is None
    new = await member.post(
        f"{SERVERS}/{one}/action", json={"addFloatingIp": {"address": found["ip"]}}, headers=at("2.44")
    )
    assert new.status_code == 404


async def test_what_cannot_be_given_is_refused(cloud: RunningCloud, site: tuple[Client, str, list[Any]]) -> None:
    member, pool, [(one, _), _] = site
    found, second = await allocated(member, pool), await allocated(member, pool)
    bare = await made(cloud, member)
    assert await act(member, bare.id, "addFloatingIp", address=found["ip"]) == 400
    for address, more, status in (
        ("0.0.0.0", {}, 404),
        ("", {}, 400),
        ("x", {}, 400),
        (found["ip"], {"fixed_address": "10.9.9.9"}, 400),
        (found["ip"], {"fixed_address": None}, 400),
        (found["ip"], {"unknown": 1}, 400),
    ):
        assert await act(member, one, "addFloatingIp", address=address, **more) == status, (address, more)
    assert await act(member, one, "addFloatingIp", address=found["ip"]) == 202
    assert await act(member, one, "addFloatingIp", address=second["ip"]) == 400, "another stands for it"
    assert await act(member, one, "removeFloatingIp", address="0.0.0.0") == 404
    assert await act(member, one, "removeFloatingIp", address="x") == 400
    stranger = cloud.as_("stranger")
    assert await act(member, uuid4(), "removeFloatingIp", address=found["ip"]) == 404
    assert await act(stranger, one, "addFloatingIp", address=found["ip"]) == 404


async def test_a_server_of_ipv6_alone_has_no_place_for_one(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    pool, _ = await external(cloud)
    inside, _ = await network(member, None)
    subnet = {"network_id": inside, "ip_version": 6, "cidr": "fd00::/64"}
    await made_by(member, "/network/v2.0/subnets", "subnet", subnet)
    server = await made(cloud, member)
    plugged = {"interfaceAttachment": {"net_id": inside}}
    assert (await member.post(f"{SERVERS}/{server.id}/os-interface", json=plugged)).status_code == 200
    found = await allocated(member, pool)
    answer = await member.post(f"{SERVERS}/{server.id}/action", json={"addFloatingIp": {"address": found["ip"]}})
    assert (answer.status_code, "no fixed IPv4" in answer.text) == (400, True)
