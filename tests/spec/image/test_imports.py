"""Import: bytes that are staged, or fetched, and become an image's in an operation."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.cloud import RunningCloud, running_cloud
from support.elsewhere import Elsewhere, redirect
from support.imaged import DATA, OCTETS, imported, registered, staged


async def test_bytes_are_staged(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await registered(member)
    answer = await member.put(f"/image/v2/images/{image['id']}/stage", content=DATA, headers=OCTETS)
    assert (answer.status_code, answer.content) == (204, b"")
    shown = (await member.get(f"/image/v2/images/{image['id']}")).json()
    assert (shown["status"], shown["size"], shown["checksum"], "stores" in shown) == (
        "uploading",
        len(DATA),
        None,
        False,
    )
    again = await member.put(f"/image/v2/images/{image['id']}/stage", content=DATA, headers=OCTETS)
    assert again.status_code == 409
    assert (await member.get(f"/image/v2/images/{image['id']}/file")).status_code == 204
    assert (await member.delete(f"/image/v2/images/{image['id']}")).status_code == 204
    await cloud.settle()
    assert await cloud.world.own["blobs"].observe() == {}


def told(shown: dict[str, Any]) -> tuple[str, str]:
    """Of the import: the stores that it is for, and in which it failed."""
    return shown["os_glance_importing_to_stores"], shown["os_glance_failed_import"]


async def test_staged_bytes_are_imported(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await staged(member)
    answer = await imported(member, image["id"])
    assert (answer.status_code, answer.content) == (202, b"")
    shown = (await member.get(f"/image/v2/images/{image['id']}")).json()
    assert (shown["status"], *told(shown)) == ("importing", "local", "")
    assert (await imported(member, image["id"])).status_code == 409
    await cloud.settle()
    shown = (await member.get(f"/image/v2/images/{image['id']}")).json()
    digest = hashlib.sha512(DATA).hexdigest()
    assert told(shown) == ("", "")
    assert (shown["status"], shown["size"], shown["virtual_size"]) == ("active", len(DATA), len(DATA))
    assert (shown["os_hash_value"], shown["stores"]) == (digest, "local")
    assert (await member.get(f"/image/v2/images/{image['id']}/file")).content == DATA
    assert (await imported(member, image["id"])).status_code == 409
    assert len(await cloud.world.own["blobs"].observe()) == 1


async def test_tasks_tell_of_imports(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await staged(member)
    body = {"method": {"name": "glance-direct"}, "all_stores": False, "stores": ["local"]}
    await member.post(f"/image/v2/images/{image['id']}/import", json=body)
    (task,) = (await cloud.get("/image/v2/tasks")).json()["tasks"]
    assert (task["status"], task["type"], task["owner"]) == ("processing", "api_image_import", member.project_id)
    assert task["self"] == f"/v2/tasks/{task['id']}"
    await cloud.settle()
    shown = (await cloud.get(f"/image/v2/tasks/{task['id']}")).json()
    assert (shown["status"], shown["message"], shown["result"]) == ("success", "", {"image_id": image["id"]})
    assert (shown["input"]["import_req"], shown["user_id"]) == (body, member.user_id)
    assert shown["expires_at"] > shown["updated_at"]
    assert (await member.get(f"/image/v2/images/{image['id']}/tasks")).json()["tasks"] == [shown]
    for query, found in (("status=success", 1), ("status=failure", 0), ("sort_key=status&sort_dir=asc&limit=1", 1)):
        assert len((await cloud.get(f"/image/v2/tasks?{query}")).json()["tasks"]) == found
    for wrong in ("status=x", "limit=-1", "sort_dir=x", "sort_key=x", "marker=x", "type=x"):
        assert (await cloud.get(f"/image/v2/tasks?{wrong}")).status_code == 400
    assert (await member.get("/image/v2/tasks")).status_code == 403
    assert (await cloud.get("/image/v2/tasks/none")).status_code == 404
    assert (await cloud.get(f"/image/v2/tasks/{image['id']}")).status_code == 404
    assert (await cloud.delete(f"/image/v2/tasks/{task['id']}")).status_code == 405


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"method": "glance-direct"}, 400),
        ({"method": {}}, 400),
        ({"method": {"name": "copy-image"}}, 400),
        ({"method": {"name": 1}}, 400),
        ({"method": {"name": "glance-direct"}}, 409),
        ({"method": {"name": "web-download", "uri": "http://1.1.1.1/"}, "all_stores": "x"}, 400),
        ({"method": {"name": "web-download", "uri": "http://1.1.1.1/"}, "stores": ["other"]}, 409),
        ({"method": {"name": "web-download"}}, 400),
        ({"method": {"name": "web-download", "uri": "file:///etc/passwd"}}, 400),
        ({"method": {"name": "web-download", "uri": "http://127.0.0.1/"}}, 400),
        ({"method": {"name": "web-download", "uri": "http://1.1.1.1:22/"}}, 400),
    ],
    ids=str,
)
async def test_what_cannot_be_imported_is_refused(cloud: RunningCloud, body: dict[str, Any], status: int) -> None:
    image = await registered(cloud)
    answer = await cloud.post(f"/image/v2/images/{image['id']}/import", json=body)
    assert answer.status_code == status, answer.text


async def test_it_is_said_before_what_comes(cloud: RunningCloud) -> None:
    bare = (await cloud.post("/image/v2/images", json={})).json()
    assert (await imported(cloud, bare["id"], "web-download", uri="http://1.1.1.1/")).status_code == 409


async def test_others_import_nothing(cloud: RunningCloud) -> None:
    public, private = await registered(cloud, visibility="public"), await registered(cloud)
    member = cloud.as_("member")
    assert (await imported(member, public["id"], "web-download", uri="http://1.1.1.1/")).status_code == 403
    assert (await imported(member, private["id"])).status_code == 404


async def test_an_image_that_is_deleted_while_it_is_imported_is_gone(cloud: RunningCloud) -> None:
    image = await staged(cloud)
    await imported(cloud, image["id"])
    assert (await cloud.delete(f"/image/v2/images/{image['id']}")).status_code == 204
    await cloud.settle()
    assert (await cloud.get(f"/image/v2/images/{image['id']}")).status_code == 404
    assert await cloud.world.own["blobs"].observe() == {}


@pytest.fixture
async def open_cloud(database_url: str, tmp_path: Path, site: Elsewhere) -> AsyncIterator[RunningCloud]:
    """One whose operator lets images be fetched from this machine, at one port."""
    options = {"image.download_networks": ["127.0.0.0/8"], "image.download_ports": [site.port]}
    async with running_cloud(database_url, tmp_path / "state", options) as cloud:
        yield cloud


async def test_an_image_is_fetched(open_cloud: RunningCloud, site: Elsewhere) -> None:
    member = open_cloud.as_("member")
    site.holds("/image", DATA)
    site.answers["/"] = redirect("/image")
    image = await registered(member)
    answer = await imported(member, image["id"], "web-download", uri=site.url(host="localhost"))
    assert answer.status_code == 202
    await open_cloud.settle()
    shown = (await member.get(f"/image/v2/images/{image['id']}")).json()
    assert (shown["status"], shown["os_hash_value"]) == ("active", hashlib.sha512(DATA).hexdigest())
    assert (await member.get(f"/image/v2/images/{image['id']}/file")).content == DATA
    assert f"Host: localhost:{site.port}\r\n".lower() in site.asked[0].lower()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx", "could not be read"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", "200"),
        (b"nonsense\r\n\r\n", "could not be read"),
        (redirect("/"), "on and on"),
        (redirect("http://169.254.169.254/"), "filtering"),
        (redirect("http://[::1]/"), "filtering"),
        (redirect("file:///etc/passwd"), "filtering"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n" + b"QFI\xfb\0\0\0\2".ljust(600, b"\0"), "declared raw"),
    ],
    ids=str,
)
async def test_what_cannot_be_fetched_leaves_nothing(
    open_cloud: RunningCloud, site: Elsewhere, answer: bytes, why: str
) -> None:
    site.answers["/"] = answer
    image = await registered(open_cloud)
    assert (await imported(open_cloud, image["id"], "web-download", uri=site.url())).status_code == 202
    await open_cloud.settle()
    assert (await open_cloud.get(f"/image/v2/images/{image['id']}")).json()["status"] == "queued"
    assert await open_cloud.world.own["blobs"].observe() == {}
    (task,) = (await open_cloud.get(f"/image/v2/images/{image['id']}/tasks")).json()["tasks"]
    assert why in task["message"]


async def test_a_name_that_leads_inside_is_not_asked(cloud: RunningCloud) -> None:
    """Nothing in a name tells where it leads: it is resolved, and looked at."""
    image = await registered(cloud)
    assert (await imported(cloud, image["id"], "web-download", uri="http://localhost/")).status_code == 202
    await cloud.settle()
    (task,) = (await cloud.get(f"/image/v2/images/{image['id']}/tasks")).json()["tasks"]
    assert "leads inside" in task["message"]
