"""/v2.0/security-group-rules: what a group lets in and out."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support.cloud import Client, RunningCloud
from support.networks import error, made, told

GROUPS = "/network/v2.0/security-groups"
RULES = "/network/v2.0/security-group-rules"


async def group(client: Client, name: str = "web") -> str:
    return str((await made(client, GROUPS, "security_group", {"name": name}))["id"])


async def rule(client: Client, group_id: str, **fields: Any) -> dict[str, Any]:
    return await made(
        client, RULES, "security_group_rule", {"security_group_id": group_id, "direction": "ingress", **fields}
    )


async def refused(client: Client, group_id: str, **fields: Any) -> tuple[int, str]:
    body = {"security_group_id": group_id, "direction": "ingress", **fields}
    return error(await client.post(RULES, json={"security_group_rule": body}))[:2]


async def test_a_rule_from_its_making_to_its_end(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    web = await group(member)
    ssh = await rule(
        member,
        web,
        protocol="TCP",
        port_range_min=22,
        port_range_max="22",
        remote_ip_prefix="10.0.0.5/24",
        description="ssh",
    )
    kept = {
        name: value for name, value in ssh.items() if name not in ("id", "created_at", "updated_at", "revision_number")
    }
    assert kept == {
        "project_id": member.project_id,
        "tenant_id": member.project_id,
        "security_group_id": web,
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": "tcp",
        "port_range_min": 22,
        "port_range_max": 22,
        "remote_ip_prefix": "10.0.0.5/24",
        "normalized_cidr": "10.0.0.0/24",
        "remote_group_id": None,
        "remote_address_group_id": None,
        "belongs_to_default_sg": False,
        "description": "ssh",
    }
    url = f"{RULES}/{ssh['id']}"
    assert (await member.get(url)).json()["security_group_rule"] == ssh
    shown = (await member.get(f"{GROUPS}/{web}")).json()["security_group"]
    assert ssh in shown["security_group_rules"]
    assert (await member.delete(url)).status_code == 204
    for answer in (await member.get(url), await member.delete(url)):
        assert error(answer) == (404, "SecurityGroupRuleNotFound", f"Security group rule {ssh['id']} does not exist")
    after = (await member.get(f"{GROUPS}/{web}")).json()["security_group"]
    assert after["revision_number"] > shown["revision_number"]


async def test_the_list_is_of_the_own_groups(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    web = await group(member)
    ssh = await rule(member, web, protocol="tcp", port_range_min=22, port_range_max=22)
    listed = (await member.get(RULES)).json()["security_group_rules"]
    assert len(listed) == 4 + 2 + 1  # the default group's, the new one's, and this
    for query in (f"security_group_id={web}&protocol=tcp", "port_range_min=22", f"id={ssh['id']}"):
        assert (await member.get(f"{RULES}?{query}")).json()["security_group_rules"] == [ssh], query
    [fields] = (await member.get(f"{RULES}?id={ssh['id']}&fields=protocol")).json()["security_group_rules"]
    assert fields["protocol"] == "tcp"
    assert "direction" not in fields
    assert (await cloud.get(f"{RULES}?security_group_id={web}", headers=cloud.stranger)).json()[
        "security_group_rules"
    ] == []
    assert (await cloud.get(f"{RULES}/{ssh['id']}", headers=cloud.stranger)).status_code == 404
    assert (await cloud.as_("reader").get(f"{RULES}/{ssh['id']}")).status_code == 200
    assert error(await cloud.as_("reader").delete(f"{RULES}/{ssh['id']}"))[0] == 403


async def test_a_rule_is_there_once(cloud: RunningCloud) -> None:
    """POST /v2.0/security-group-rules"""
    member = cloud.as_("member")
    web = await group(member)
    ssh = await rule(member, web, protocol="tcp", port_range_min=22, port_range_max=22)
    again = await member.post(
        RULES,
        json={
            "security_group_rule": {
                "security_group_id": web,
                "direction": "ingress",
                "protocol": 6,
                "port_range_min": 22,
                "port_range_max": 22,
                "remote_ip_prefix": "0.0.0.0/0",
            }
        },
    )
    assert error(again) == (
        409,
        "SecurityGroupRuleExists",
        f"Security group rule already exists. Rule id is {ssh['id']}.",
    )
    one = {"security_group_id": web, "direction": "egress", "protocol": "udp"}
    twice = await member.post(RULES, json={"security_group_rules": [one, one]})
    assert error(twice)[:2] == (409, "DuplicateSecurityGroupRuleInPost")
    both = await member.post(RULES, json={"security_group_rules": [one, {**one, "protocol": "sctp"}]})
    assert (both.status_code, len(both.json()["security_group_rules"])) == (201, 2)


async def test_rules_of_one_post_are_of_one_group(cloud: RunningCloud) -> None:
    a, b = await group(cloud, "a"), await group(cloud, "b")
    several = [{"security_group_id": each, "direction": "ingress"} for each in (a, b)]
    assert error(await cloud.post(RULES, json={"security_group_rules": several}))[:2] == (
        400,
        "SecurityGroupNotSingleGroupRules",
    )
    owners = [
        {"security_group_id": a, "direction": "ingress", "protocol": p, "project_id": o}
        for p, o in (("tcp", cloud.project_id), ("udp", cloud.as_("member").project_id))
    ]
    assert error(await cloud.post(RULES, json={"security_group_rules": owners}))[:2] == (
        400,
        "SecurityGroupRulesNotSingleProject",
    )


async def test_what_a_rule_cannot_say(cloud: RunningCloud) -> None:
    web = await group(cloud)
    assert await refused(cloud, web, protocol="bad") == (400, "SecurityGroupRuleInvalidProtocol")
    assert await refused(cloud, web, ethertype="bad") == (400, "SecurityGroupRuleInvalidEtherType")
    assert await refused(cloud, web, remote_ip_prefix="192.168.1./24") == (400, "InvalidCIDR")
    assert await refused(cloud, web, protocol="tcp", port_range_min=80, port_range_max=65536) == (
        400,
        "SecurityGroupInvalidPortValue",
    )
    assert await refused(cloud, web, protocol="tcp", port_range_min=81, port_range_max=80) == (
        400,
        "SecurityGroupInvalidPortRange",
    )
    assert await refused(cloud, web, remote_ip_prefix="10.0.0.0/8", remote_group_id=web) == (
        400,
        "SecurityGroupMultipleRemoteEntites",
    )
    assert (await refused(cloud, web, direction="sideways"))[0] == 400
    assert (await refused(cloud, web, colour="red"))[0] == 400
    assert (await refused(cloud, web, port_range_min=2**70))[0] == 400
    missing = str(uuid4())
    assert await refused(cloud, web, remote_group_id=missing) == (404, "SecurityGroupNotFound")
    assert await refused(cloud, missing) == (404, "SecurityGroupNotFound")
    assert (await refused(cloud, "x"))[0] == 404
    assert await refused(cloud, web, remote_address_group_id=missing) == (404, "AddressGroupNotFound")


async def test_only_the_owner_of_a_group_changes_it(cloud: RunningCloud) -> None:
    theirs = await group(cloud)
    assert await refused(cloud.as_("member"), theirs) == (404, "SecurityGroupNotFound")
    ours = await group(cloud.as_("member"), "ours")
    by_admin = await rule(cloud, ours, protocol="tcp")
    assert by_admin["project_id"] == cloud.project_id
    assert (await cloud.as_("member").delete(f"{RULES}/{by_admin['id']}")).status_code == 204


async def test_a_group_that_goes_takes_the_rules_that_name_it(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    web, db = await group(member, "web"), await group(member, "db")
    named = await rule(member, db, protocol="tcp", remote_group_id=web)
    assert named["remote_group_id"] == web
    assert (await member.delete(f"{GROUPS}/{web}")).status_code == 204
    assert (await member.get(f"{RULES}/{named['id']}")).status_code == 404
    await cloud.settle()


async def test_the_overlay_hears_of_every_rule(cloud: RunningCloud) -> None:
    """A list of addresses becomes a rule for each of them; what is deleted is not there any more."""
    member = cloud.as_("member")
    web = await group(member)
    addresses = await made(
        member,
        "/network/v2.0/address-groups",
        "address_group",
        {"name": "offices", "addresses": ["10.1.0.0/16", "10.2.0.0/16", "2001:db8::/32"]},
    )
    await rule(
        member, web, protocol="tcp", port_range_min=22, port_range_max=22, remote_address_group_id=addresses["id"]
    )
    await cloud.settle()
    assert sorted(f["remote_cidr"] for f in filters(cloud, web) if f["ingress"]) == ["10.1.0.0/16", "10.2.0.0/16"]
    url = f"/network/v2.0/address-groups/{addresses['id']}"
    assert (
        await member.put(f"{url}/remove_addresses", json={"address_group": {"addresses": ["10.1.0.0/16"]}})
    ).status_code == 200
    await cloud.settle()
    assert [f["remote_cidr"] for f in filters(cloud, web) if f["ingress"]] == ["10.2.0.0/16"]
    assert error(await member.delete(url))[:2] == (409, "AddressGroupInUse")
    assert (await member.delete(f"{GROUPS}/{web}")).status_code == 204
    await cloud.settle()
    assert filters(cloud, web) == []


def filters(cloud: RunningCloud, group_id: str) -> list[dict[str, Any]]:
    """What the simulated overlay was told last of a group."""
    return list((told(cloud, "groups", group_id) or {"rules": []})["rules"])
