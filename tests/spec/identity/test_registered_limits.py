"""/v3/registered_limits: how much a project may use of a resource, unless it has a limit of its own."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import Session, World

PATH = "/v3/registered_limits"
AT = f"http://cloud.example:8775/identity{PATH}"


async def service_id(admin: Session, type_: str = "volumev3") -> str:
    return str((await admin.get(f"/v3/services?type={type_}")).json()["services"][0]["id"])


async def registered(admin: Session, **facts: Any) -> dict[str, Any]:
    sent = {"service_id": await service_id(admin), "resource_name": "volumes", "default_limit": 10, **facts}
    answer = await admin.post(PATH, {"registered_limits": [sent]})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["registered_limits"][0])


async def test_a_registered_limit_from_its_making_to_its_end(identity: World) -> None:
    admin = await identity.admin()
    sent = {"service_id": await service_id(admin), "resource_name": "volumes", "default_limit": 10}
    answer = await admin.post("/v3/registered_limits", {"registered_limits": [sent]})
    assert answer.status_code == 201
    assert answer.json().keys() == {"registered_limits"}
    [made] = answer.json()["registered_limits"]
    path = f"/v3/registered_limits/{made['id']}"
    links = {"self": f"{AT}/{made['id']}"}
    assert made == {**sent, "id": made["id"], "region_id": None, "description": None, "links": links}
    assert (await admin.get(path)).json() == {"registered_limit": made}
    wanted = {"default_limit": -1, "description": "No bound", "region_id": "RegionOne", "resource_name": "snapshots"}
    changed = await admin.patch(path, {"registered_limit": wanted})
    assert changed.json()["registered_limit"] == {**made, **wanted}
    assert (await admin.patch(path, {"registered_limit": {}})).json() == changed.json()
    assert (await admin.get(path)).json() == changed.json()
    assert (await admin.delete(path)).status_code == 204
    for answer in (await admin.get(path), await admin.patch(path, {"registered_limit": {}}), await admin.delete(path)):
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Could not find registered limit for {made['id']}."


async def test_many_are_made_at_once_or_none(identity: World) -> None:
    admin = await identity.admin()
    one = {"service_id": await service_id(admin), "resource_name": "volumes", "default_limit": 10}
    for wrong, status in (
        ({**one, "resource_name": ""}, 400),
        ({**one, "service_id": "0" * 32}, 400),
        ({**one, "region_id": "nowhere"}, 400),
        (one, 409),
    ):
        assert (await admin.post(PATH, {"registered_limits": [one, wrong]})).status_code == status
        assert (await admin.get(PATH)).json()["registered_limits"] == []
    both = [one, {**one, "region_id": "RegionOne"}]
    made = await admin.post(PATH, {"registered_limits": both})
    assert [each["region_id"] for each in made.json()["registered_limits"]] == [None, "RegionOne"]


async def test_there_is_one_of_a_resource_in_a_region(identity: World) -> None:
    admin = await identity.admin()
    anywhere = await registered(admin)
    here = await registered(admin, region_id="RegionOne")
    other = await registered(admin, resource_name="snapshots")
    for taken in (anywhere, here):
        sent = {name: taken[name] for name in ("service_id", "region_id", "resource_name", "default_limit")}
        again = await admin.post(PATH, {"registered_limits": [sent]})
        assert again.status_code == 409
        assert again.json()["error"]["message"] == (
            "Conflict occurred attempting to store registered_limit - Duplicate entry."
        )
    for taken, wanted in ((other, {"resource_name": "volumes"}), (here, {"region_id": None})):
        assert (await admin.patch(f"{PATH}/{taken['id']}", {"registered_limit": wanted})).status_code == 409
    same = await admin.patch(f"{PATH}/{other['id']}", {"registered_limit": {"resource_name": "snapshots"}})
    assert same.status_code == 200


async def test_what_is_not_there_is_named(identity: World) -> None:
    admin = await identity.admin()
    path = f"{PATH}/{(await registered(admin))['id']}"
    for name in ("service_id", "region_id"):
        answer = await admin.patch(path, {"registered_limit": {name: "0" * 32}})
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith(f"Expecting to find {name} in registered_limit. ")


async def test_registered_limits_are_listed_by_what_they_are_on(identity: World) -> None:
    admin = await identity.admin()
    for name, region in (("volumes", None), ("volumes", "RegionOne"), ("snapshots", "RegionOne")):
        await registered(admin, resource_name=name, region_id=region)
    await registered(admin, service_id=await service_id(admin, "identity"), resource_name="users")
    for query, count in (
        ("", 4),
        (f"service_id={await service_id(admin)}", 3),
        ("region_id=RegionOne", 2),
        ("resource_name=volumes", 2),
        ("resource_name__contains=s", 4),
        ("region_id=RegionOne&resource_name=volumes", 1),
    ):
        found = (await admin.get(f"{PATH}?{query}")).json()
        assert len(found["registered_limits"]) == count
        assert found["links"]["next"] is None


async def test_one_with_a_limit_on_it_stays_as_it_is(identity: World) -> None:
    admin = await identity.admin()
    made = await registered(admin)
    place = {"service_id": made["service_id"], "resource_name": "volumes", "resource_limit": 5}
    sent = {"limits": [{**place, "project_id": await identity.project("own")}]}
    limit = (await admin.post("/v3/limits", sent)).json()["limits"][0]["id"]
    path = f"{PATH}/{made['id']}"
    for answer in (
        await admin.patch(path, {"registered_limit": {"default_limit": 3}}),
        await admin.patch(path, {"registered_limit": {"description": "other words"}}),
        await admin.delete(path),
    ):
        assert answer.status_code == 403
        assert answer.json()["error"]["message"] == (
            f"Unable to update or delete registered limit {made['id']} because there are project limits associated with it."
        )
    await admin.delete(f"/v3/limits/{limit}")
    assert (await admin.patch(path, {"registered_limit": {"default_limit": 3}})).status_code == 200
    assert (await admin.delete(path)).status_code == 204


async def test_registered_limits_go_with_their_service_and_their_region(identity: World) -> None:
    admin = await identity.admin()
    await admin.put("/v3/regions/two", {"region": {}})
    first = await registered(admin, region_id="two")
    other = await registered(admin)
    assert (await admin.delete("/v3/regions/two")).status_code == 204
    assert (await admin.get(f"{PATH}/{first['id']}")).status_code == 404
    assert (await admin.delete(f"/v3/services/{other['service_id']}")).status_code == 204
    assert (await admin.get(PATH)).json()["registered_limits"] == []


@pytest.mark.parametrize(
    "facts",
    [
        {"service_id": None},
        {"resource_name": ""},
        {"resource_name": "  "},
        {"resource_name": "x" * 256},
        {"default_limit": -2},
        {"default_limit": 2**31},
        {"default_limit": "10"},
        {"default_limit": 1.5},
        {"region_id": ""},
        {"description": "x" * 256},
        {"id": "0" * 32},
        {"colour": "blue"},
    ],
)
async def test_what_is_no_registered_limit(identity: World, facts: dict[str, Any]) -> None:
    admin = await identity.admin()
    sent = {"service_id": await service_id(admin), "resource_name": "snapshots", "default_limit": 10, **facts}
    assert (await admin.post(PATH, {"registered_limits": [sent]})).status_code == 400
    path = f"{PATH}/{(await registered(admin))['id']}"
    assert (await admin.patch(path, {"registered_limit": facts})).status_code == 400


@pytest.mark.parametrize("body", [[], {}, None, [{"resource_name": "x"}], "x"])
async def test_what_are_no_registered_limits(identity: World, body: Any) -> None:
    admin = await identity.admin()
    assert (await admin.post(PATH, {"registered_limits": body})).status_code == 400
    assert (await admin.post(PATH, {"registered_limit": body})).status_code == 400


async def test_everybody_reads_them_and_only_administrators_change_them(identity: World) -> None:
    await identity.user("ada", "manager", await identity.project("own"))
    ada, admin = await identity.session("ada", scope="own"), await identity.admin()
    made = await registered(admin)
    assert (await ada.get(PATH)).json()["registered_limits"] == [made]
    assert (await ada.get(f"{PATH}/{made['id']}")).json() == {"registered_limit": made}
    assert (await ada.get(f"{PATH}/none")).status_code == 404
    sent = {"service_id": made["service_id"], "resource_name": "snapshots", "default_limit": 10}
    assert (await ada.post(PATH, {"registered_limits": [sent]})).status_code == 403
    for path in (f"{PATH}/{made['id']}", f"{PATH}/none"):
        assert (await ada.patch(path, {"registered_limit": {}})).status_code == 403
        assert (await ada.delete(path)).status_code == 403
