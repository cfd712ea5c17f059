"""What Compute showed of Networking before 2.36: networks and security groups."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support.cloud import Client, RunningCloud
from support.computed import at

GROUPS = "/compute/v2.1/os-security-groups"


async def a_group(client: Client, name: str = "") -> dict[str, Any]:
    body = {"security_group": {"name": name or uuid4().hex, "description": "of old"}}
    answer = await client.post("/compute/v2.1/os-security-groups", json=body)
    assert answer.status_code == 200, answer.text
    group: dict[str, Any] = answer.json()["security_group"]
    return group


async def a_rule(client: Client, group: dict[str, Any], **more: Any) -> Any:
    body = {"parent_group_id": group["id"], "ip_protocol": "tcp", "from_port": 22, "to_port": 22, **more}
    return await client.post("/compute/v2.1/os-security-group-rules", json={"security_group_rule": body})


async def test_networks_are_named(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    network = (await member.post("/network/v2.0/networks", json={"network": {"name": "of old"}})).json()["network"]
    listed = (await member.get("/compute/v2.1/os-networks")).json()["networks"]
    shown = next(each for each in listed if each["id"] == network["id"])
    assert (shown["label"], shown["cidr"]) == ("of old", None)
    assert "project_id" not in shown
    assert (await member.get(f"/compute/v2.1/os-networks/{network['id']}")).json() == {"network": shown}
    assert "project_id" in (await cloud.get(f"/compute/v2.1/os-networks/{network['id']}")).json()["network"]
    brief = {"id": network["id"], "label": "of old", "cidr": "None"}
    assert brief in (await member.get("/compute/v2.1/os-tenant-networks")).json()["networks"]
    assert (await member.get(f"/compute/v2.1/os-tenant-networks/{network['id']}")).json() == {"network": brief}
    for noun in ("os-networks", "os-tenant-networks"):
        assert (await member.get(f"/compute/v2.1/{noun}/{uuid4()}")).status_code == 404
        assert (await member.get(f"/compute/v2.1/{noun}", headers=at("2.36"))).status_code == 404


async def test_security_groups_come_and_go(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    group = await a_group(member)
    path = f"/compute/v2.1/os-security-groups/{group['id']}"
    assert group == {**group, "description": "of old", "rules": [], "tenant_id": member.project_id}
    assert (await member.get(path)).json() == {"security_group": group}
    body = {"security_group": {"name": "new", "description": ""}}
    changed = (await member.put(path, json=body)).json()["security_group"]
    assert changed == {**group, "name": "new", "description": ""}
    listed = (await member.get("/compute/v2.1/os-security-groups")).json()["security_groups"]
    assert changed in listed
    assert (await member.get(GROUPS, params={"limit": 1, "offset": 1})).json()["security_groups"] == listed[1:2]
    assert (await member.get(GROUPS, params={"limit": "x"})).status_code == 400
    assert changed in (await cloud.get(GROUPS, params={"all_tenants": 1})).json()["security_groups"]
    assert changed not in (await cloud.get(GROUPS)).json()["security_groups"]
    default = next(each for each in listed if each["name"] == "default")
    assert (await member.delete(f"/compute/v2.1/os-security-groups/{default['id']}")).status_code == 400
    assert (
        await member.post(GROUPS, json={"security_group": {"name": "default", "description": ""}})
    ).status_code == 400
    assert (await member.delete(path)).status_code == 202
    assert (await member.get(path)).status_code == (await member.delete(path)).status_code == 404
    assert (await member.get(GROUPS, headers=at("2.36"))).status_code == 404


async def test_rules_let_in_by_protocol_port_and_origin(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    group, other = await a_group(member), await a_group(member)
    rule = (await a_rule(member, group)).json()["security_group_rule"]
    assert rule == {
        "id": rule["id"],
        "parent_group_id": group["id"],
        "ip_protocol": "tcp",
        "from_port": 22,
        "to_port": 22,
        "ip_range": {"cidr": "0.0.0.0/0"},
        "group": {},
    }
    inner = (await a_rule(member, group, group_id=other["id"])).json()["security_group_rule"]
    assert inner["group"] == {"name": other["name"], "tenant_id": member.project_id}
    assert inner["ip_range"] == {}
    pings = (await a_rule(member, group, ip_protocol="ICMP", from_port=-1, to_port="-1")).json()["security_group_rule"]
    assert (pings["ip_protocol"], pings["from_port"], pings["to_port"]) == ("icmp", -1, -1)
    wide = (await a_rule(member, group, cidr="2001:db8::/32")).json()["security_group_rule"]
    assert wide["ip_range"] == {"cidr": "2001:db8::/32"}
    shown = (await member.get(f"/compute/v2.1/os-security-groups/{group['id']}")).json()["security_group"]
    assert sorted(each["id"] for each in shown["rules"]) == sorted(each["id"] for each in (rule, inner, pings, wide))
    for wrong in (
        {},
        {"parent_group_id": "x"},
        {"ip_protocol": "sctpx"},
        {"from_port": 65536},
        {"from_port": "a"},
        {"from_port": 30},
        {"cidr": "x"},
        {"ip_protocol": None},
    ):
        assert (await a_rule(member, group, **wrong)).status_code == 400, wrong
    assert (await a_rule(member, group, parent_group_id=str(uuid4()))).status_code == 404
    assert (await a_rule(member, group, group_id=str(uuid4()))).status_code == 404
    path = f"/compute/v2.1/os-security-group-rules/{rule['id']}"
    assert (await member.delete(path)).status_code == 202
    assert (await member.delete(path)).status_code == 404
