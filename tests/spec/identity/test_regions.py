"""/v3/regions: where the cloud is, as a tree."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import Session, World, same_answer

AT = "http://cloud.example:8775/identity/v3/regions"


async def made(admin: Session, **facts: Any) -> str:
    answer = await admin.post("/v3/regions", {"region": facts})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["region"]["id"])


async def test_a_region_from_its_making_to_its_end(identity: World) -> None:
    admin = await identity.admin()
    answer = await admin.post("/v3/regions", {"region": {"description": "North", "colour": "blue"}})
    assert answer.status_code == 201
    region = answer.json()["region"]
    assert region == {
        "id": region["id"],
        "description": "North",
        "parent_region_id": None,
        "colour": "blue",
        "links": {"self": f"{AT}/{region['id']}"},
    }
    path = f"/v3/regions/{region['id']}"
    assert (await admin.get(path)).json() == {"region": region}
    changed = await admin.patch(path, {"region": {"description": None, "size": 3}})
    assert changed.json()["region"] == {**region, "description": "", "size": 3}
    assert (await admin.get(path)).json() == changed.json()
    assert region["id"] in [each["id"] for each in (await admin.get("/v3/regions")).json()["regions"]]
    assert (await admin.delete(path)).status_code == 204
    for answer in (await admin.get(path), await admin.patch(path, {"region": {"a": 1}}), await admin.delete(path)):
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Could not find region: {region['id']}."


async def test_a_region_may_say_its_id(identity: World) -> None:
    admin = await identity.admin()
    put = await admin.put("/v3/regions/north-1", {"region": {"description": "of the path"}})
    assert (put.status_code, put.json()["region"]["id"]) == (201, "north-1")
    assert await made(admin, id="south-1") == "south-1"
    assert await made(admin, id="") != ""
    assert await made(admin, id=None)
    assert (await admin.put("/v3/regions/east", {"region": {"id": "east"}})).status_code == 201
    other = await admin.put("/v3/regions/west", {"region": {"id": "far-west"}})
    assert other.status_code == 400
    assert other.json()["error"]["message"] == 'Conflicting region IDs specified: "west" != "far-west"'
    for again in (
        await admin.put("/v3/regions/north-1", {"region": {}}),
        await admin.post("/v3/regions", {"region": {"id": "north-1"}}),
    ):
        assert again.status_code == 409
        assert again.json()["error"]["message"] == (
            "Conflict occurred attempting to store region - Duplicate ID, north-1."
        )


async def test_regions_are_a_tree(identity: World) -> None:
    admin = await identity.admin()
    top = await made(admin)
    middle = await made(admin, parent_region_id=top)
    low = await made(admin, parent_region_id=middle)
    below = await admin.get(f"/v3/regions?parent_region_id={top}")
    assert [each["id"] for each in below.json()["regions"]] == [middle]
    for parent in (top, middle, low):
        circle = await admin.patch(f"/v3/regions/{top}", {"region": {"parent_region_id": parent}})
        assert circle.status_code == 400
        assert circle.json()["error"]["message"] == (
            f"The specified parent region {parent} would create a circular region hierarchy."
        )
    moved = await admin.patch(f"/v3/regions/{low}", {"region": {"parent_region_id": top}})
    assert moved.json()["region"]["parent_region_id"] == top
    freed = await admin.patch(f"/v3/regions/{low}", {"region": {"parent_region_id": None}})
    assert freed.json()["region"]["parent_region_id"] is None
    for answer in (
        await admin.post("/v3/regions", {"region": {"parent_region_id": "nowhere"}}),
        await admin.patch(f"/v3/regions/{low}", {"region": {"parent_region_id": "nowhere"}}),
    ):
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == "Could not find region: nowhere."


async def test_a_region_goes_with_those_below_unless_one_has_an_endpoint(identity: World) -> None:
    admin = await identity.admin()
    top = await made(admin)
    middle = await made(admin, parent_region_id=top)
    low = await made(admin, parent_region_id=middle)
    service = (await admin.get("/v3/services")).json()["services"][0]["id"]
    sent = {"service_id": service, "interface": "public", "url": "http://here.example/", "region_id": low}
    endpoint = (await admin.post("/v3/endpoints", {"endpoint": sent})).json()["endpoint"]["id"]
    refused = await admin.delete(f"/v3/regions/{top}")
    assert refused.status_code == 403
    assert refused.json()["error"]["message"] == (
        f"Unable to delete region {top} because it or its child regions have associated endpoints."
    )
    assert (await admin.delete(f"/v3/endpoints/{endpoint}")).status_code == 204
    assert (await admin.delete(f"/v3/regions/{top}")).status_code == 204
    for region in (top, middle, low):
        assert (await admin.get(f"/v3/regions/{region}")).status_code == 404


@pytest.mark.parametrize(
    "region",
    [
        {"id": "x" * 256},
        {"id": 7},
        {"description": "x" * 256},
        {"description": []},
        {"parent_region_id": ""},
        {"parent_region_id": {}},
    ],
)
async def test_what_is_no_region(identity: World, region: dict[str, Any]) -> None:
    admin = await identity.admin()
    assert (await admin.post("/v3/regions", {"region": region})).status_code == 400
    assert (await admin.patch("/v3/regions/RegionOne", {"region": region})).status_code == 400


@pytest.mark.parametrize("region", [{}, {"id": "another"}])
async def test_a_change_names_something_but_no_other_id(identity: World, region: dict[str, Any]) -> None:
    admin = await identity.admin()
    assert (await admin.patch("/v3/regions/RegionOne", {"region": region})).status_code == 400
    assert (await admin.patch("/v3/regions/RegionOne", {"region": {"id": "RegionOne"}})).status_code == 200


async def test_only_administrators_change_regions(identity: World) -> None:
    await identity.user("ada", "manager", await identity.project("own"))
    ada = await identity.session("ada", scope="own")
    assert (await ada.post("/v3/regions", {"region": {}})).status_code == 403
    assert (await ada.put("/v3/regions/mine", {"region": {}})).status_code == 403
    for call in (lambda path: ada.patch(path, {"region": {"a": 1}}), ada.delete):
        assert same_answer(await call("/v3/regions/RegionOne"), await call("/v3/regions/nowhere"))
        assert (await call("/v3/regions/RegionOne")).status_code == 403
