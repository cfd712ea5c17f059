"""Server groups: servers that shall be together, or apart."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.cloud import RunningCloud
from support.computed import a_server_group, at

GROUPS = "/compute/v2.1/os-server-groups"


async def made(client: Any, name: str = "apart", version: str = "2.64", **more: Any) -> Any:
    given = more or {"policy": "anti-affinity"}
    return await client.post(GROUPS, json={"server_group": {"name": name, **given}}, headers=at(version))


async def test_a_group_is_made_shown_and_deleted(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    answer = await made(member, policy="anti-affinity", rules={"max_server_per_host": "3"})
    group = answer.json()["server_group"]
    own = {"project_id": member.project_id, "user_id": member.user_id}
    rules = {"policy": "anti-affinity", "rules": {"max_server_per_host": 3}}
    assert group == {"id": group["id"], "name": "apart", "members": [], **own, **rules}
    url = f"/compute/v2.1/os-server-groups/{group['id']}"
    assert (await member.get(url, headers=at("2.64"))).json() == {"server_group": group}
    oldest = (await member.get(url)).json()["server_group"]
    assert oldest == {"id": group["id"], "name": "apart", "members": [], "policies": ["anti-affinity"], "metadata": {}}
    assert (await member.get(url, headers=at("2.13"))).json()["server_group"]["project_id"] == member.project_id
    assert (await cloud.as_("reader").get(url)).status_code == 200
    assert (await cloud.as_("reader").delete(url)).status_code == 403
    gone = await member.delete(url)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await member.delete(url)).json()["itemNotFound"]["code"] == 404
    assert (await member.get(url)).status_code == 404
    assert (await member.get("/compute/v2.1/os-server-groups/x")).status_code == 404


@pytest.mark.parametrize(
    ("version", "body", "status"),
    [
        ("2.1", {"policies": ["affinity"]}, 200),
        ("2.1", {"policies": ["soft-affinity"]}, 400),
        ("2.1", {"policies": []}, 400),
        ("2.1", {"policies": ["affinity", "anti-affinity"]}, 400),
        ("2.15", {"policies": ["soft-anti-affinity"]}, 200),
        ("2.15", {"policy": "affinity"}, 400),
        ("2.64", {"policy": "soft-affinity"}, 200),
        ("2.64", {"policies": ["affinity"]}, 400),
        ("2.64", {"policy": "affinity", "rules": {}}, 200),
        ("2.64", {"policy": "affinity", "rules": {"max_server_per_host": 2}}, 400),
        ("2.64", {"policy": "anti-affinity", "rules": {"max_server_per_host": 0}}, 400),
        ("2.64", {"policy": "anti-affinity", "rules": {"other": 1}}, 400),
        ("2.64", {"policy": "anywhere"}, 400),
        ("2.64", {"policy": "affinity", "name": " x"}, 400),
        ("2.64", {"policy": "affinity", "name": ""}, 400),
    ],
)
async def test_policies_by_microversion(cloud: RunningCloud, version: str, body: dict[str, Any], status: int) -> None:
    answer = await cloud.post(GROUPS, json={"server_group": {"name": "g", **body}}, headers=at(version))
    assert answer.status_code == status, answer.text


async def test_each_project_lists_its_own_and_administrators_all(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    for name in ("a", "b"):
        assert (await made(member, name)).status_code == 200
    await a_server_group(cloud)

    async def names(client: Any, query: str = "") -> list[str]:
        answer = await client.get(f"{GROUPS}{query}")
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json()["server_groups"]]

    assert await names(member) == await names(member, "?all_projects=True") == ["a", "b"]
    assert await names(cloud) == ["g"]
    assert await names(cloud, "?all_projects") == ["g", "a", "b"]
    assert await names(member, "?limit=1") == ["a"]
    assert await names(member, "?limit=1&offset=1") == ["b"]
    for query in ("limit=x", "limit=-1", "offset=x", "offset=-1"):
        assert (await member.get(f"{GROUPS}?{query}")).status_code == 400
    assert (await member.get(f"{GROUPS}?colour=red", headers=at("2.75"))).status_code == 400


async def test_a_project_has_no_more_than_its_quota_says(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    for number in range(10):
        assert (await made(member, f"g{number}")).status_code == 200
    assert "server_groups" in (await made(member)).json()["forbidden"]["message"]


async def test_groups_go_with_their_project(cloud: RunningCloud) -> None:
    group_id = (await made(cloud.as_("member"))).json()["server_group"]["id"]
    project_id = cloud.as_("member").project_id
    assert (await cloud.delete(f"/identity/v3/projects/{project_id}")).status_code == 409
    gone = await cloud.delete(f"/identity/v3/projects/{project_id}?cascade=execute")
    assert gone.status_code in {202, 204}
    await cloud.settle()
    assert (await cloud.get(f"/compute/v2.1/os-server-groups/{group_id}")).status_code == 404


async def test_another_project_does_not_see_it(cloud: RunningCloud) -> None:
    url = f"/compute/v2.1/os-server-groups/{await a_server_group(cloud)}"
    for method in ("GET", "DELETE"):
        answer = await cloud.as_("member").request(method, url)
        missing = await cloud.as_("member").request(method, f"/compute/v2.1/os-server-groups/{uuid4()}")
        assert answer.status_code == missing.status_code == 404
