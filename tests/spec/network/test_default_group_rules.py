"""/v2.0/default-security-group-rules: what new groups begin with."""

from __future__ import annotations

from typing import Any

from support.cloud import Client, RunningCloud
from support.networks import error, made

RULES = "/network/v2.0/default-security-group-rules"
GROUPS = "/network/v2.0/security-groups"
NOUN = "default_security_group_rule"


async def listed(client: Client) -> list[dict[str, Any]]:
    answer = await client.get(RULES)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["default_security_group_rules"])


async def test_what_groups_begin_with_until_somebody_changes_it(cloud: RunningCloud) -> None:
    found = await listed(cloud.as_("reader"))
    ways = {
        (r["direction"], r["ethertype"], r["remote_group_id"], r["used_in_default_sg"], r["used_in_non_default_sg"])
        for r in found
    }
    assert ways == {
        ("egress", "IPv4", None, True, True),
        ("egress", "IPv6", None, True, True),
        ("ingress", "IPv4", "PARENT", True, False),
        ("ingress", "IPv6", "PARENT", True, False),
    }
    assert await listed(cloud.as_("reader")) == found
    url = f"{RULES}/{found[0]['id']}"
    assert (await cloud.as_("reader").get(url)).json() == {NOUN: found[0]}


async def test_new_groups_begin_with_what_administrators_say(cloud: RunningCloud) -> None:
    """POST /v2.0/default-security-group-rules"""
    ssh = {
        "direction": "ingress",
        "protocol": "tcp",
        "port_range_min": 22,
        "port_range_max": 22,
        "used_in_default_sg": True,
    }
    rule = await made(cloud, RULES, NOUN, {**ssh, "remote_group_id": "PARENT"})
    assert (rule["remote_group_id"], rule["used_in_non_default_sg"]) == ("PARENT", True)
    again = await cloud.post(RULES, json={NOUN: {**ssh, "remote_group_id": "PARENT"}})
    assert error(again)[:2] == (409, "DefaultSecurityGroupRuleExists")
    member = cloud.as_("member")
    group = await made(member, GROUPS, "security_group", {"name": "web"})
    assert group["id"] in [r["remote_group_id"] for r in group["security_group_rules"] if r["protocol"] == "tcp"]
    [default] = (await member.get(f"{GROUPS}?name=default")).json()["security_groups"]
    assert default["id"] in [r["remote_group_id"] for r in default["security_group_rules"] if r["protocol"] == "tcp"]
    for each in await listed(cloud):
        assert (await cloud.delete(f"{RULES}/{each['id']}")).status_code == 204
    assert await listed(cloud) == []
    bare = await made(member, GROUPS, "security_group", {"name": "bare"})
    assert bare["security_group_rules"] == []
    assert error(await cloud.get(f"{RULES}/{rule['id']}"))[:2] == (404, "DefaultSecurityGroupRuleNotFound")


async def test_only_administrators_change_them(cloud: RunningCloud) -> None:
    [first, *_] = await listed(cloud)
    member = cloud.as_("member")
    assert error(await member.post(RULES, json={NOUN: {"direction": "ingress"}}))[0] == 403
    assert error(await member.delete(f"{RULES}/{first['id']}"))[0] == 403
    for wrong in (
        {},
        {"direction": "sideways"},
        {"direction": "ingress", "remote_group_id": "x"},
        {"direction": "ingress", "protocol": "x"},
    ):
        assert error(await cloud.post(RULES, json={NOUN: wrong}))[0] == 400, wrong
