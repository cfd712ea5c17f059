"""/v2.0/networks"""

from __future__ import annotations

from typing import Any

from support.cloud import RunningCloud
from support.networks import ROOT, error, made, network, port, told

NETWORKS = "/network/v2.0/networks"


async def test_one_is_made_shown_changed_and_deleted(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    new = await made(member, NETWORKS, "network", {"name": "web", "description": "of the shop", "tags": ["blue"]})
    assert new == {
        "id": new["id"],
        "name": "web",
        "description": "of the shop",
        "admin_state_up": True,
        "status": "ACTIVE",
        "subnets": [],
        "shared": False,
        "router:external": False,
        "mtu": 1442,
        "port_security_enabled": True,
        "availability_zone_hints": [],
        "availability_zones": ["default"],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "dns_domain": "",
        "qos_policy_id": None,
        "tags": ["blue"],
        "created_at": "2100-01-01T00:00:00Z",
        "updated_at": "2100-01-01T00:00:00Z",
        "revision_number": 1,
        "project_id": member.project_id,
        "tenant_id": member.project_id,
    }
    url = f"{NETWORKS}/{new['id']}"
    assert (await member.get(url)).json() == {"network": new}
    changed = await member.put(url, json={"network": {"name": "shop", "admin_state_up": "false"}})
    assert changed.status_code == 200
    assert changed.json()["network"] == {**new, "name": "shop", "admin_state_up": False, "revision_number": 2}
    assert (await member.delete(url)).status_code == 204
    said = error(await member.get(url))
    assert said == (404, "NetworkNotFound", f"Network {new['id']} could not be found.")
    assert error(await member.delete(url)) == said


async def test_the_overlay_has_what_the_rows_say(cloud: RunningCloud) -> None:
    network_id, subnet_id = await network(cloud.as_("member"))
    await cloud.settle()
    seen = told(cloud, "networks", network_id)
    assert (seen["mtu"], seen["up"], [each["id"] for each in seen["subnets"]]) == (1442, True, [subnet_id])
    assert seen["metadata_address"] == "10.0.0.2"
    await cloud.as_("member").put(f"{NETWORKS}/{network_id}", json={"network": {"admin_state_up": False}})
    await cloud.settle()
    assert told(cloud, "networks", network_id)["up"] is False
    assert (await cloud.as_("member").delete(f"{NETWORKS}/{network_id}")).status_code == 204
    await cloud.settle()
    assert told(cloud, "networks", network_id) is None


async def test_several_are_made_at_once_or_none(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    both = await member.post(f"{NETWORKS}", json={"networks": [{"name": "a"}, {"name": "b"}]})
    assert both.status_code == 201
    assert [each["name"] for each in both.json()["networks"]] == ["a", "b"]
    refused = await member.post(f"{NETWORKS}", json={"networks": [{"name": "c"}, {"name": "d", "shared": True}]})
    assert error(refused)[:2] == (403, "PolicyNotAuthorized")
    names = [each["name"] for each in (await member.get(f"{NETWORKS}")).json()["networks"]]
    assert sorted(names) == ["a", "b"]
    assert error(await member.post(f"{NETWORKS}", json={"networks": []}))[0] == 400
    assert error(await member.post(f"{NETWORKS}", json={}))[0] == 400


async def test_administrators_see_and_choose_the_wire(cloud: RunningCloud) -> None:
    new = await made(cloud, NETWORKS, "network", {"name": "n"})
    assert new["provider:network_type"] == "geneve"
    assert new["provider:physical_network"] is None
    assert new["provider:segmentation_id"] == 1
    flat = {"provider:network_type": "flat", "provider:physical_network": "public"}
    outside = await made(cloud, NETWORKS, "network", {**flat, "router:external": True})
    assert (outside["mtu"], outside["is_default"]) == (1500, False)
    assert error(await cloud.post(f"{NETWORKS}", json={"network": flat}))[:2] == (409, "FlatNetworkInUse")
    vlan = {"provider:network_type": "vlan", "provider:physical_network": "public", "provider:segmentation_id": 7}
    assert (await made(cloud, NETWORKS, "network", vlan))["provider:segmentation_id"] == 7
    assert error(await cloud.post(f"{NETWORKS}", json={"network": vlan}))[:2] == (409, "VlanIdInUse")
    del vlan["provider:segmentation_id"]
    assert (await made(cloud, NETWORKS, "network", vlan))["provider:segmentation_id"] == 1
    moved = await cloud.put(f"{NETWORKS}/{new['id']}", json={"network": {"provider:segmentation_id": 9}})
    assert error(moved)[:2] == (400, "InvalidInput")
    await cloud.settle()
    assert told(cloud, "networks", outside["id"])["physical_network"] == "public"


async def test_a_wire_that_there_is_not_is_refused(cloud: RunningCloud) -> None:
    wrong: list[dict[str, Any]] = [
        {"provider:network_type": "gre"},
        {"provider:network_type": "flat"},
        {"provider:network_type": "flat", "provider:physical_network": "nowhere"},
        {"provider:network_type": "flat", "provider:physical_network": "public", "provider:segmentation_id": 3},
        {"provider:network_type": "geneve", "provider:physical_network": "public"},
        {"provider:network_type": "geneve", "provider:segmentation_id": 2**24},
        {"provider:network_type": "vlan", "provider:physical_network": "public", "provider:segmentation_id": 4095},
        {"provider:physical_network": "public"},
        {"mtu": 9000},
        {"mtu": 12},
    ]
    for body in wrong:
        assert error(await cloud.post(f"{NETWORKS}", json={"network": body}))[:2] == (400, "InvalidInput"), body


async def test_members_may_not_what_is_for_administrators(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    mine = await made(member, NETWORKS, "network", {"name": "mine"})
    for attribute in ({"shared": True}, {"router:external": True}, {"provider:network_type": "geneve"}):
        assert error(await member.post(f"{NETWORKS}", json={"network": attribute}))[:2] == (403, "PolicyNotAuthorized")
        changed = await member.put(f"{NETWORKS}/{mine['id']}", json={"network": attribute})
        assert error(changed)[:2] == (403, "PolicyNotAuthorized")
    other = await member.post(f"{NETWORKS}", json={"network": {"tenant_id": cloud.project_id}})
    assert other.status_code == 403
    both = await cloud.post(f"{NETWORKS}", json={"network": {"tenant_id": "a", "project_id": "b"}})
    assert error(both)[0] == 400
    assert (await cloud.as_("reader").post(f"{NETWORKS}", json={"network": {}})).status_code == 403
    assert (await cloud.as_("reader").delete(f"{NETWORKS}/{mine['id']}")).status_code == 403


async def test_shared_and_external_ones_are_seen_by_others(cloud: RunningCloud) -> None:
    hidden = await made(cloud, NETWORKS, "network", {"name": "hidden"})
    shared = await made(cloud, NETWORKS, "network", {"name": "shared", "shared": True})
    outside = await made(cloud, NETWORKS, "network", {"name": "outside", "router:external": True})
    member = cloud.as_("member")
    names = {each["name"] for each in (await member.get(f"{NETWORKS}")).json()["networks"]}
    assert names == {"shared", "outside"}
    assert (await member.get(f"{NETWORKS}/{shared['id']}")).json()["network"]["shared"] is True
    assert error(await member.get(f"{NETWORKS}/{hidden['id']}"))[1] == "NetworkNotFound"
    assert error(await member.put(f"{NETWORKS}/{hidden['id']}", json={"network": {}}))[0] == 404
    assert error(await member.put(f"{NETWORKS}/{outside['id']}", json={"network": {"name": "x"}}))[0] == 403


async def test_one_that_others_use_stays_shared(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud, shared=True)
    await port(cloud.as_("member"), network_id)
    refused = await cloud.put(f"{NETWORKS}/{network_id}", json={"network": {"shared": False}})
    assert error(refused)[:2] == (409, "InvalidSharedSetting")


async def test_one_that_is_used_is_not_deleted(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    network_id, _ = await network(member)
    used = await port(member, network_id)
    status, kind, message = error(await member.delete(f"{NETWORKS}/{network_id}"))
    assert (status, kind) == (409, "NetworkInUse")
    assert used["id"] in message
    assert (await member.delete(f"{ROOT}/ports/{used['id']}")).status_code == 204
    assert (await member.delete(f"{NETWORKS}/{network_id}")).status_code == 204
    assert (await member.get(f"{ROOT}/subnets")).json() == {"subnets": []}


async def test_a_limit_is_not_passed(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    made_ = await member.post(f"{NETWORKS}", json={"networks": [{} for _ in range(100)]})
    assert made_.status_code == 201
    status, kind, message = error(await member.post(f"{NETWORKS}", json={"network": {}}))
    assert (status, kind) == (409, "OverQuota")
    assert "network" in message


async def test_a_zone_is_chosen(cloud: RunningCloud) -> None:
    await made(cloud, NETWORKS, "network", {"availability_zone_hints": ["default"]})
    elsewhere = await cloud.post(f"{NETWORKS}", json={"network": {"availability_zone_hints": ["nova"]}})
    assert error(elsewhere)[:2] == (404, "AvailabilityZoneNotFound")
