"""Images as Compute showed them before 2.36."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from support.cloud import RunningCloud
from support.computed import at
from support.imaged import registered, uploaded

LIST = "/compute/v2.1/images"


async def names(client: Any, **query: Any) -> set[str]:
    answer = await client.get("/compute/v2.1/images/detail", params=query)
    assert answer.status_code == 200, answer.text
    return {each["name"] for each in answer.json()["images"]}


async def test_an_image_is_shown_in_compute_s_words(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await uploaded(member, name="one", min_ram=64, min_disk=1, auto_disk_config="True", instance_uuid="s")
    shown = (await member.get(f"/compute/v2.1/images/{image['id']}")).json()["image"]
    assert shown["status"] == "ACTIVE"
    assert (shown["progress"], shown["minRam"], shown["minDisk"]) == (100, 64, 1)
    assert shown["metadata"] == {"auto_disk_config": "True", "instance_uuid": "s"}
    assert shown["OS-EXT-IMG-SIZE:size"] == image["size"]
    assert shown["OS-DCF:diskConfig"] == "AUTO"
    assert shown["server"]["id"] == "s"
    assert [link["rel"] for link in shown["links"]] == ["self", "bookmark", "alternate"]
    assert shown["created"] == image["created_at"]
    empty = await registered(member)
    shown = (await member.get(f"/compute/v2.1/images/{empty['id']}")).json()["image"]
    assert (shown["status"], shown["progress"], shown["OS-EXT-IMG-SIZE:size"]) == ("SAVING", 25, 0)


async def test_images_are_listed_and_narrowed(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    one, two, three = (uuid4().hex for _ in range(3))
    await uploaded(member, name=one, image_type="snapshot", instance_uuid="f" * 32)
    second = await uploaded(member, name=two, os_distro=two, min_ram=7)
    await registered(member, name=three)
    assert {one, two, three} <= await names(member)
    listed = (await member.get(LIST, params={"name": one})).json()["images"]
    assert [set(each) for each in listed] == [{"id", "name", "links"}]
    assert await names(member, name=one) == {one}
    assert await names(member, server="f" * 32) == await names(member, server=f"http://x/servers/{'f' * 32}") == {one}
    assert one in (found := await names(member, type="snapshot"))
    assert two not in found
    assert three in (found := await names(member, status="SAVING"))
    assert not {one, two} & found
    assert await names(member, **{"property-os_distro": two}) == await names(member, minRam=7) == {two}
    assert two in await names(member, **{"changes-since": second["updated_at"]})
    assert await names(member, **{"changes-since": "2999-01-01T00:00:00Z"}) == set()
    first = (await member.get(LIST, params={"limit": 1})).json()
    assert first["images"][0]["name"] == three
    second_page = (await member.get(first["images_links"][0]["href"])).json()
    assert second_page["images"][0]["name"] == two
    for wrong in ({"limit": "-1"}, {"marker": "x"}, {"changes-since": "x"}):
        assert (await member.get(LIST, params=wrong)).status_code == 400


async def test_metadata_of_an_image_is_read_and_written(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await uploaded(member)
    path, item = f"/compute/v2.1/images/{image['id']}/metadata", f"/compute/v2.1/images/{image['id']}/metadata/one"
    assert (await member.post(path, json={"metadata": {"one": "1", "two": "2"}})).json() == {
        "metadata": {"one": "1", "two": "2"}
    }
    assert (await member.put(item, json={"meta": {"one": "uno"}})).json() == {"meta": {"one": "uno"}}
    assert (await member.get(item)).json() == {"meta": {"one": "uno"}}
    assert (await member.get(path, headers=at("2.38"))).json() == {"metadata": {"one": "uno", "two": "2"}}
    assert (await member.delete(item)).status_code == 204
    assert (await member.get(item)).status_code == (await member.delete(item)).status_code == 404
    assert (await member.put(path, json={"metadata": {"three": "3"}})).json() == {"metadata": {"three": "3"}}
    assert (await member.put(item, json={"meta": {"two": "2"}})).status_code == 400
    for wrong in ({"metadata": {"x": 1}}, {"metadata": {"ä": "x"}}, {}):
        assert (await member.post(path, json=wrong)).status_code == 400
    for reserved in ("status", "owner", "os_glance_x"):
        assert (await member.post(path, json={"metadata": {reserved: "x"}})).status_code == 403
    assert (await member.get(path)).json() == {"metadata": {"three": "3"}}
    assert (await cloud.as_("reader").put(path, json={"metadata": {}})).status_code == 403


async def test_an_image_is_deleted_by_compute(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await uploaded(member, protected=True)
    path = f"/compute/v2.1/images/{image['id']}"
    assert (await member.delete(path)).status_code == 403
    image = await uploaded(member)
    path = f"/compute/v2.1/images/{image['id']}"
    assert (await member.delete(path)).status_code == 204
    gone = await member.get(path)
    assert (gone.status_code, gone.json()) == (404, {"itemNotFound": {"code": 404, "message": "Image not found."}})
    assert (await member.get("/compute/v2.1/images/none")).json() == gone.json()


async def test_images_are_image_s_alone_from_2_36_on(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await uploaded(member)
    for path in ("/compute/v2.1/images", f"/compute/v2.1/images/{image['id']}"):
        assert (await member.get(path, headers=at("2.35"))).status_code == 200
        assert (await member.get(path, headers=at("2.36"))).status_code == 404
    path = f"/compute/v2.1/images/{image['id']}/metadata"
    assert (await member.get(path, headers=at("2.39"))).status_code == 404
