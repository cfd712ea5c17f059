"""/resource_classes: the standard ones, and those that one makes."""

from __future__ import annotations

import pytest

from support.placement import Placement, claim, error

NAME = "CUSTOM_GOLD_BARS"
PATH = f"/resource_classes/{NAME}"


async def test_a_class_from_its_making_to_its_end(placement: Placement) -> None:
    made = await placement.at("1.2").post("/resource_classes", {"name": NAME})
    assert (made.status_code, made.text) == (201, "")
    assert made.headers["location"] == f"http://cloud.example/placement{PATH}"
    shown = {"name": NAME, "links": [{"rel": "self", "href": f"/placement{PATH}"}]}
    assert (await placement.get(PATH)).json() == shown
    listed = (await placement.get("/resource_classes")).json()["resource_classes"]
    assert [each["name"] for each in listed[:3]] == ["VCPU", "MEMORY_MB", "DISK_GB"]
    assert listed[-1] == shown
    assert error(await placement.post("/resource_classes", {"name": NAME}))[0] == 409
    assert (await placement.delete(PATH)).status_code == 204
    assert error(await placement.get(PATH)) == (404, "placement.undefined_code", f"No such resource class {NAME}.")
    assert error(await placement.delete(PATH))[0] == 404


async def test_put_makes_it_from_1_7_on(placement: Placement) -> None:
    made = await placement.at("1.7").put(PATH)
    assert (made.status_code, made.headers["location"]) == (201, f"http://cloud.example/placement{PATH}")
    assert (await placement.put(PATH)).status_code == 204


@pytest.mark.parametrize("name", ["GOLD", "CUSTOM_", "CUSTOM_gold", "CUSTOM_A-B", "CUSTOM_" + "X" * 249])
async def test_a_name_that_is_none(placement: Placement, name: str) -> None:
    assert error(await placement.post("/resource_classes", {"name": name}))[0] == 400
    assert error(await placement.put(f"/resource_classes/{name}"))[0] == 400


async def test_standard_ones_stay_as_they_are(placement: Placement) -> None:
    assert (await placement.get("/resource_classes/VCPU")).json()["name"] == "VCPU"
    assert "standard resource class VCPU" in error(await placement.delete("/resource_classes/VCPU"))[2]
    renamed = await placement.at("1.6").put("/resource_classes/VCPU", {"name": NAME})
    assert error(renamed)[0] == 400


async def test_one_that_is_in_use_stays(placement: Placement) -> None:
    await placement.put(PATH)
    await placement.provider(**{NAME: 4})
    status, _, detail = error(await placement.delete(PATH))
    assert (status, f"Cannot delete resource class {NAME}. Class is in use" in detail) == (409, True)


async def test_put_renames_it_before_1_7_and_what_is_of_it_goes_along(placement: Placement) -> None:
    old = placement.at("1.6")
    await old.post("/resource_classes", {"name": NAME})
    await old.post("/resource_classes", {"name": "CUSTOM_TAKEN"})
    host = await placement.provider(**{NAME: 4})
    consumer = await placement.consumer({host: {NAME: 3}})
    found = (await placement.get(f"/allocation_candidates?resources={NAME}:1")).json()
    assert len(found["allocation_requests"]) == 1
    renamed = await old.put(PATH, {"name": "CUSTOM_SILVER"})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "CUSTOM_SILVER")
    assert await placement.used(host) == {"CUSTOM_SILVER": 3}
    again = await placement.put(f"/allocations/{consumer}", claim({host: {"CUSTOM_SILVER": 4}}, consumer_generation=1))
    assert again.status_code == 204
    found = (await placement.get("/allocation_candidates?resources=CUSTOM_SILVER:1")).json()
    assert found["allocation_requests"] == []
    await placement.delete(f"/allocations/{consumer}")
    found = (await placement.get("/allocation_candidates?resources=CUSTOM_SILVER:1")).json()
    assert len(found["allocation_requests"]) == 1
    assert (await old.put("/resource_classes/CUSTOM_SILVER", {"name": "CUSTOM_SILVER"})).status_code == 200
    assert error(await old.put("/resource_classes/CUSTOM_SILVER", {"name": "CUSTOM_TAKEN"}))[0] == 409
    assert error(await old.put("/resource_classes/CUSTOM_SILVER", {"name": "VCPU"}))[0] == 400
    assert error(await old.put(PATH, {"name": "CUSTOM_OTHER"}))[0] == 404


async def test_when_it_was_made_is_said_from_1_15_on(placement: Placement) -> None:
    await placement.put(PATH)
    for path in (PATH, "/resource_classes", "/resource_classes/VCPU"):
        assert "last-modified" not in (await placement.at("1.14").get(path)).headers
        headers = (await placement.at("1.15").get(path)).headers
        assert (headers["cache-control"], headers["last-modified"]) == ("no-cache", "Thu, 01 Jan 2026 00:00:00 GMT")
