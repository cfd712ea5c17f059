"""Who sees which image: visibilities, and members who accept what is shared with them."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import Client, RunningCloud
from support.imaged import DATA, patched, registered, uploaded


def stranger(cloud: RunningCloud) -> Client:
    return cloud.people["stranger"]


async def ids(client: Any, query: str = "") -> set[str]:
    answer = await client.get(f"/image/v2/images{query}")
    assert answer.status_code == 200, answer.text
    return {image["id"] for image in answer.json()["images"]}


async def test_each_visibility_shows_an_image_to_so_many(cloud: RunningCloud) -> None:
    other = stranger(cloud)
    made = {v: (await uploaded(cloud, visibility=v))["id"] for v in ("private", "shared", "community", "public")}
    seen = {v: (await other.get(f"/image/v2/images/{id_}")).status_code for v, id_ in made.items()}
    assert seen == {"private": 404, "shared": 404, "community": 200, "public": 200}
    assert await ids(other) == {made["public"]}
    assert await ids(other, "?visibility=community") == {made["community"]}
    assert await ids(other, "?visibility=all") == {made["public"], made["community"]}
    assert await ids(other, "?visibility=private") == set()
    assert await ids(cloud) == set(made.values())
    assert (await other.get("/image/v2/images?visibility=hidden")).status_code == 400


async def test_an_image_is_shared_accepted_and_taken_back(cloud: RunningCloud) -> None:
    owner, other = cloud.as_("member"), stranger(cloud)
    image = await uploaded(owner)
    path = f"/image/v2/images/{image['id']}"
    answer = await owner.post(f"/image/v2/images/{image['id']}/members", json={"member": other.project_id})
    member = answer.json()
    stamp = member["created_at"]
    expected = {"member_id": other.project_id, "image_id": image["id"], "status": "pending", "created_at": stamp}
    assert (answer.status_code, member) == (200, {**expected, "updated_at": stamp, "schema": "/v2/schemas/member"})
    again = await owner.post(f"/image/v2/images/{image['id']}/members", json={"member": other.project_id})
    assert again.status_code == 409

    assert (await other.get(path)).status_code == 200
    assert (await other.get(f"{path}/file")).content == DATA
    assert await ids(other) == set()
    assert await ids(other, "?member_status=pending") == {image["id"]}
    assert await ids(other, "?member_status=all&visibility=shared") == {image["id"]}
    accepted = await other.put(
        f"/image/v2/images/{image['id']}/members/{other.project_id}", json={"status": "accepted"}
    )
    assert (accepted.status_code, accepted.json()["status"]) == (200, "accepted")
    assert await ids(other) == {image["id"]}

    for who in (owner, other):
        listed = (await who.get(f"/image/v2/images/{image['id']}/members")).json()
        assert (listed["members"], listed["schema"]) == ([accepted.json()], "/v2/schemas/members")
        shown = await who.get(f"/image/v2/images/{image['id']}/members/{other.project_id}")
        assert shown.json() == accepted.json()
    assert (await other.delete(f"{path}/members/{other.project_id}")).status_code == 403
    gone = await owner.delete(f"/image/v2/images/{image['id']}/members/{other.project_id}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await owner.delete(f"{path}/members/{other.project_id}")).status_code == 404
    assert (await other.get(path)).status_code == 404


async def test_only_the_member_says_what_it_thinks_of_it(cloud: RunningCloud) -> None:
    owner, other = cloud.as_("member"), stranger(cloud)
    image = await registered(owner)
    path = f"/image/v2/images/{image['id']}/members"
    await owner.post(path, json={"member": other.project_id})
    await owner.post(path, json={"member": "another"})
    assert (await owner.put(f"{path}/{other.project_id}", json={"status": "accepted"})).status_code == 403
    assert (await other.put(f"{path}/another", json={"status": "accepted"})).status_code == 404
    assert (await other.get(f"{path}/another")).status_code == 404
    assert [each["member_id"] for each in (await other.get(path)).json()["members"]] == [other.project_id]
    assert (await other.put(f"{path}/{other.project_id}", json={"status": "maybe"})).status_code == 400
    assert (await other.put(f"{path}/{other.project_id}", json={"state": "accepted"})).status_code == 400
    rejected = await other.put(f"{path}/{other.project_id}", json={"status": "rejected"})
    assert rejected.json()["status"] == "rejected"
    assert await ids(other, "?member_status=rejected") == {image["id"]}
    assert (await other.post(path, json={"member": "x"})).status_code == 403


async def test_only_shared_images_have_members(cloud: RunningCloud) -> None:
    image = await registered(cloud)
    path = f"/image/v2/images/{image['id']}/members"
    await cloud.post(path, json={"member": "x"})
    await patched(cloud, image["id"], {"op": "replace", "path": "/visibility", "value": "private"})
    assert (await cloud.post(path, json={"member": "y"})).status_code == 403
    assert (await cloud.get(path)).status_code == 403
    assert (await cloud.get(f"{path}/x")).status_code == 404
    assert (await cloud.put(f"{path}/x", json={"status": "accepted"})).status_code == 403
    assert (await cloud.delete(f"{path}/x")).status_code == 403


@pytest.mark.parametrize("body", [{}, {"member": ""}, {"member": 1}, {"member": "x" * 256}], ids=str)
async def test_a_member_is_a_project(cloud: RunningCloud, body: dict[str, Any]) -> None:
    image = await registered(cloud)
    assert (await cloud.post(f"/image/v2/images/{image['id']}/members", json=body)).status_code == 400


async def test_members_are_limited(cloud: RunningCloud) -> None:
    image = await registered(cloud)
    path = f"/image/v2/images/{image['id']}/members"
    for n in range(128):
        assert (await cloud.post(path, json={"member": f"p{n}"})).status_code == 200
    assert (await cloud.post(path, json={"member": "one more"})).status_code == 413
