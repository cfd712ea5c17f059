"""/v2.0/routers: routers, their gateways and their routes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support.cloud import Client, RunningCloud
from support.networks import error, external, floating_ip, interface, network, port, router, told

ROUTERS = "/network/v2.0/routers"
PORTS = "/network/v2.0/ports"


async def change(client: Client, router_id: str, **fields: Any) -> Any:
    return await client.put(f"{ROUTERS}/{router_id}", json={"router": fields})


async def names(client: Client, query: str = "") -> list[str]:
    answer = await client.get(f"{ROUTERS}?{query}")
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["routers"]]


async def test_a_router_from_its_making_to_its_end(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    made = await router(member, description="of the web", admin_state_up=False)
    expected = {
        "name": "r",
        "description": "of the web",
        "admin_state_up": False,
        "status": "ACTIVE",
        "external_gateway_info": None,
        "routes": [],
        "availability_zones": ["default"],
        "availability_zone_hints": [],
        "flavor_id": None,
        "tags": [],
        "project_id": member.project_id,
        "tenant_id": member.project_id,
    }
    assert {name: made[name] for name in expected} == expected
    assert "ha" not in made
    url = f"{ROUTERS}/{made['id']}"
    await cloud.settle()
    assert told(cloud, "routers", made["id"])["up"] is False
    assert (await member.get(url)).json()["router"] == made
    changed = (await change(member, made["id"], name="www", admin_state_up=True)).json()["router"]
    assert (changed["name"], changed["admin_state_up"], changed["status"]) == ("www", True, "ACTIVE")
    assert changed["revision_number"] > made["revision_number"]
    await cloud.settle()
    assert told(cloud, "routers", made["id"])["up"] is True
    assert (await member.delete(url)).status_code == 204
    for answer in (await member.get(url), await member.delete(url), await change(member, made["id"], name="x")):
        assert error(answer) == (404, "RouterNotFound", f"Router {made['id']} could not be found")
    await cloud.settle()
    assert told(cloud, "routers", made["id"]) is None


async def test_administrators_see_how_a_router_is_made(cloud: RunningCloud) -> None:
    made = await router(cloud)
    assert (made["ha"], made["distributed"]) == (False, False)
    refused = await cloud.as_("member").post(ROUTERS, json={"router": {"name": "r", "distributed": True}})
    assert error(refused)[0] == 403


async def test_lists_are_narrowed_sorted_and_cut(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    for name in ("b", "a", "c"):
        await router(member, name=name, admin_state_up=name != "c")
    assert await names(member, "name=a&name=c&sort_key=name&sort_dir=desc") == ["c", "a"]
    assert await names(member, "admin_state_up=False") == ["c"]
    assert await names(member, "limit=2&sort_key=name&sort_dir=asc") == ["a", "b"]
    assert sorted(await names(cloud)) == ["a", "b", "c"]
    [only] = (await member.get(f"{ROUTERS}?name=a&fields=id&fields=name")).json()["routers"]
    assert {*only} - {"tenant_id"} == {"id", "name"}
    assert (await cloud.get(ROUTERS, headers=cloud.stranger)).json() == {"routers": []}
    assert error(await member.get(f"{ROUTERS}?colour=red"))[0] == 400


async def test_several_are_made_at_once_or_none(cloud: RunningCloud) -> None:
    answer = await cloud.post(ROUTERS, json={"routers": [{"name": "a"}, {"name": "b"}]})
    assert (answer.status_code, [r["name"] for r in answer.json()["routers"]]) == (201, ["a", "b"])
    missing = {"network_id": str(uuid4())}
    answer = await cloud.post(ROUTERS, json={"routers": [{"name": "c"}, {"external_gateway_info": missing}]})
    assert error(answer)[:2] == (404, "NetworkNotFound")
    assert sorted(await names(cloud)) == ["a", "b"]


async def test_a_gateway_is_given_changed_and_taken_away(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    outside, subnet = await external(cloud)
    made = await router(member, external_gateway_info={"network_id": outside})
    info = made["external_gateway_info"]
    assert (info["network_id"], info["enable_snat"]) == (outside, True)
    [fixed] = info["external_fixed_ips"]
    assert fixed["subnet_id"] == subnet
    [gateway] = (await cloud.get(f"{PORTS}?device_id={made['id']}")).json()["ports"]
    assert (gateway["device_owner"], gateway["project_id"]) == ("network:router_gateway", "")
    assert gateway["fixed_ips"] == info["external_fixed_ips"]
    assert (await member.get(f"{PORTS}/{gateway['id']}")).status_code == 404
    await cloud.settle()
    said = told(cloud, "routers", made["id"])["gateway"]
    assert said["addresses"] == [f"{fixed['ip_address']}/24"]
    assert (said["nexthops"], said["snat"], said["port_id"]) == (["203.0.113.1"], True, gateway["id"])
    other = {
        "network_id": outside,
        "external_fixed_ips": [{"subnet_id": subnet, "ip_address": "203.0.113.77"}],
        "enable_snat": False,
    }
    assert error(await change(member, made["id"], external_gateway_info=other))[0] == 403
    changed = (await change(cloud, made["id"], external_gateway_info=other)).json()["router"]["external_gateway_info"]
    assert changed == other
    await cloud.settle()
    said = told(cloud, "routers", made["id"])["gateway"]
    assert (said["addresses"], said["snat"]) == (["203.0.113.77/24"], False)
    for nothing in (None, {}):
        gone = await change(member, made["id"], external_gateway_info=nothing)
        assert gone.json()["router"]["external_gateway_info"] is None
    assert (await cloud.get(f"{PORTS}?device_id={made['id']}")).json()["ports"] == []
    await cloud.settle()
    assert told(cloud, "routers", made["id"])["gateway"] is None


async def test_what_is_no_gateway(cloud: RunningCloud) -> None:
    inside, _ = await network(cloud)
    outside, subnet = await external(cloud)
    made = await router(cloud)
    for network_id, what in ((inside, (400, "BadRequest")), (str(uuid4()), (404, "NetworkNotFound"))):
        answer = await change(cloud, made["id"], external_gateway_info={"network_id": network_id})
        assert error(answer)[:2] == what
    for address, status in (("203.0.113.1", 400), ("10.9.9.9", 400)):
        info = {"network_id": outside, "external_fixed_ips": [{"subnet_id": subnet, "ip_address": address}]}
        assert error(await change(cloud, made["id"], external_gateway_info=info))[0] == status, address
    for wrong in ({"enable_snat": True}, {"network_id": 5}, [], "x", {"network_id": outside, "colour": "red"}):
        assert error(await change(cloud, made["id"], external_gateway_info=wrong))[0] == 400, wrong
    assert (await cloud.get(f"{ROUTERS}/{made['id']}")).json()["router"]["external_gateway_info"] is None


async def test_an_address_outside_is_given_once(cloud: RunningCloud) -> None:
    outside, subnet = await external(cloud)
    info = {"network_id": outside, "external_fixed_ips": [{"subnet_id": subnet, "ip_address": "203.0.113.9"}]}
    await router(cloud, external_gateway_info=info)
    answer = await cloud.post(ROUTERS, json={"router": {"external_gateway_info": info}})
    assert error(answer)[0] == 409


async def test_a_router_with_legs_is_not_deleted(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    _, subnet = await network(member)
    made = await router(member)
    leg = await interface(member, made["id"], subnet_id=subnet)
    answer = await member.delete(f"{ROUTERS}/{made['id']}")
    assert error(answer)[:2] == (409, "RouterInUse")
    assert leg["port_id"] in error(answer)[2]


async def test_a_gateway_that_floating_ips_need_stays(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    (outside, _), (inside, subnet) = await external(cloud), await network(member)
    made = await router(member, external_gateway_info={"network_id": outside})
    await interface(member, made["id"], subnet_id=subnet)
    await floating_ip(member, outside, port_id=(await port(member, inside))["id"])
    answer = await change(member, made["id"], external_gateway_info=None)
    assert error(answer)[:2] == (409, "RouterExternalGatewayInUseByFloatingIp")
    assert (await change(member, made["id"], external_gateway_info={"network_id": outside})).status_code == 200


async def test_a_router_that_goes_takes_its_gateway_along(cloud: RunningCloud) -> None:
    outside, _ = await external(cloud)
    made = await router(cloud.as_("member"), external_gateway_info={"network_id": outside})
    assert (await cloud.as_("member").delete(f"{ROUTERS}/{made['id']}")).status_code == 204
    await cloud.settle()
    assert (await cloud.get(f"{PORTS}?network_id={outside}&device_owner=network:router_gateway")).json()["ports"] == []


async def test_routes_lead_to_neighbours(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    _, subnet = await network(member)
    made = await router(member)
    await interface(member, made["id"], subnet_id=subnet)
    a, b = ({"destination": f"192.168.{n}.0/24", "nexthop": f"10.0.0.{n}"} for n in (8, 9))
    assert (await change(member, made["id"], routes=[a])).json()["router"]["routes"] == [a]
    url = f"{ROUTERS}/{made['id']}"
    added = await member.put(f"{ROUTERS}/{made['id']}/add_extraroutes", json={"router": {"routes": [a, b]}})
    assert (added.status_code, added.json()["router"]["routes"]) == (200, [a, b])
    await cloud.settle()
    assert told(cloud, "routers", made["id"])["routes"] == [a, b]
    gone = await member.put(f"{ROUTERS}/{made['id']}/remove_extraroutes", json={"router": {"routes": [a]}})
    assert (gone.status_code, gone.json()["router"]["routes"]) == (200, [b])
    used = await member.put(f"{url}/remove_router_interface", json={"subnet_id": subnet})
    assert error(used)[:2] == (409, "RouterInterfaceInUseByRoute")
    for nexthop in ("10.1.0.9", "10.0.0.1", "x", "10.0.0.9/24"):
        wrong = [{"destination": "192.168.0.0/24", "nexthop": nexthop}]
        assert error(await change(member, made["id"], routes=wrong))[0] == 400, nexthop
    for destination in ("192.168.0.1/24", "192.168.0.0", "127.0.0.0/8"):
        wrong = [{"destination": destination, "nexthop": "10.0.0.9"}]
        assert error(await change(member, made["id"], routes=wrong))[0] == 400, destination
    many = [{"destination": f"192.168.{n}.0/24", "nexthop": "10.0.0.9"} for n in range(31)]
    assert error(await change(member, made["id"], routes=many))[:2] == (409, "OverQuota")
    assert error(await change(member, made["id"], routes=[a, a]))[0] == 400
    assert (await change(member, made["id"], routes=None)).json()["router"]["routes"] == []


async def test_others_have_nothing_to_do_with_it(cloud: RunningCloud) -> None:
    made = await router(cloud.as_("member"))
    url = f"{ROUTERS}/{made['id']}"
    reader = cloud.as_("reader")
    assert (await reader.get(url)).status_code == 200
    assert error(await change(reader, made["id"], name="x"))[0] == 403
    assert error(await reader.delete(url))[0] == 403
    assert error(await reader.post(ROUTERS, json={"router": {}}))[0] == 403
    for verb in ("get", "delete"):
        assert (await cloud.request(verb.upper(), url, headers=cloud.stranger)).status_code == 404


async def test_a_quota_bounds_routers(cloud: RunningCloud) -> None:
    """POST /v2.0/routers"""
    member = cloud.as_("member")
    answers = [await member.post(ROUTERS, json={"router": {}}) for _ in range(11)]
    assert [a.status_code for a in answers] == [201] * 10 + [409]


async def test_what_is_no_router_is_refused(cloud: RunningCloud) -> None:
    for wrong in (
        {"name": "x" * 256},
        {"colour": "red"},
        {"admin_state_up": "perhaps"},
        {"routes": []},
        {"status": "DOWN"},
    ):
        assert error(await cloud.post(ROUTERS, json={"router": wrong}))[0] == 400, wrong
