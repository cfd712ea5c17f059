"""What is changed of an image: by patches, and its tags."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import RunningCloud
from support.imaged import patched, registered, uploaded

OLD = "application/openstack-images-v2.0-json-patch"


async def test_a_patch_changes_adds_and_removes(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await registered(member, os_distro="debian", color="red")
    cloud.world.clock.advance(10)
    changes = [
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "add", "path": "/a~1b~0c", "value": "x"},
        {"op": "replace", "path": "/color", "value": "blue"},
        {"op": "remove", "path": "/os_distro"},
        {"op": "replace", "path": "/tags", "value": ["z", "a"]},
        {"op": "add", "path": "/protected", "value": True},
        {"op": "replace", "path": "/os_hidden", "value": True},
        {"op": "replace", "path": "/disk_format", "value": "qcow2"},
        {"op": "replace", "path": "/min_disk", "value": 2},
    ]
    media = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    answer = await member.patch(f"/image/v2/images/{image['id']}", json=changes, headers=media)
    assert answer.status_code == 200, answer.text
    new = answer.json()
    assert new["updated_at"] > image["updated_at"]
    del image["os_distro"]
    said = {"name": "new", "a/b~c": "x", "color": "blue", "tags": ["a", "z"], "protected": True, "os_hidden": True}
    assert new == {**image, **said, "disk_format": "qcow2", "min_disk": 2, "updated_at": new["updated_at"]}
    assert (await member.get(f"/image/v2/images/{image['id']}")).json() == new


async def test_the_older_form_of_a_patch(cloud: RunningCloud) -> None:
    image = await registered(cloud, color="red")
    answer = await patched(
        cloud, image["id"], {"replace": "/name", "value": "new"}, {"add": "/size2", "value": "x"}, {"remove": "/color"},
        media=OLD,
    )  # fmt: skip
    assert (answer.json()["name"], answer.json()["size2"], "color" in answer.json()) == ("new", "x", False)
    for again in ({"add": "/size2", "value": "y"}, {"add": "/name", "value": "y"}):
        assert (await patched(cloud, image["id"], again, media=OLD)).status_code == 409
    for wrong in ({"op": "add", "path": "/x", "value": "y"}, {"add": "/x", "remove": "/y", "value": "z"}):
        assert (await patched(cloud, image["id"], wrong, media=OLD)).status_code == 400


async def test_a_patch_says_what_kind_it_is(cloud: RunningCloud) -> None:
    image = await registered(cloud)
    for kind in ("application/json", "text/plain"):
        answer = await cloud.patch(f"/image/v2/images/{image['id']}", content="[]", headers={"Content-Type": kind})
        assert answer.status_code == 415
        assert answer.headers["accept-patch"].count("json-patch") == 2


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"op": "replace", "path": "/id", "value": "x"}, 403),
        ({"op": "replace", "path": "/status", "value": "active"}, 403),
        ({"op": "add", "path": "/size", "value": 1}, 403),
        ({"op": "remove", "path": "/checksum"}, 403),
        ({"op": "add", "path": "/location", "value": "x"}, 403),
        ({"op": "add", "path": "/os_glance_x", "value": "x"}, 403),
        ({"op": "add", "path": "/locations/-", "value": {"url": "file:///etc/shadow", "metadata": {}}}, 403),
        ({"op": "replace", "path": "/locations", "value": []}, 403),
        ({"op": "remove", "path": "/name"}, 403),
        ({"op": "replace", "path": "/owner", "value": "x"}, 403),
        ({"op": "replace", "path": "/visibility", "value": "public"}, 403),
        ({"op": "replace", "path": "/none", "value": "x"}, 409),
        ({"op": "remove", "path": "/none"}, 409),
        ({"op": "replace", "path": "/name", "value": 1}, 400),
        ({"op": "replace", "path": "/name"}, 400),
        ({"op": "replace", "path": "/min_ram", "value": -1}, 400),
        ({"op": "replace", "path": "/visibility", "value": "all"}, 400),
        ({"op": "add", "path": "/x", "value": 1}, 400),
        ({"op": "add", "path": "/x/y", "value": "z"}, 400),
        ({"op": "add", "path": "x", "value": "z"}, 400),
        ({"op": "add", "path": "/", "value": "z"}, 400),
        ({"op": "add", "path": "/x~2", "value": "z"}, 400),
        ({"op": "add", "path": "/x~", "value": "z"}, 400),
        ({"op": "add", "path": 1, "value": "z"}, 400),
        ({"op": "add", "path": "/" + "x" * 256, "value": "z"}, 400),
        ({"op": "move", "path": "/x", "value": "z"}, 400),
        ({"op": "add", "value": "z"}, 400),
        ({"path": "/x", "value": "z"}, 400),
        ("add", 400),
    ],
    ids=str,
)
async def test_what_cannot_be_changed_is_refused(cloud: RunningCloud, change: Any, status: int) -> None:
    member = cloud.as_("member")
    image = await registered(member)
    answer = await patched(member, image["id"], change)
    assert answer.status_code == status, answer.text
    assert (await member.get(f"/image/v2/images/{image['id']}")).json() == image


async def test_a_patch_is_a_list(cloud: RunningCloud) -> None:
    image = await registered(cloud)
    media = {"Content-Type": OLD}
    answer = await cloud.patch(f"/image/v2/images/{image['id']}", content='{"op": "add"}', headers=media)
    assert answer.status_code == 400
    answer = await cloud.patch(f"/image/v2/images/{image['id']}", content="[]", headers=media)
    assert answer.json() == image


async def test_the_format_is_said_before_there_are_bytes(cloud: RunningCloud) -> None:
    image = await uploaded(cloud)
    for name in ("disk_format", "container_format"):
        answer = await patched(cloud, image["id"], {"op": "replace", "path": f"/{name}", "value": "ami"})
        assert (answer.status_code, "only replaced for a queued image" in answer.text) == (403, True)


async def test_properties_are_limited(cloud: RunningCloud) -> None:
    image = await registered(cloud)
    many = [{"op": "add", "path": f"/p{n}", "value": "x"} for n in range(129)]
    assert (await patched(cloud, image["id"], *many[:128])).status_code == 200
    assert (await patched(cloud, image["id"], many[128])).status_code == 413


async def test_an_image_is_given_away_by_an_administrator(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await registered(cloud, visibility="private")
    assert (await member.get(f"/image/v2/images/{image['id']}")).status_code == 404
    give = {"op": "replace", "path": "/owner", "value": member.project_id}
    assert (await patched(cloud, image["id"], give)).status_code == 200
    assert (await member.get(f"/image/v2/images/{image['id']}")).status_code == 200


async def test_others_change_nothing(cloud: RunningCloud) -> None:
    public, private = await registered(cloud, visibility="public"), await registered(cloud)
    change = {"op": "replace", "path": "/name", "value": "mine"}
    assert (await patched(cloud.as_("member"), public["id"], change)).status_code == 403
    assert (await patched(cloud.as_("member"), private["id"], change)).status_code == 404
    assert (await patched(cloud.as_("reader"), private["id"], change)).status_code == 404


async def test_tags_are_put_and_deleted(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await registered(member)
    for _ in range(2):
        answer = await member.put(f"/image/v2/images/{image['id']}/tags/a b")
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await member.get(f"/image/v2/images/{image['id']}")).json()["tags"] == ["a b"]
    assert (await member.delete(f"/image/v2/images/{image['id']}/tags/a b")).status_code == 204
    assert (await member.delete(f"/image/v2/images/{image['id']}/tags/a b")).status_code == 404
    assert (await member.put(f"/image/v2/images/{image['id']}/tags/{'x' * 256}")).status_code == 400
    assert (await cloud.as_("reader").put(f"/image/v2/images/{image['id']}/tags/x")).status_code == 403
    assert (await member.put("/image/v2/images/11111111-1111-4111-8111-111111111111/tags/x")).status_code == 404


async def test_an_administrator_names_an_owner_that_is_no_project(cloud: RunningCloud) -> None:
    image = await registered(cloud, owner="elsewhere")
    assert image["owner"] == "elsewhere"
    changed = await patched(cloud, image["id"], {"op": "replace", "path": "/owner", "value": "nowhere"})
    assert changed.json()["owner"] == "nowhere"
    assert (await cloud.as_("member").get(f"/image/v2/images/{image['id']}")).status_code == 404
