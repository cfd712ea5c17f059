"""Quota sets, quota classes and limits: Identity's limits, as Compute says them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.cloud import RunningCloud
from support.computed import at

SETS = "/compute/v2.1/os-quota-sets"
CLASS = "/compute/v2.1/os-quota-class-sets/default"
NEWEST = {
    "instances": 10,
    "cores": 20,
    "ram": 51200,
    "metadata_items": 128,
    "key_pairs": 100,
    "server_groups": 10,
    "server_group_members": 10,
}
FILES = {"injected_files": 5, "injected_file_content_bytes": 10240, "injected_file_path_bytes": 255}
NETWORKS = dict.fromkeys(("fixed_ips", "floating_ips", "security_groups", "security_group_rules"), -1)


async def quotas(client: Any, project_id: str, version: str = "2.57", more: str = "") -> dict[str, Any]:
    answer = await client.get(f"{SETS}/{project_id}{more}", headers=at(version))
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["quota_set"])


async def test_quotas_as_each_microversion_has_them(cloud: RunningCloud) -> None:
    project_id = cloud.as_("reader").project_id
    reader = cloud.as_("reader")
    assert await quotas(reader, project_id) == {"id": project_id, **NEWEST}
    assert await quotas(reader, project_id, "2.36") == {"id": project_id, **NEWEST, **FILES}
    assert await quotas(reader, project_id, "2.1") == {"id": project_id, **NEWEST, **FILES, **NETWORKS}
    assert (await cloud.get(f"/compute/v2.1/os-quota-sets/{project_id}")).status_code == 200
    defaults = (await reader.get(f"/compute/v2.1/os-quota-sets/{project_id}/defaults", headers=at("2.57"))).json()
    assert defaults["quota_set"] == {"id": project_id, **NEWEST}


async def test_quotas_of_another_project_are_for_administrators(cloud: RunningCloud) -> None:
    for path in ("", "/detail"):
        assert (await cloud.as_("member").get(f"{SETS}/{cloud.project_id}{path}")).status_code == 403
        assert (await cloud.get(f"{SETS}/{cloud.as_('member').project_id}{path}")).status_code == 200
        assert (await cloud.get(f"{SETS}/{uuid4().hex}{path}")).status_code == 400
    assert (await cloud.get(f"{SETS}/{uuid4().hex}/defaults")).status_code == 400


async def test_detail_says_what_is_in_use(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    body = {"server_group": {"name": "g", "policies": ["affinity"]}}
    assert (await member.post("/compute/v2.1/os-server-groups", json=body)).status_code == 200
    answer = await member.get(f"/compute/v2.1/os-quota-sets/{member.project_id}/detail", headers=at("2.57"))
    found = answer.json()["quota_set"]
    assert found["server_groups"] == {"limit": 10, "in_use": 1, "reserved": 0}
    assert found["instances"] == {"limit": 10, "in_use": 0, "reserved": 0}


async def test_quotas_are_changed_and_given_back(cloud: RunningCloud) -> None:
    project_id = cloud.as_("member").project_id
    url, newest = f"/compute/v2.1/os-quota-sets/{project_id}", at("2.57")
    changed = await cloud.put(url, json={"quota_set": {"cores": 40, "instances": "-1"}}, headers=newest)
    assert changed.json()["quota_set"] == {**NEWEST, "cores": 40, "instances": -1}
    again = await cloud.put(url, json={"quota_set": {"cores": 30}}, headers=newest)
    assert again.json()["quota_set"] == {**NEWEST, "cores": 30, "instances": -1}
    assert await quotas(cloud, cloud.project_id) == {"id": cloud.project_id, **NEWEST}
    limits = (await cloud.get(f"/identity/v3/limits?project_id={project_id}")).json()["limits"]
    assert {each["resource_name"]: each["resource_limit"] for each in limits} == {"class:VCPU": 30, "servers": -1}
    gone = await cloud.delete(url)
    assert (gone.status_code, gone.content) == (202, b"")
    assert await quotas(cloud, project_id) == {"id": project_id, **NEWEST}


@pytest.mark.parametrize(
    ("body", "version"),
    [
        ({"cores": -2}, "2.1"),
        ({"cores": "many"}, "2.1"),
        ({"cores": 1.5}, "2.1"),
        ({"cores": True}, "2.1"),
        ({"cores": 2**31}, "2.1"),
        ({"cores": None}, "2.1"),
        ({"gigabytes": 1}, "2.1"),
        ({"floating_ips": 1}, "2.36"),
        ({"injected_files": 1}, "2.57"),
        ({"injected_file_path_length": 1}, "2.1"),
        ({"force": "perhaps"}, "2.1"),
    ],
    ids=str,
)
async def test_quotas_that_are_none_are_refused(cloud: RunningCloud, body: dict[str, Any], version: str) -> None:
    url = f"/compute/v2.1/os-quota-sets/{cloud.project_id}"
    answer = await cloud.put(url, json={"quota_set": body}, headers=at(version))
    assert (answer.status_code, answer.json()["badRequest"]["code"]) == (400, 400)


async def test_a_quota_below_what_is_in_use_needs_force(cloud: RunningCloud) -> None:
    for name in ("a", "b"):
        body = {"server_group": {"name": name, "policies": ["affinity"]}}
        assert (await cloud.post("/compute/v2.1/os-server-groups", json=body)).status_code == 200
    url = f"/compute/v2.1/os-quota-sets/{cloud.project_id}"
    refused = await cloud.put(url, json={"quota_set": {"server_groups": 1}})
    assert "already used and reserved 2" in refused.json()["badRequest"]["message"]
    assert (await cloud.put(url, json={"quota_set": {"server_groups": 2}})).status_code == 200
    assert (await cloud.put(url, json={"quota_set": {"server_groups": 1, "force": "True"}})).status_code == 200
    assert (await cloud.post("/compute/v2.1/os-server-groups", json=body)).status_code == 403


async def test_quotas_of_single_users_are_not_kept(cloud: RunningCloud) -> None:
    url = f"{SETS}/{cloud.project_id}?user_id={cloud.user_id}"
    assert (await cloud.get(url)).status_code == 200
    assert (await cloud.put(url, json={"quota_set": {"cores": 1}})).status_code == 400
    assert (await cloud.delete(url)).status_code == 400
    assert (await cloud.get(f"{SETS}/{cloud.project_id}?colour=red", headers=at("2.75"))).status_code == 400


async def test_only_administrators_change_quotas(cloud: RunningCloud) -> None:
    manager = cloud.as_("manager")
    url = f"/compute/v2.1/os-quota-sets/{manager.project_id}"
    assert (await manager.put(url, json={"quota_set": {"cores": 1}})).status_code == 403
    assert (await manager.delete(url)).status_code == 403
    assert (await manager.get(CLASS)).status_code == 403
    assert (await manager.put(CLASS, json={"quota_class_set": {"cores": 1}})).status_code == 403


async def test_a_quota_of_a_project_without_end_is_bound_by_nothing_else(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    body = {"quota_set": {"server_groups": 0}}
    await cloud.put(f"/compute/v2.1/os-quota-sets/{member.project_id}", json=body)
    group = {"server_group": {"name": "g", "policies": ["affinity"]}}
    assert (await member.post("/compute/v2.1/os-server-groups", json=group)).status_code == 403


# classes


async def test_the_default_class_is_what_counts_without_quotas(cloud: RunningCloud) -> None:
    shown = (await cloud.get("/compute/v2.1/os-quota-class-sets/default", headers=at("2.57"))).json()
    assert shown["quota_class_set"] == {"id": "default", **NEWEST}
    oldest = (await cloud.get(CLASS)).json()["quota_class_set"]
    assert "server_groups" not in oldest
    assert oldest["fixed_ips"] == -1
    project_id = cloud.as_("member").project_id
    await cloud.put(f"{SETS}/{project_id}", json={"quota_set": {"cores": 7}})
    body = {"quota_class_set": {"cores": 30, "ram": "1024"}}
    changed = await cloud.put("/compute/v2.1/os-quota-class-sets/default", json=body, headers=at("2.57"))
    assert changed.json()["quota_class_set"] == {**NEWEST, "cores": 30, "ram": 1024}
    assert (await quotas(cloud, cloud.project_id))["cores"] == 30
    assert (await quotas(cloud, project_id))["cores"] == 7
    defaults = (await cloud.get(f"{SETS}/{project_id}/defaults", headers=at("2.57"))).json()["quota_set"]
    assert defaults["cores"] == 30


async def test_there_is_no_other_class(cloud: RunningCloud) -> None:
    other = "/compute/v2.1/os-quota-class-sets/gold"
    assert (await cloud.put(other, json={"quota_class_set": {"cores": 1}})).status_code == 400
    assert (await cloud.get(other, headers=at("2.57"))).json()["quota_class_set"] == {"id": "gold", **NEWEST}
    assert (await cloud.put(CLASS, json={"quota_class_set": {"gigabytes": 1}})).status_code == 400


# limits


async def test_limits_as_each_microversion_has_them(cloud: RunningCloud) -> None:
    async def names(version: str) -> set[str]:
        answer = await cloud.as_("reader").get("/compute/v2.1/limits", headers=at(version))
        assert answer.json()["limits"]["rate"] == []
        return set(answer.json()["limits"]["absolute"])

    newest = {
        *("maxTotalRAMSize", "maxTotalInstances", "maxTotalCores", "maxTotalKeypairs", "maxServerMeta"),
        *("maxServerGroups", "maxServerGroupMembers", "totalRAMUsed", "totalInstancesUsed", "totalCoresUsed"),
        "totalServerGroupsUsed",
    }
    files = {"maxPersonality", "maxPersonalitySize"}
    networks = {"maxTotalFloatingIps", "maxSecurityGroups", "maxSecurityGroupRules", "totalFloatingIpsUsed"}
    assert await names("2.57") == newest
    assert await names("2.39") == newest | files
    assert await names("2.36") == newest | files | {"maxImageMeta"}
    assert await names("2.1") == newest | files | {"maxImageMeta"} | networks | {"totalSecurityGroupsUsed"}


async def test_limits_of_another_project_are_for_administrators(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    await cloud.put(f"{SETS}/{member.project_id}", json={"quota_set": {"cores": 7}})
    answer = await cloud.get(f"/compute/v2.1/limits?tenant_id={member.project_id}")
    assert answer.json()["limits"]["absolute"]["maxTotalCores"] == 7
    assert (await member.get(f"/compute/v2.1/limits?tenant_id={cloud.project_id}")).status_code == 403
    assert (await member.get("/compute/v2.1/limits?colour=red", headers=at("2.75"))).status_code == 400
