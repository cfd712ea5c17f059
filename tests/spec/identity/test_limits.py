"""/v3/limits: how much one project or domain may use, where that is not the registered limit."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import Session, World, same_answer

PATH = "/v3/limits"
AT = f"http://cloud.example:8775/identity{PATH}"


async def place(admin: Session, name: str = "volumes", **facts: Any) -> dict[str, Any]:
    """What names a registered limit of 10, made for it."""
    service = (await admin.get("/v3/services?type=volumev3")).json()["services"][0]["id"]
    sent = {"service_id": service, "resource_name": name, **facts}
    made = await admin.post("/v3/registered_limits", {"registered_limits": [{**sent, "default_limit": 10}]})
    assert made.status_code == 201, made.text
    return sent


async def a_limit(admin: Session, **facts: Any) -> dict[str, Any]:
    answer = await admin.post(PATH, {"limits": [{"resource_limit": 5, **facts}]})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["limits"][0])


async def test_a_limit_from_its_making_to_its_end(identity: World) -> None:
    admin = await identity.admin()
    sent = {**await place(admin), "project_id": await identity.project("own"), "resource_limit": 5}
    answer = await admin.post("/v3/limits", {"limits": [sent]})
    assert answer.status_code == 201
    assert answer.json().keys() == {"limits"}
    [made] = answer.json()["limits"]
    path = f"/v3/limits/{made['id']}"
    rest = {"id": made["id"], "domain_id": None, "region_id": None, "description": None}
    assert made == {**sent, **rest, "links": {"self": f"{AT}/{made['id']}"}}
    assert (await admin.get(path)).json() == {"limit": made}
    changed = await admin.patch(path, {"limit": {"resource_limit": 0, "description": "None"}})
    assert changed.json()["limit"] == {**made, "resource_limit": 0, "description": "None"}
    assert (await admin.patch(path, {"limit": {}})).json() == changed.json()
    assert (await admin.get(path)).json() == changed.json()
    assert (await admin.delete(path)).status_code == 204
    for answer in (await admin.get(path), await admin.patch(path, {"limit": {}}), await admin.delete(path)):
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Could not find limit for {made['id']}."


async def test_a_limit_is_of_a_project_or_of_a_domain(identity: World) -> None:
    admin = await identity.admin()
    at, project = await place(admin), await identity.project("own")
    made = await a_limit(admin, **at, domain_id="default", project_id=None)
    assert (made["domain_id"], made["project_id"]) == ("default", None)
    domain = (await admin.post("/v3/domains", {"domain": {"name": "away"}})).json()["domain"]["id"]
    acts = await a_limit(admin, **at, project_id=domain)  # a domain is a project, too
    assert (acts["domain_id"], acts["project_id"]) == (domain, None)
    for owner in ({}, {"project_id": project, "domain_id": domain}, {"project_id": None, "domain_id": None}):
        assert (await admin.post(PATH, {"limits": [{**at, "resource_limit": 5, **owner}]})).status_code == 400


async def test_a_limit_rests_on_a_registered_one(identity: World) -> None:
    admin = await identity.admin()
    at, project = await place(admin), await identity.project("own")
    for elsewhere in ({"region_id": "RegionOne"}, {"resource_name": "snapshots"}):
        sent = {**at, **elsewhere, "project_id": project, "resource_limit": 5}
        answer = await admin.post(PATH, {"limits": [sent]})
        assert answer.status_code == 403
        assert answer.json()["error"]["message"] == (
            "Unable to create a limit that has no corresponding registered limit."
        )
    for name, target in (
        ("service_id", {"service_id": "0" * 32, "project_id": project}),
        ("region_id", {"region_id": "nowhere", "project_id": project}),
        ("project_id", {"project_id": "0" * 32}),
        ("domain_id", {"domain_id": "0" * 32}),
        ("domain_id", {"domain_id": project}),
    ):
        answer = await admin.post(PATH, {"limits": [{**at, "resource_limit": 5, **target}]})
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith(f"Expecting to find {name} in limit. ")


async def test_many_are_made_at_once_or_none(identity: World) -> None:
    admin = await identity.admin()
    at, project = await place(admin), await identity.project("own")
    one = {**at, "project_id": project, "resource_limit": 5}
    for wrong, status in (({**one, "resource_name": "none"}, 403), (one, 409), ({**one, "project_id": "none"}, 400)):
        assert (await admin.post(PATH, {"limits": [one, wrong]})).status_code == status
        assert (await admin.get(PATH)).json()["limits"] == []
    two = {**one, "project_id": None, "domain_id": "default"}
    assert len((await admin.post(PATH, {"limits": [one, two]})).json()["limits"]) == 2
    again = await admin.post(PATH, {"limits": [one]})
    assert again.status_code == 409
    assert again.json()["error"]["message"] == "Conflict occurred attempting to store limit - Duplicate entry."


async def test_limits_are_listed_by_what_they_are_on(identity: World) -> None:
    admin = await identity.admin()
    volumes, here = await place(admin), await place(admin, "snapshots", region_id="RegionOne")
    one, two = await identity.project("one"), await identity.project("two")
    for at, owner in ((volumes, one), (volumes, two), (here, one)):
        await a_limit(admin, **at, project_id=owner)
    await a_limit(admin, **here, domain_id="default")
    for query, count in (
        ("", 4),
        (f"service_id={volumes['service_id']}", 4),
        ("service_id=none", 0),
        ("region_id=RegionOne", 2),
        ("resource_name=volumes", 2),
        (f"project_id={one}", 2),
        (f"project_id={one}&resource_name=volumes", 1),
        ("domain_id=default", 1),
        ("sort_key=project_id&limit=3", 3),
    ):
        assert len((await admin.get(f"{PATH}?{query}")).json()["limits"]) == count, query
    first = (await admin.get(f"{PATH}?limit=3&resource_name__contains=s")).json()
    rest = (await admin.get(first["links"]["next"].partition("/identity")[2])).json()
    assert len({each["id"] for each in first["limits"] + rest["limits"]}) == 4


async def test_limits_go_with_what_they_are_of(identity: World) -> None:
    admin = await identity.admin()
    await admin.put("/v3/regions/two", {"region": {}})
    at, there = await place(admin), await place(admin, region_id="two")
    domain = (await admin.post("/v3/domains", {"domain": {"name": "away"}})).json()["domain"]["id"]
    one, two = await identity.project("one"), await identity.project("two")
    await a_limit(admin, **at, project_id=one)
    await a_limit(admin, **at, domain_id=domain)
    await a_limit(admin, **there, project_id=two)
    await a_limit(admin, **at, project_id=two)

    async def owners() -> set[str]:
        found = (await admin.get(PATH)).json()["limits"]
        return {each["project_id"] or each["domain_id"] for each in found}

    await admin.delete(f"/v3/projects/{one}")
    assert await owners() == {two, domain}
    await admin.patch(f"/v3/domains/{domain}", {"domain": {"enabled": False}})
    await admin.delete(f"/v3/domains/{domain}")
    assert await owners() == {two}
    assert len((await admin.get(PATH)).json()["limits"]) == 2
    await admin.delete("/v3/regions/two")
    assert len((await admin.get(PATH)).json()["limits"]) == 1
    await admin.delete(f"/v3/services/{at['service_id']}")
    assert await owners() == set()


@pytest.mark.parametrize(
    "facts",
    [
        {"resource_limit": -2},
        {"resource_limit": 2**31},
        {"resource_limit": "5"},
        {"resource_limit": None},
        {"description": "x" * 256},
        {"id": "0" * 32},
        {"colour": "blue"},
    ],
)
async def test_what_is_no_limit(identity: World, facts: dict[str, Any]) -> None:
    admin = await identity.admin()
    at, project = await place(admin), await identity.project("own")
    made = await a_limit(admin, **at, project_id=project)
    sent = {**at, "domain_id": "default", "resource_limit": 5, **facts}
    assert (await admin.post(PATH, {"limits": [sent]})).status_code == 400
    assert (await admin.patch(f"{PATH}/{made['id']}", {"limit": facts})).status_code == 400
    assert (await admin.patch(f"{PATH}/{made['id']}", {"limit": {"project_id": project}})).status_code == 400
    for body in ([], {}, None):
        assert (await admin.post(PATH, {"limits": body})).status_code == 400


async def test_the_model_is_told(identity: World) -> None:
    await identity.user("ada", "reader", await identity.project("own"))
    shown = (await (await identity.session("ada", scope="own")).get("/v3/limits/model")).json()
    assert shown["model"]["name"] == "flat"
    assert shown["model"].keys() == {"name", "description"}


async def test_each_sees_the_limits_that_are_theirs(identity: World) -> None:
    admin = await identity.admin()
    at = await place(admin)
    domain = (await admin.post("/v3/domains", {"domain": {"name": "away"}})).json()["domain"]["id"]
    own, away = await identity.project("own"), await identity.project("theirs", domain_id=domain)
    ada = await identity.user("ada", "manager", own)
    await identity.grant(ada, "reader", f"domains/{domain}")
    bob = await identity.user("bob", "service", own)
    assert bob
    of_own, of_away = await a_limit(admin, **at, project_id=own), await a_limit(admin, **at, project_id=away)
    of_domain = await a_limit(admin, **at, domain_id=domain)
    in_domain = await identity.session("ada", scope={"domain": {"id": domain}})
    for session, seen in (
        (await identity.session("ada", scope="own"), [of_own]),
        (in_domain, [of_away, of_domain]),
        (await identity.session("bob", scope="own"), [of_own, of_away, of_domain]),
        (await identity.session("admin", scope={"system": {"all": True}}), [of_own, of_away, of_domain]),
    ):
        found = (await session.get(PATH)).json()["limits"]
        assert {each["id"] for each in found} == {each["id"] for each in seen}
    for session, seen, hidden in (
        (await identity.session("ada", scope="own"), [of_own], [of_away, of_domain]),
        (in_domain, [of_away, of_domain], [of_own]),
    ):
        missing = await session.get(f"{PATH}/{'0' * 32}")
        for limit in seen:
            assert (await session.get(f"{PATH}/{limit['id']}")).json() == {"limit": limit}
        for limit in hidden:
            assert same_answer(await session.get(f"{PATH}/{limit['id']}"), missing)
        assert missing.status_code == 403


async def test_only_administrators_change_limits(identity: World) -> None:
    admin, project = await identity.admin(), await identity.project("own")
    await identity.user("ada", "manager", project)
    ada, at = await identity.session("ada", scope="own"), await place(admin)
    made = await a_limit(admin, **at, project_id=project)
    assert (await ada.post(PATH, {"limits": [{**at, "domain_id": "default", "resource_limit": 5}]})).status_code == 403
    for path in (f"{PATH}/{made['id']}", f"{PATH}/none"):
        assert (await ada.patch(path, {"limit": {}})).status_code == 403
        assert (await ada.delete(path)).status_code == 403
