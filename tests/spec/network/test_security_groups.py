"""/v2.0/security-groups: the groups of a project, and who may see and change them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx

from support.cloud import Client, RunningCloud
from support.networks import error, made, network, port

GROUPS = "/network/v2.0/security-groups"


async def group(client: Client, **fields: Any) -> dict[str, Any]:
    return await made(client, GROUPS, "security_group", {"name": "web", **fields})


async def names(client: Client, query: str = "") -> list[str]:
    answer = await client.get(f"{GROUPS}?{query}")
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["security_groups"]]


async def test_a_group_from_its_making_to_its_end(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    shown = await group(member, description="of the web")
    url = f"{GROUPS}/{shown['id']}"
    assert {
        name: shown[name] for name in ("name", "description", "stateful", "shared", "tags", "project_id", "tenant_id")
    } == {
        "name": "web",
        "description": "of the web",
        "stateful": True,
        "shared": False,
        "tags": [],
        "project_id": member.project_id,
        "tenant_id": member.project_id,
    }
    rules = shown["security_group_rules"]
    assert sorted((r["direction"], r["ethertype"], r["protocol"]) for r in rules) == [
        ("egress", "IPv4", None),
        ("egress", "IPv6", None),
    ]
    assert (await member.get(url)).json()["security_group"] == shown
    changed = await member.put(url, json={"security_group": {"name": "www", "description": ""}})
    assert (changed.status_code, changed.json()["security_group"]["name"]) == (200, "www")
    assert changed.json()["security_group"]["revision_number"] > shown["revision_number"]
    assert (await member.delete(url)).status_code == 204
    for answer in (await member.get(url), await member.delete(url)):
        assert error(answer) == (404, "SecurityGroupNotFound", f"Security group {shown['id']} does not exist")
    await cloud.settle()
    assert await names(member) == ["default"]


async def test_each_project_has_a_default_group_whose_members_may_talk_to_each_other(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    assert await names(member) == ["default"]
    [default] = (await member.get(f"{GROUPS}?name=default")).json()["security_groups"]
    assert default["description"] == "Default security group"
    inside = [r for r in default["security_group_rules"] if r["direction"] == "ingress"]
    assert sorted((r["ethertype"], r["remote_group_id"]) for r in inside) == [
        ("IPv4", default["id"]),
        ("IPv6", default["id"]),
    ]
    assert all(r["belongs_to_default_sg"] for r in default["security_group_rules"])
    assert len(default["security_group_rules"]) == 4
    url = f"{GROUPS}/{default['id']}"
    assert error(await member.delete(url))[:2] == (409, "SecurityGroupCannotRemoveDefault")
    renamed = await member.put(url, json={"security_group": {"name": "mine"}})
    assert error(renamed)[:2] == (409, "SecurityGroupCannotUpdateDefault")
    described = await member.put(url, json={"security_group": {"description": "ours"}})
    assert described.json()["security_group"]["description"] == "ours"
    assert await names(member) == ["default"]
    assert (await cloud.delete(url)).status_code == 204  # the administrator may; it is made anew
    assert await names(member) == ["default"]


async def test_there_is_one_default_group(cloud: RunningCloud) -> None:
    """POST /v2.0/security-groups"""
    member = cloud.as_("member")
    for name in ("default", "Default"):
        answer = await member.post(GROUPS, json={"security_group": {"name": name}})
        assert error(answer)[:2] == (409, "SecurityGroupDefaultAlreadyExists")
    web = await group(member)
    answer = await member.put(f"{GROUPS}/{web['id']}", json={"security_group": {"name": "default"}})
    assert error(answer)[:2] == (409, "SecurityGroupDefaultAlreadyExists")


async def test_several_are_made_at_once_or_none(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    answer = await member.post(GROUPS, json={"security_groups": [{"name": "a"}, {"name": "b"}]})
    assert (answer.status_code, [g["name"] for g in answer.json()["security_groups"]]) == (201, ["a", "b"])
    wrapped = await member.post(GROUPS, json={"security_groups": [{"security_group": {"name": "b"}}]})
    assert (await member.delete(f"{GROUPS}/{wrapped.json()['security_groups'][0]['id']}")).status_code == 204
    answer = await member.post(GROUPS, json={"security_groups": [{"name": "c"}, {"name": "default"}]})
    assert answer.status_code == 409
    assert sorted(await names(member)) == ["a", "b", "default"]


async def test_lists_are_narrowed_sorted_and_cut(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    for name in ("b", "a", "c"):
        await group(member, name=name, stateful=name != "c")
    assert await names(member, "name=a&name=c&sort_key=name&sort_dir=desc") == ["c", "a"]
    assert await names(member, "stateful=False") == ["c"]
    assert await names(member, "limit=2&sort_key=name&sort_dir=asc") == ["a", "b"]
    [only] = (await member.get(f"{GROUPS}?name=a&fields=id&fields=name")).json()["security_groups"]
    assert {*only} - {"tenant_id"} == {"id", "name"}
    assert await names(member, f"project_id={cloud.project_id}") == []
    assert await names(member, "shared=True") == []


async def test_a_group_that_is_shared_is_seen_and_not_changed(cloud: RunningCloud) -> None:
    manager, member = cloud.as_("manager"), cloud.as_("member")
    assert manager.project_id == member.project_id
    theirs = await group(cloud, name="theirs")
    url = f"{GROUPS}/{theirs['id']}"
    assert (await member.get(url)).status_code == 404
    policy = {
        "object_type": "security_group",
        "object_id": theirs["id"],
        "action": "access_as_shared",
        "target_tenant": member.project_id,
    }
    shared = await made(cloud, "/network/v2.0/rbac-policies", "rbac_policy", policy)
    assert (await member.get(url)).json()["security_group"]["shared"] is True
    assert "theirs" in await names(member, "shared=True")
    assert (await member.put(url, json={"security_group": {"name": "ours"}})).status_code == 404
    assert (await member.delete(url)).status_code == 404
    assert (await cloud.delete(f"/network/v2.0/rbac-policies/{shared['id']}")).status_code == 204
    assert (await member.get(url)).status_code == 404


async def test_others_have_nothing_to_do_with_it(cloud: RunningCloud) -> None:
    shown = await group(cloud.as_("member"))
    url = f"{GROUPS}/{shown['id']}"
    reader = cloud.as_("reader")
    assert (await reader.get(url)).status_code == 200
    assert error(await reader.put(url, json={"security_group": {"name": "x"}}))[0] == 403
    assert error(await reader.post(GROUPS, json={"security_group": {"name": "x"}}))[0] == 403
    stranger = cloud.stranger
    assert (await cloud.get(url, headers=stranger)).status_code == 404
    assert (await cloud.delete(url, headers=stranger)).status_code == 404
    other = await cloud.as_("member").post(
        GROUPS, json={"security_group": {"name": "x", "project_id": cloud.project_id}}
    )
    assert error(other)[0] == 403


async def test_what_is_no_group_is_refused(cloud: RunningCloud) -> None:
    for wrong in (
        {"name": "x" * 256},
        {"name": 5},
        {"colour": "red"},
        {"stateful": "perhaps"},
        {"name": "x", "id": str(uuid4())},
    ):
        assert error(await cloud.post(GROUPS, json={"security_group": wrong}))[0] == 400, wrong
    for body in ({}, {"security_groups": []}, {"security_groups": {}}, {"security_group": []}, {"group": {}}):
        assert error(await cloud.post(GROUPS, json=body))[0] == 400, body


async def test_a_quota_bounds_groups_and_their_rules(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    answers: list[httpx.Response] = [
        await member.post(GROUPS, json={"security_group": {"name": f"g{n}"}}) for n in range(11)
    ]
    assert [a.status_code for a in answers] == [201] * 9 + [409] * 2
    assert error(answers[-1])[1] == "OverQuota"


async def test_ports_are_in_groups_of_one_kind_each_once(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    inside, _ = await network(member)
    ids = [(await group(member, stateful=each))["id"] for each in (True, False)]
    own = await port(member, inside, security_groups=ids[:1])
    url = f"/network/v2.0/ports/{own['id']}"
    both = await member.put(url, json={"port": {"security_groups": ids}})
    assert error(both)[:2] == (409, "SecurityGroupConflict")
    assert error(await member.put(url, json={"port": {"security_groups": ids[:1] * 2}}))[0] == 400
    assert error(await member.delete(f"{GROUPS}/{ids[0]}"))[:2] == (409, "SecurityGroupInUse")
    changed = await member.put(f"{GROUPS}/{ids[0]}", json={"security_group": {"stateful": False}})
    assert error(changed)[:2] == (409, "SecurityGroupInUse")


async def test_the_default_group_goes_with_its_project(cloud: RunningCloud) -> None:
    made_here = await cloud.post("/identity/v3/projects", json={"project": {"name": "short-lived"}})
    project_id = made_here.json()["project"]["id"]
    listed = await cloud.get(f"{GROUPS}?project_id={project_id}")
    assert [each["name"] for each in listed.json()["security_groups"]] == ["default"]
    assert (await cloud.delete(f"/identity/v3/projects/{project_id}")).status_code == 204
    await cloud.settle()
    assert (await cloud.get(f"{GROUPS}?project_id={project_id}")).json()["security_groups"] == []
