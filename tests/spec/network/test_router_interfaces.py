"""The legs of routers: add_router_interface and remove_router_interface."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support.cloud import Client, RunningCloud
from support.networks import error, external, floating_ip, interface, network, port, router, told

ROUTERS = "/network/v2.0/routers"
PORTS = "/network/v2.0/ports"


async def add(client: Client, router_id: str, **what: Any) -> Any:
    return await client.put(f"{ROUTERS}/{router_id}/add_router_interface", json=what)


async def remove(client: Client, router_id: str, **what: Any) -> Any:
    return await client.put(f"{ROUTERS}/{router_id}/remove_router_interface", json=what)


async def test_a_leg_in_a_subnet_takes_the_address_of_its_gateway(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    net, subnet = await network(member)
    made = await router(member)
    leg = await interface(member, made["id"], subnet_id=subnet)
    assert {**leg, "port_id": ""} == {
        "id": made["id"],
        "project_id": member.project_id,
        "tenant_id": member.project_id,
        "port_id": "",
        "network_id": net,
        "subnet_id": subnet,
        "subnet_ids": [subnet],
    }
    shown = (await member.get(f"{PORTS}/{leg['port_id']}")).json()["port"]
    assert (shown["device_id"], shown["device_owner"]) == (made["id"], "network:router_interface")
    assert shown["fixed_ips"] == [{"subnet_id": subnet, "ip_address": "10.0.0.1"}]
    await cloud.settle()
    [said] = told(cloud, "routers", made["id"])["legs"]
    assert (said["port_id"], said["addresses"], said["network_id"]) == (leg["port_id"], ["10.0.0.1/24"], net)
    assert (await member.get(f"{PORTS}/{leg['port_id']}")).json()["port"]["status"] == "ACTIVE"
    gone = await remove(member, made["id"], subnet_id=subnet)
    assert (gone.status_code, gone.json()) == (200, leg)
    assert (await member.get(f"{PORTS}/{leg['port_id']}")).status_code == 404
    await cloud.settle()
    assert told(cloud, "routers", made["id"])["legs"] == []
    assert error(await remove(member, made["id"], subnet_id=subnet))[:2] == (404, "RouterInterfaceNotFoundForSubnet")


async def test_a_port_becomes_a_leg_with_the_address_it_has(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    net, subnet = await network(member)
    made = await router(member)
    own = await port(member, net)
    leg = await interface(member, made["id"], port_id=own["id"])
    assert (leg["port_id"], leg["subnet_id"]) == (own["id"], subnet)
    await cloud.settle()
    [said] = told(cloud, "routers", made["id"])["legs"]
    assert said["addresses"] == [f"{own['fixed_ips'][0]['ip_address']}/24"]
    again = await router(member, name="second")
    assert error(await add(member, again["id"], port_id=own["id"]))[:2] == (409, "PortInUse")
    assert error(await remove(member, made["id"], port_id=own["id"], subnet_id=str(uuid4())))[:2] == (
        400,
        "SubnetMismatchForPort",
    )
    assert (await remove(member, made["id"], port_id=own["id"])).status_code == 200
    assert error(await remove(member, made["id"], port_id=own["id"]))[:2] == (404, "RouterInterfaceNotFound")


async def test_no_two_networks_of_a_router_overlap(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    (_, one), (_, other), (_, apart) = (
        await network(member),
        await network(member, "10.0.0.0/16"),
        await network(member, "10.9.0.0/24"),
    )
    made = await router(member)
    await interface(member, made["id"], subnet_id=one)
    for subnet in (one, other):
        assert error(await add(member, made["id"], subnet_id=subnet))[:2] == (400, "BadRequest")
    await interface(member, made["id"], subnet_id=apart)


async def test_what_is_no_leg(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    net, subnet = await network(member)
    made, own = await router(member), await port(member, net)
    for wrong in (
        {},
        {"subnet_id": "x"},
        {"subnet_id": subnet, "port_id": own["id"]},
        {"port_id": None},
        {"colour": "red"},
    ):
        assert error(await add(member, made["id"], **wrong))[0] == 400, wrong
    missing = str(uuid4())
    assert error(await add(member, made["id"], subnet_id=missing))[:2] == (404, "SubnetNotFound")
    assert error(await add(member, made["id"], port_id=missing))[:2] == (404, "PortNotFound")
    assert error(await add(member, missing, subnet_id=subnet))[:2] == (404, "RouterNotFound")
    answer = await member.post(
        "/network/v2.0/subnets",
        json={"subnet": {"network_id": net, "cidr": "10.5.0.0/24", "ip_version": 4, "gateway_ip": None}},
    )
    assert error(await add(member, made["id"], subnet_id=answer.json()["subnet"]["id"]))[:2] == (400, "BadRequest")
    bare = await port(member, net, fixed_ips=[])
    assert error(await add(member, made["id"], port_id=bare["id"]))[:2] == (400, "BadRequest")


async def test_a_leg_is_no_port_to_be_deleted(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    _, subnet = await network(member)
    made = await router(member)
    leg = await interface(member, made["id"], subnet_id=subnet)
    assert error(await member.delete(f"{PORTS}/{leg['port_id']}"))[:2] == (409, "ServicePortInUse")
    assert error(await member.delete(f"/network/v2.0/subnets/{subnet}"))[:2] == (409, "SubnetInUse")


async def test_a_leg_that_a_floating_ip_needs_stays(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    (outside, _), (inside, subnet) = await external(cloud), await network(member)
    made = await router(member, external_gateway_info={"network_id": outside})
    leg = await interface(member, made["id"], subnet_id=subnet)
    own = await floating_ip(member, outside, port_id=(await port(member, inside))["id"])
    for what in ({"subnet_id": subnet}, {"port_id": leg["port_id"]}):
        assert error(await remove(member, made["id"], **what))[:2] == (409, "RouterInterfaceInUseByFloatingIP")
    assert (await member.delete(f"/network/v2.0/floatingips/{own['id']}")).status_code == 204
    assert (await remove(member, made["id"], subnet_id=subnet)).status_code == 200


async def test_another_prefix_of_ipv6_joins_the_leg_that_is_there(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    net, first = await network(member, "2001:db8:1::/64")
    answer = await member.post(
        "/network/v2.0/subnets", json={"subnet": {"network_id": net, "cidr": "2001:db8:2::/64", "ip_version": 6}}
    )
    second = answer.json()["subnet"]["id"]
    made = await router(member)
    one, two = [await interface(member, made["id"], subnet_id=each) for each in (first, second)]
    assert (two["port_id"], two["subnet_id"]) == (one["port_id"], second)
    await cloud.settle()
    [said] = told(cloud, "routers", made["id"])["legs"]
    assert said["addresses"] == ["2001:db8:1::1/64", "2001:db8:2::1/64"]
    assert (await remove(member, made["id"], subnet_id=first)).status_code == 200
    shown = (await member.get(f"{PORTS}/{one['port_id']}")).json()["port"]
    assert [each["subnet_id"] for each in shown["fixed_ips"]] == [second]


async def test_others_add_no_legs(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    _, subnet = await network(member)
    made = await router(member)
    assert error(await add(cloud.as_("reader"), made["id"], subnet_id=subnet))[0] == 403
    stranger = await cloud.put(
        f"{ROUTERS}/{made['id']}/add_router_interface", json={"subnet_id": subnet}, headers=cloud.stranger
    )
    assert error(stranger)[:2] == (404, "RouterNotFound")
    shared, theirs = await network(cloud, "10.7.0.0/24", shared=True)
    assert shared
    assert error(await add(member, made["id"], subnet_id=theirs))[:2] == (400, "BadRequest")
