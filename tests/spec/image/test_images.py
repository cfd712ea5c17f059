"""Images: registered, shown, listed, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import RunningCloud
from support.imaged import DATA, DESCRIBED, registered, uploaded


async def test_the_versions_are_listed_for_everybody(cloud: RunningCloud) -> None:
    nobody = {"X-Auth-Token": None}
    root, listed = await cloud.get("/image/", headers=nobody), await cloud.get("/image/versions", headers=nobody)
    assert (root.status_code, listed.status_code) == (300, 200)
    versions = listed.json()["versions"]
    assert root.json()["versions"] == versions
    link = {"rel": "self", "href": "http://cloud.test/image/v2/"}
    assert versions[0] == {"id": "v2.17", "status": "CURRENT", "links": [link]}
    assert {version["status"] for version in versions[1:]} == {"SUPPORTED"}
    assert [version["id"] for version in versions[-2:]] == ["v2.1", "v2.0"]


async def test_an_image_is_registered_shown_and_deleted(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    body = {"name": "tiny", **DESCRIBED, "min_ram": 64, "os_distro": "debian", "tags": ["b", "a", "a"]}
    answer = await member.post("/image/v2/images", json=body)
    assert answer.status_code == 201
    image = answer.json()
    path = f"/v2/images/{image['id']}"
    assert answer.headers["location"] == path
    assert answer.headers["openstack-image-import-methods"] == "glance-direct,web-download"
    stamp = image["created_at"]
    assert stamp.startswith("2100-01-01T00:")
    assert stamp.endswith("Z")
    assert image == {
        **{
            "id": image["id"],
            "name": "tiny",
            "disk_format": "raw",
            "container_format": "bare",
            "owner": member.project_id,
        },
        **{"visibility": "shared", "status": "queued", "protected": False, "os_hidden": False},
        **{"size": None, "virtual_size": None, "checksum": None, "os_hash_algo": None, "os_hash_value": None},
        **{"min_ram": 64, "min_disk": 0, "created_at": stamp, "updated_at": stamp, "tags": ["a", "b"]},
        **{"self": path, "file": f"{path}/file", "schema": "/v2/schemas/image", "os_distro": "debian"},
    }
    assert (await member.get(f"/image/v2/images/{image['id']}")).json() == image
    gone = await member.delete(f"/image/v2/images/{image['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "DELETE"):
        assert (await member.request(method, f"/image/v2/images/{image['id']}")).status_code == 404
    await cloud.settle()
    assert (await member.request("DELETE", f"/image/v2/images/{image['id']}")).status_code == 404


async def test_a_fault_is_a_page_json_or_text_as_the_client_wants(cloud: RunningCloud) -> None:
    path = "/image/v2/images/none"
    json = (await cloud.get(path, headers={"Accept": "application/json"})).json()
    message = "No image found with ID none<br /><br />\n\n\n"
    assert json == {"message": message, "code": "404 Not Found", "title": "Not Found"}
    for accept, kind in (
        ("*/*", "text/html"),
        ("text/html, application/json", "text/html"),
        ("image/png", "text/plain"),
    ):
        answer = await cloud.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (404, f"{kind}; charset=UTF-8")
        assert "No image found with ID none" in answer.text


async def test_no_id_is_no_image_and_not_the_list(cloud: RunningCloud) -> None:
    for method in ("GET", "DELETE", "PATCH"):
        assert (await cloud.request(method, "/image/v2/images/")).status_code == 404


async def test_a_project_goes_at_once_when_its_images_are_deleted(cloud: RunningCloud) -> None:
    project = (await cloud.post("/identity/v3/projects", json={"project": {"name": "short"}})).json()["project"]
    image = await registered(cloud, owner=project["id"])
    assert (await cloud.delete(f"/identity/v3/projects/{project['id']}")).status_code == 409
    assert (await cloud.delete(f"/image/v2/images/{image['id']}")).status_code == 204
    assert (await cloud.delete(f"/identity/v3/projects/{project['id']}")).status_code == 204


async def test_an_id_may_be_chosen_once(cloud: RunningCloud) -> None:
    chosen = "11111111-1111-4111-8111-111111111111"
    assert (await registered(cloud, id=chosen))["id"] == chosen
    again = await cloud.post("/image/v2/images", json={"id": chosen})
    assert again.status_code == 409
    assert chosen in again.text


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"disk_format": "wrong"}, 400),
        ({"container_format": "wrong"}, 400),
        ({"name": "x" * 256}, 400),
        ({"name": 1}, 400),
        ({"min_ram": -1}, 400),
        ({"min_ram": "1"}, 400),
        ({"min_disk": 2**31}, 400),
        ({"min_disk": True}, 400),
        ({"protected": "yes"}, 400),
        ({"visibility": "all"}, 400),
        ({"id": "1"}, 400),
        ({"tags": "a"}, 400),
        ({"tags": ["x" * 256]}, 400),
        ({"tags": [""]}, 400),
        ({"tags": [1]}, 400),
        ({"os_distro": None}, 400),
        ({"x" * 256: "x"}, 400),
        ({"locations": [{"url": "file:///etc/passwd"}]}, 400),
        ({"locations": [{"url": "file:///etc/passwd", "metadata": {}}]}, 403),
        ({"status": "active"}, 403),
        ({"size": 1}, 403),
        ({"checksum": "x"}, 403),
        ({"self": "x"}, 403),
        ({"stores": "x"}, 403),
        ({"deleted": "x"}, 403),
        ({"os_glance_import_task": "x"}, 403),
        ({"owner": "somebody"}, 403),
        ({"visibility": "public"}, 403),
        ({f"p{n}": "x" for n in range(129)}, 413),
        ({"tags": [f"t{n}" for n in range(129)]}, 413),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_cannot_be_is_refused(cloud: RunningCloud, said: dict[str, Any], status: int) -> None:
    answer = await cloud.as_("member").post("/image/v2/images", json=said)
    assert answer.status_code == status, answer.text


async def test_an_administrator_registers_for_others_and_for_all(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    theirs = await registered(cloud, owner=member.project_id)
    assert (await member.get(f"/image/v2/images/{theirs['id']}")).json()["owner"] == member.project_id
    nobodys = await registered(cloud, owner=None, visibility="public")
    assert (await member.get(f"/image/v2/images/{nobodys['id']}")).json()["owner"] is None
    assert (await member.delete(f"/image/v2/images/{nobodys['id']}")).status_code == 403
    assert (await cloud.delete(f"/image/v2/images/{nobodys['id']}")).status_code == 204
    assert (await cloud.post("/image/v2/images", json={"owner": "nobody"})).status_code == 201


async def test_readers_look_and_change_nothing(cloud: RunningCloud) -> None:
    image, reader = await registered(cloud.as_("member")), cloud.as_("reader")
    assert (await reader.get(f"/image/v2/images/{image['id']}")).status_code == 200
    assert (await reader.post("/image/v2/images", json={})).status_code == 403
    assert (await reader.delete(f"/image/v2/images/{image['id']}")).status_code == 403


async def test_a_protected_image_stays(cloud: RunningCloud) -> None:
    image = await registered(cloud, protected=True)
    answer = await cloud.delete(f"/image/v2/images/{image['id']}")
    assert (answer.status_code, "is protected" in answer.text) == (403, True)


async def test_its_bytes_go_with_it(cloud: RunningCloud) -> None:
    image = await uploaded(cloud)
    blobs = cloud.world.own["blobs"]
    assert [facts.size for facts in (await blobs.observe()).values()] == [len(DATA)]
    assert (await cloud.delete(f"/image/v2/images/{image['id']}")).status_code == 204
    await cloud.settle()
    assert await blobs.observe() == {}


async def test_a_project_with_images_is_not_deleted_by_mistake(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    await registered(member, name="mine", protected=True)
    answer = await cloud.delete(f"/identity/v3/projects/{member.project_id}")
    assert answer.status_code == 409
    assert "image" in answer.text
