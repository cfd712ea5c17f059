"""/v2.0/rbac-policies: what a project lets others use."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support.cloud import Client, RunningCloud
from support.networks import error, made, network, port

POLICIES = "/network/v2.0/rbac-policies"
NETWORKS = "/network/v2.0/networks"
SHARE = {"object_type": "network", "action": "access_as_shared"}


async def share(client: Client, network_id: str, target: str) -> dict[str, Any]:
    return await made(client, POLICIES, "rbac_policy", {**SHARE, "object_id": network_id, "target_tenant": target})


async def test_a_policy_from_its_making_to_its_end(cloud: RunningCloud) -> None:
    member, stranger = cloud.as_("member"), cloud.people["stranger"]
    net, _ = await network(member)
    assert (await stranger.get(f"{NETWORKS}/{net}")).status_code == 404
    policy = await share(member, net, stranger.project_id)
    assert {**policy, "id": ""} == {
        **SHARE,
        "id": "",
        "object_id": net,
        "target_tenant": stranger.project_id,
        "project_id": member.project_id,
        "tenant_id": member.project_id,
    }
    url = f"{POLICIES}/{policy['id']}"
    assert (await member.get(url)).json()["rbac_policy"] == policy
    assert (await member.get(POLICIES)).json()["rbac_policies"] == [policy]
    assert (await stranger.get(f"{NETWORKS}/{net}")).json()["network"]["shared"] is True
    assert (await stranger.get(url)).status_code == 404
    assert (await stranger.get(POLICIES)).json() == {"rbac_policies": []}
    moved = await member.put(url, json={"rbac_policy": {"target_tenant": cloud.project_id}})
    assert (moved.status_code, moved.json()["rbac_policy"]) == (
        200,
        {**policy, "target_tenant": cloud.project_id},
    )
    assert (await stranger.get(f"{NETWORKS}/{net}")).status_code == 404
    assert (await member.delete(url)).status_code == 204
    for answer in (await member.get(url), await member.delete(url)):
        assert error(answer)[:2] == (404, "RbacPolicyNotFound")


async def test_only_administrators_share_with_everybody(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    net, _ = await network(member)
    body = {"rbac_policy": {**SHARE, "object_id": net, "target_tenant": "*"}}
    assert error(await member.post(POLICIES, json=body))[0] == 403
    policy = await share(member, net, cloud.project_id)
    assert error(await member.put(f"{POLICIES}/{policy['id']}", json={"rbac_policy": {"target_tenant": "*"}}))[0] == 403
    assert (await cloud.post(POLICIES, json=body)).status_code == 201


async def test_only_ones_own_is_shared(cloud: RunningCloud) -> None:
    """What is another's reads as what is not there."""
    member = cloud.as_("member")
    net, _ = await network(cloud)
    texts = set()
    for object_id in (net, str(uuid4())):
        body = {"rbac_policy": {**SHARE, "object_id": object_id, "target_tenant": member.project_id}}
        status, kind, text = error(await member.post(POLICIES, json=body))
        assert (status, kind) == (400, "InvalidInput")
        texts.add(text)
    assert len(texts) == 1
    body = {"rbac_policy": {**SHARE, "object_id": str(uuid4()), "target_tenant": "*"}}
    assert error(await cloud.post(POLICIES, json=body))[0] == 404


async def test_a_policy_is_there_once(cloud: RunningCloud) -> None:
    """POST /v2.0/rbac-policies"""
    net, _ = await network(cloud)
    await share(cloud, net, "*")
    body = {"rbac_policy": {**SHARE, "object_id": net, "target_tenant": "*"}}
    assert error(await cloud.post(POLICIES, json=body))[:2] == (409, "DuplicateRbacPolicy")


async def test_what_is_used_stays_shared(cloud: RunningCloud) -> None:
    stranger = cloud.people["stranger"]
    net, _ = await network(cloud)
    policy = await share(cloud, net, stranger.project_id)
    own = await port(stranger, net)
    url = f"{POLICIES}/{policy['id']}"
    assert error(await cloud.delete(url))[:2] == (409, "RbacPolicyInUse")
    other = {"rbac_policy": {"target_tenant": cloud.as_("member").project_id}}
    assert error(await cloud.put(url, json=other))[:2] == (409, "RbacPolicyInUse")
    everybody = await share(cloud, net, "*")
    assert (await cloud.delete(url)).status_code == 204
    assert error(await cloud.delete(f"{POLICIES}/{everybody['id']}"))[:2] == (409, "RbacPolicyInUse")
    assert (await stranger.delete(f"/network/v2.0/ports/{own['id']}")).status_code == 204
    await cloud.settle()
    assert (await cloud.delete(f"{POLICIES}/{everybody['id']}")).status_code == 204


async def test_the_network_shows_that_something_changed(cloud: RunningCloud) -> None:
    net, _ = await network(cloud)
    before = (await cloud.get(f"{NETWORKS}/{net}")).json()["network"]
    await share(cloud, net, "*")
    after = (await cloud.get(f"{NETWORKS}/{net}")).json()["network"]
    assert after["revision_number"] > before["revision_number"]
    assert (before["shared"], after["shared"]) == (False, True)


async def test_what_is_no_policy_is_refused(cloud: RunningCloud) -> None:
    net, _ = await network(cloud)
    good = {**SHARE, "object_id": net, "target_tenant": "*"}
    for wrong in (
        {"target_tenant": None},
        {"target_tenant": "1234" * 100},
        {"object_type": "thing"},
        {"action": "access_as_king"},
        {"colour": "red"},
        {"object_id": "x"},
    ):
        assert error(await cloud.post(POLICIES, json={"rbac_policy": {**good, **wrong}}))[0] == 400, wrong
    for absent in ("object_id", "action", "object_type"):
        body = {name: value for name, value in good.items() if name != absent}
        assert error(await cloud.post(POLICIES, json={"rbac_policy": body}))[0] == 400, absent


async def test_lists_are_narrowed_and_a_quota_bounds_them(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    net, _ = await network(member)
    answers = [
        await member.post(POLICIES, json={"rbac_policy": {**SHARE, "object_id": net, "target_tenant": uuid4().hex}})
        for _ in range(11)
    ]
    assert [a.status_code for a in answers] == [201] * 10 + [409]
    one = answers[0].json()["rbac_policy"]
    for query in (f"id={one['id']}", f"target_tenant={one['target_tenant']}", f"target_project={one['target_tenant']}"):
        assert (await member.get(f"{POLICIES}?{query}")).json()["rbac_policies"] == [one], query
    [first, *_] = (await member.get(f"{POLICIES}?fields=object_type&fields=object_id")).json()["rbac_policies"]
    assert {*first} - {"tenant_id"} == {"object_type", "object_id"}
