"""Lists of images: filters, orders, pages."""

from __future__ import annotations

import pytest

from support.cloud import RunningCloud
from support.imaged import DESCRIBED, registered, uploaded


async def names(cloud: RunningCloud, query: str = "") -> list[str]:
    answer = await cloud.get(f"/image/v2/images?{query}")
    assert answer.status_code == 200, answer.text
    return [image["name"] for image in answer.json()["images"]]


async def some(cloud: RunningCloud) -> None:
    await uploaded(cloud, b"x" * 512, name="a", tags=["t", "u"], os_distro="debian")
    cloud.world.clock.advance(10)
    await uploaded(cloud, b"x" * 1024, name="b", tags=["t"], min_ram=64, protected=True)
    cloud.world.clock.advance(10)
    await registered(cloud, name='c,"d"', disk_format="qcow2", visibility="public")
    await registered(cloud, name="hidden", os_hidden=True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ['c,"d"', "b", "a"]),
        ("sort_key=name&sort_dir=asc", ["a", "b", 'c,"d"']),
        ("sort=name:asc", ["a", "b", 'c,"d"']),
        ("sort=size:asc,name", ['c,"d"', "a", "b"]),
        ("sort_key=size&sort_key=name&sort_dir=desc", ["b", "a", 'c,"d"']),
        ("sort_key=status&sort_key=name&sort_dir=asc&sort_dir=desc", ["b", "a", 'c,"d"']),
        ("name=a", ["a"]),
        ("name=in:a,b", ["b", "a"]),
        ('name=in:a,"c,""d"""', ['c,"d"', "a"]),
        ("name=eq:a", ["a"]),
        ("tag=t", ["b", "a"]),
        ("tag=t&tag=u", ["a"]),
        ("os_distro=debian", ["a"]),
        ("os_distro=debian&name=b", []),
        ("size=512", ["a"]),
        ("size_min=513", ["b"]),
        ("size_max=512", ["a"]),
        ("min_ram_min=1", ["b"]),
        ("min_ram=0", ['c,"d"', "a"]),
        ("status=active", ["b", "a"]),
        ("status=in:queued,saving", ['c,"d"']),
        ("disk_format=qcow2", ['c,"d"']),
        ("container_format=bare&disk_format=raw", ["b", "a"]),
        ("visibility=public", ['c,"d"']),
        ("protected=true", ["b"]),
        ("os_hidden=true", ["hidden"]),
        ("owner=nobody", []),
        ("created_at=gt:2100-01-01T00:00:05Z&name=a", []),
        ("updated_at=lte:2100-01-01T00:00:25Z&size_min=1", ["b", "a"]),
        ("id=none", []),
        ("limit=1", ['c,"d"']),
        ("limit=0", []),
    ],
)
async def test_a_list_shows_what_is_asked_for(cloud: RunningCloud, query: str, expected: list[str]) -> None:
    await some(cloud)
    assert await names(cloud, query) == expected


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=x",
        "marker=x",
        "marker=11111111-1111-4111-8111-111111111111",
        "sort_key=owner",
        "sort_dir=up",
        "sort=name:up",
        "sort=none",
        "sort=name&sort_key=name",
        "sort_key=name&sort_dir=asc&sort_dir=asc",
        "size_min=x",
        "size=x",
        "name=gt:x",
        'name=in:"x',
        "created_at=yesterday",
        "created_at=gt:yesterday",
        "visibility=x",
        "member_status=x",
        "os_hidden=x",
        "protected=x",
        "changes-since=2100-01-01",
    ],
)
async def test_what_cannot_be_asked_is_refused(cloud: RunningCloud, query: str) -> None:
    answer = await cloud.get(f"/image/v2/images?{query}")
    assert answer.status_code == 400, answer.text


async def test_pages_follow_each_other(cloud: RunningCloud) -> None:
    for n in range(5):
        await registered(cloud, name=f"n{n}")
    page = (await cloud.get("/image/v2/images?limit=2&sort_key=name&sort_dir=asc")).json()
    assert page["first"] == "/v2/images?limit=2&sort_key=name&sort_dir=asc"
    assert page["schema"] == "/v2/schemas/images"
    seen = [image["name"] for image in page["images"]]
    while "next" in page:
        page = (await cloud.get(f"/image{page['next']}")).json()
        seen += [image["name"] for image in page["images"]]
    assert seen == [f"n{n}" for n in range(5)]


async def test_a_page_has_25_unless_asked(cloud: RunningCloud) -> None:
    for _ in range(26):
        await registered(cloud)
    page = (await cloud.get("/image/v2/images")).json()
    assert (len(page["images"]), "next" in page) == (25, True)


async def test_what_image_can_do_is_told(cloud: RunningCloud) -> None:
    reader = cloud.as_("reader")
    methods = (await reader.get("/image/v2/info/import")).json()["import-methods"]
    assert (methods["type"], methods["value"]) == ("array", ["glance-direct", "web-download"])
    stores = (await reader.get("/image/v2/info/stores")).json()["stores"]
    assert [(store["id"], store["default"]) for store in stores] == [("local", "true")]
    detail = (await cloud.get("/image/v2/info/stores/detail")).json()["stores"]
    assert [(store["id"], store["type"]) for store in detail] == [("local", "file")]
    assert (await reader.get("/image/v2/info/stores/detail")).status_code == 403


async def test_what_a_project_uses_is_told(cloud: RunningCloud) -> None:
    await uploaded(cloud, bytes(3 << 20), **DESCRIBED)
    await registered(cloud)
    usage = (await cloud.get("/image/v2/info/usage")).json()["usage"]
    assert usage == {
        "image_size_total": {"usage": 3, "limit": -1},
        "image_stage_total": {"usage": 0, "limit": -1},
        "image_count_total": {"usage": 2, "limit": -1},
        "image_count_uploading": {"usage": 0, "limit": -1},
    }
