"""/v2.0/floatingips: addresses outside that stand for addresses inside."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support.cloud import Client, RunningCloud
from support.networks import error, external, floating_ip, interface, network, port, router, told

FLOATING = "/network/v2.0/floatingips"
PORTS = "/network/v2.0/ports"


async def site(cloud: RunningCloud, client: Client, cidr: str = "10.0.0.0/24", outside: str = "") -> dict[str, str]:
    """A network inside, one outside (or that one), and a router between them: their ids."""
    outside = outside or (await external(cloud))[0]
    inside, subnet = await network(client, cidr)
    between = await router(client, external_gateway_info={"network_id": outside})
    await interface(client, between["id"], subnet_id=subnet)
    return {"outside": outside, "inside": inside, "subnet": subnet, "router": between["id"]}


async def change(client: Client, id_: str, **fields: Any) -> Any:
    return await client.put(f"{FLOATING}/{id_}", json={"floatingip": fields})


async def test_a_floating_ip_from_its_making_to_its_end(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    there = await site(cloud, member)
    made = await floating_ip(member, there["outside"], description="of the web")
    expected = {
        "floating_network_id": there["outside"],
        "port_id": None,
        "fixed_ip_address": None,
        "router_id": None,
        "status": "DOWN",
        "description": "of the web",
        "port_details": None,
        "port_forwardings": [],
        "dns_name": "",
        "dns_domain": "",
        "qos_policy_id": None,
        "tags": [],
        "project_id": member.project_id,
        "tenant_id": member.project_id,
    }
    assert {name: made[name] for name in expected} == expected
    assert made["floating_ip_address"].startswith("203.0.113.")
    url = f"{FLOATING}/{made['id']}"
    assert (await member.get(url)).json()["floatingip"] == made
    [outside] = (await cloud.get(f"{PORTS}?device_id={made['id']}")).json()["ports"]
    assert (outside["device_owner"], outside["project_id"], outside["status"]) == ("network:floatingip", "", "N/A")
    assert error(await cloud.delete(f"{PORTS}/{outside['id']}"))[:2] == (409, "ServicePortInUse")
    assert (await member.delete(url)).status_code == 204
    for answer in (await member.get(url), await member.delete(url), await change(member, made["id"])):
        assert error(answer) == (404, "FloatingIPNotFound", f"Floating IP {made['id']} could not be found")
    await cloud.settle()
    assert (await cloud.get(f"{PORTS}/{outside['id']}")).status_code == 404


async def test_it_stands_for_a_port_and_then_for_another(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    there = await site(cloud, member)
    one, other = await port(member, there["inside"], name="one"), await port(member, there["inside"])
    made = await floating_ip(member, there["outside"], port_id=one["id"])
    assert (made["port_id"], made["router_id"]) == (one["id"], there["router"])
    assert made["fixed_ip_address"] == one["fixed_ips"][0]["ip_address"]
    assert made["port_details"]["name"] == "one"
    await cloud.settle()
    assert (await member.get(f"{FLOATING}/{made['id']}")).json()["floatingip"]["status"] == "ACTIVE"
    [said] = told(cloud, "routers", there["router"])["floating"]
    assert (said["id"], said["external"], said["internal"]) == (
        made["id"],
        made["floating_ip_address"],
        made["fixed_ip_address"],
    )
    changed = (await change(member, made["id"], port_id=other["id"])).json()["floatingip"]
    assert (changed["port_id"], changed["fixed_ip_address"]) == (other["id"], other["fixed_ips"][0]["ip_address"])
    await cloud.settle()
    [said] = told(cloud, "routers", there["router"])["floating"]
    assert said["internal"] == changed["fixed_ip_address"]
    kept = (await change(member, made["id"], description="new")).json()["floatingip"]
    assert (kept["port_id"], kept["description"]) == (other["id"], "new")
    freed = (await change(member, made["id"], port_id=None)).json()["floatingip"]
    assert (freed["port_id"], freed["fixed_ip_address"], freed["router_id"], freed["status"]) == (
        None,
        None,
        None,
        "DOWN",
    )
    await cloud.settle()
    assert told(cloud, "routers", there["router"])["floating"] == []


async def test_it_is_free_again_when_its_port_goes(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    there = await site(cloud, member)
    own = await port(member, there["inside"])
    made = await floating_ip(member, there["outside"], port_id=own["id"])
    moved = [{"subnet_id": there["subnet"], "ip_address": "10.0.0.77"}]
    answer = await member.put(f"{PORTS}/{own['id']}", json={"port": {"fixed_ips": moved}})
    assert error(answer)[:2] == (400, "BadRequest")
    assert (await member.delete(f"{PORTS}/{own['id']}")).status_code == 204
    shown = (await member.get(f"{FLOATING}/{made['id']}")).json()["floatingip"]
    assert (shown["port_id"], shown["fixed_ip_address"], shown["router_id"], shown["status"]) == (
        None,
        None,
        None,
        "DOWN",
    )
    await cloud.settle()
    assert told(cloud, "routers", there["router"])["floating"] == []


async def test_an_address_inside_has_one_of_a_network(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    there = await site(cloud, member)
    own = await port(member, there["inside"])
    await floating_ip(member, there["outside"], port_id=own["id"])
    spare = await floating_ip(member, there["outside"])
    body = {"floatingip": {"floating_network_id": there["outside"], "port_id": own["id"]}}
    for answer in (await change(member, spare["id"], port_id=own["id"]), await member.post(FLOATING, json=body)):
        assert error(answer)[:2] == (409, "FloatingIPPortAlreadyAssociated")
    assert len((await cloud.get(f"{PORTS}?device_owner=network:floatingip")).json()["ports"]) == 2


async def test_which_of_several_addresses(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    there = await site(cloud, member)
    both = [{"subnet_id": there["subnet"], "ip_address": f"10.0.0.{n}"} for n in (50, 51)]
    own = await port(member, there["inside"], fixed_ips=both)
    body = {"floating_network_id": there["outside"], "port_id": own["id"]}
    for more in ({}, {"fixed_ip_address": "10.0.0.52"}, {"fixed_ip_address": "x"}):
        assert error(await member.post(FLOATING, json={"floatingip": {**body, **more}}))[0] == 400, more
    made = await floating_ip(
        member, **{"network_id": there["outside"]}, port_id=own["id"], fixed_ip_address="10.0.0.50"
    )
    assert made["fixed_ip_address"] == "10.0.0.50"
    changed = await change(member, made["id"], port_id=own["id"], fixed_ip_address="10.0.0.51")
    assert changed.json()["floatingip"]["fixed_ip_address"] == "10.0.0.51"
    second = await floating_ip(member, there["outside"], port_id=own["id"], fixed_ip_address="10.0.0.50")
    assert second["fixed_ip_address"] == "10.0.0.50"
    alone = await change(member, made["id"], fixed_ip_address="10.0.0.50")
    assert error(alone)[0] in (400, 409)


async def test_it_must_be_within_reach(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    outside, _ = await external(cloud)
    inside, subnet = await network(member)
    own = await port(member, inside)
    body = {"floatingip": {"floating_network_id": outside, "port_id": own["id"]}}
    assert error(await member.post(FLOATING, json=body))[:2] == (404, "ExternalGatewayForFloatingIPNotFound")
    between = await router(member)
    await interface(member, between["id"], subnet_id=subnet)
    assert error(await member.post(FLOATING, json=body))[:2] == (404, "ExternalGatewayForFloatingIPNotFound")
    assert (await cloud.get(f"{PORTS}?device_owner=network:floatingip")).json()["ports"] == []


async def test_where_none_are(cloud: RunningCloud) -> None:
    """POST /v2.0/floatingips"""
    member = cloud.as_("member")
    inside, _ = await network(member)
    only_ipv6, _ = await external(cloud, "2001:db8:f::/64")
    for network_id, what in (
        (inside, (400, "BadRequest")),
        (only_ipv6, (400, "BadRequest")),
        (str(uuid4()), (404, "NetworkNotFound")),
    ):
        answer = await member.post(FLOATING, json={"floatingip": {"floating_network_id": network_id}})
        assert error(answer)[:2] == what
    for wrong in ({}, {"floating_network_id": 5}, {"floating_network_id": inside, "colour": "red"}):
        assert error(await member.post(FLOATING, json={"floatingip": wrong}))[0] == 400, wrong
    lonely = {"floating_network_id": (await external(cloud))[0], "fixed_ip_address": "10.0.0.5"}
    assert error(await member.post(FLOATING, json={"floatingip": lonely}))[0] == 400


async def test_who_manages_the_project_chooses_the_address(cloud: RunningCloud) -> None:
    outside, subnet = await external(cloud)
    wanted = {"floating_network_id": outside, "floating_ip_address": "203.0.113.99"}
    assert error(await cloud.as_("member").post(FLOATING, json={"floatingip": wanted}))[0] == 403
    made = await floating_ip(cloud.as_("manager"), outside, floating_ip_address="203.0.113.99", subnet_id=subnet)
    assert made["floating_ip_address"] == "203.0.113.99"
    again = await cloud.post(FLOATING, json={"floatingip": wanted})
    assert error(again)[:2] == (409, "IpAddressAlreadyAllocated")


async def test_lists_are_narrowed(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    there = await site(cloud, member)
    own = await port(member, there["inside"])
    used, spare = (
        await floating_ip(member, there["outside"], port_id=own["id"]),
        await floating_ip(member, there["outside"]),
    )

    async def ids(query: str) -> set[str]:
        answer = await member.get(f"{FLOATING}?{query}")
        assert answer.status_code == 200, answer.text
        return {each["id"] for each in answer.json()["floatingips"]}

    assert await ids("") == {used["id"], spare["id"]}
    for query in (
        f"port_id={own['id']}",
        f"router_id={there['router']}",
        f"fixed_ip_address={used['fixed_ip_address']}",
    ):
        assert await ids(query) == {used["id"]}, query
    assert await ids(f"floating_ip_address={spare['floating_ip_address']}") == {spare["id"]}
    assert await ids("limit=1") in ({used["id"]}, {spare["id"]})
    assert (await cloud.get(FLOATING, headers=cloud.stranger)).json() == {"floatingips": []}


async def test_others_have_nothing_to_do_with_it(cloud: RunningCloud) -> None:
    outside, _ = await external(cloud)
    made = await floating_ip(cloud.as_("member"), outside)
    url = f"{FLOATING}/{made['id']}"
    assert (await cloud.as_("reader").get(url)).status_code == 200
    assert error(await cloud.as_("reader").delete(url))[0] == 403
    for verb in ("get", "delete"):
        assert (await cloud.request(verb.upper(), url, headers=cloud.stranger)).status_code == 404
    theirs, _ = await network(cloud, "10.8.0.0/24")
    own = await port(cloud, theirs)
    assert error(await change(cloud.as_("member"), made["id"], port_id=own["id"]))[:2] == (404, "PortNotFound")


async def test_a_network_outside_goes_with_the_floating_ips_that_nobody_uses(cloud: RunningCloud) -> None:
    outside, _ = await external(cloud)
    made = await floating_ip(cloud, outside)
    assert (await cloud.delete(f"/network/v2.0/networks/{outside}")).status_code == 204
    assert (await cloud.get(f"{FLOATING}/{made['id']}")).status_code == 404


async def test_several_are_made_in_one_request_on_any_networks_outside(cloud: RunningCloud) -> None:
    nets = [(await external(cloud, cidr))[0] for cidr in ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24")]
    for order in (nets, nets[::-1]):
        bodies = [{"floating_network_id": net} for net in order]
        answer = await cloud.post(FLOATING, json={"floatingips": bodies})
        assert answer.status_code == 201, answer.text
        assert [each["floating_network_id"] for each in answer.json()["floatingips"]] == order
        bodies = [{"external_gateway_info": {"network_id": net}} for net in order]
        answer = await cloud.post("/network/v2.0/routers", json={"routers": bodies})
        assert answer.status_code == 201, answer.text


async def test_a_quota_bounds_floating_ips(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    outside, _ = await external(cloud)
    body = {"floatingip": {"floating_network_id": outside}}
    answers = [await member.post(FLOATING, json=body) for _ in range(51)]
    assert [a.status_code for a in answers] == [201] * 50 + [409]


async def test_a_network_inside_gives_no_floating_ips(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    inside, _ = await network(member)
    for more in ({}, {"port_id": (await port(member, inside))["id"]}):
        answer = await member.post(FLOATING, json={"floatingip": {"floating_network_id": inside, **more}})
        assert error(answer)[0] == 400
        assert f"Network {inside} is not a valid external network" in error(answer)[2]
