"""Projects below projects."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import Session, World

MISSING = "0" * 32


@pytest.fixture
async def admin(identity: World) -> Session:
    return await identity.admin()


async def domain(admin: Session, name: str, **facts: Any) -> str:
    return str((await admin.post("/v3/domains", {"domain": {"name": name, **facts}})).json()["domain"]["id"])


async def test_the_tree_holds_together(identity: World, admin: Session) -> None:
    garden = await domain(admin, "garden")
    top = await identity.project("top")
    below = await identity.project("below", parent_id=top)

    async def status(method: str, path: str, **facts: Any) -> int:
        sent = {"project": facts} if facts else None
        return (await admin.request(method, path, sent)).status_code

    assert await status("POST", "/v3/projects", name="a", parent_id=top, domain_id=garden) == 400
    assert await status("POST", "/v3/projects", name="a", parent_id="default", domain_id=garden) == 400
    assert await status("POST", "/v3/projects", name="a", parent_id=top, domain_id=top) == 400
    assert await status("DELETE", f"/v3/projects/{top}") == 409
    assert await status("PATCH", f"/v3/projects/{top}", enabled=False) == 403
    assert await status("PATCH", f"/v3/projects/{below}", parent_id="default") == 403
    assert await status("PATCH", f"/v3/projects/{below}", parent_id=top) == 200
    assert await status("PATCH", f"/v3/projects/{below}", domain_id=garden) == 400
    assert await status("PATCH", f"/v3/projects/{below}", is_domain=True) == 400
    assert await status("PATCH", f"/v3/projects/{below}", name="top") == 409
    assert await status("PATCH", f"/v3/projects/{below}", enabled=False) == 200
    assert await status("PATCH", f"/v3/projects/{top}", enabled=False) == 200
    assert await status("PATCH", f"/v3/projects/{below}", enabled=True) == 403
    assert await status("POST", "/v3/projects", name="a", parent_id=below) == 400
    assert await status("DELETE", f"/v3/projects/{below}") == 204
    assert await status("DELETE", f"/v3/projects/{top}") == 204


async def test_names_are_taken_in_one_domain_whatever_the_parent(identity: World, admin: Session) -> None:
    garden, top = await domain(admin, "garden"), await identity.project("top")
    assert (await admin.post("/v3/projects", {"project": {"name": "top", "domain_id": garden}})).status_code == 201
    assert (await admin.post("/v3/projects", {"project": {"name": "top", "parent_id": top}})).status_code == 409
    assert (await admin.post("/v3/projects", {"project": {"name": "TOP", "parent_id": top}})).status_code == 201


async def test_a_project_below_another_is_of_its_domain(identity: World, admin: Session) -> None:
    garden = await domain(admin, "garden")
    for parent in (garden, await identity.project("top", domain_id=garden)):
        sent = {"project": {"name": f"below {parent}", "parent_id": parent}}
        assert (await admin.post("/v3/projects", sent)).json()["project"]["domain_id"] == garden


async def test_five_projects_stand_below_each_other_and_no_sixth(identity: World, admin: Session) -> None:
    parent = "default"
    for depth in range(5):
        parent = await identity.project(f"level {depth}", parent_id=parent)
    answer = await admin.post("/v3/projects", {"project": {"name": "too deep", "parent_id": parent}})
    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == f"Max hierarchy depth reached for {parent} branch."


async def test_in_a_disabled_domain_nothing_is_made_or_enabled(identity: World, admin: Session) -> None:
    garden = await domain(admin, "garden")
    shed = await identity.project("shed", domain_id=garden, enabled=False)
    await admin.patch(f"/v3/domains/{garden}", {"domain": {"enabled": False}})
    made = await admin.post("/v3/projects", {"project": {"name": "bed", "domain_id": garden}})
    assert (made.status_code, garden in made.json()["error"]["message"]) == (400, True)
    enabled = await admin.patch(f"/v3/projects/{shed}", {"project": {"enabled": True}})
    assert enabled.status_code == 403
    assert enabled.json()["error"]["message"] == f"Cannot enable project {shed} since it has disabled parents"


async def test_a_project_shows_what_is_above_and_below_it_as_ids(identity: World, admin: Session) -> None:
    top = await identity.project("top")
    left, right = await identity.project("left", parent_id=top), await identity.project("right", parent_id=top)
    leaf = await identity.project("leaf", parent_id=left)

    async def shown(project_id: str, query: str) -> dict[str, Any]:
        project = (await admin.get(f"/v3/projects/{project_id}?{query}")).json()["project"]
        return {name: project[name] for name in ("parents", "subtree") if name in project}

    assert await shown(leaf, "parents_as_ids") == {"parents": {left: {top: {"default": None}}}}
    assert await shown(top, "subtree_as_ids=1") == {"subtree": {left: {leaf: None}, right: None}}
    assert await shown(leaf, "subtree_as_ids&parents_as_ids=0") == {"subtree": None}
    assert await shown("default", "parents_as_ids=true") == {"parents": None}
    assert await shown(left, "") == {}
    for where in ("parents", "subtree"):
        both = await admin.get(f"/v3/projects/{left}?{where}_as_ids&{where}_as_list")
        assert both.status_code == 400
        assert f"Cannot use {where}_as_list and {where}_as_ids" in both.json()["error"]["message"]


async def test_as_lists_one_sees_the_projects_one_has_a_role_in(identity: World, admin: Session) -> None:
    top = await identity.project("top")
    middle = await identity.project("middle", parent_id=top)
    leaf = await identity.project("leaf", parent_id=middle)
    unseen = await identity.project("unseen", parent_id=middle)
    user_id = await identity.user("ada", "reader", middle)
    for place in (top, leaf):
        await identity.grant(user_id, "reader", f"projects/{place}")
    ada = await identity.session("ada", scope="middle")
    answer = await ada.get(f"/v3/projects/{middle}?parents_as_list&subtree_as_list")
    project = answer.json()["project"]
    assert project["parents"] == [(await admin.get(f"/v3/projects/{top}")).json()]
    assert project["subtree"] == [(await admin.get(f"/v3/projects/{leaf}")).json()]
    assert unseen not in answer.text
    own = await admin.get(f"/v3/projects/{middle}?parents_as_list&subtree_as_list")
    assert (own.json()["project"]["parents"], own.json()["project"]["subtree"]) == ([], [])


async def test_as_lists_projects_bring_their_limits_if_asked(identity: World, admin: Session) -> None:
    top = await identity.project("top")
    leaf = await identity.project("leaf", parent_id=top)
    for place in (top, leaf):
        await identity.grant(
            (await admin.get("/v3/users?name=admin")).json()["users"][0]["id"], "reader", f"projects/{place}"
        )
    service = (await admin.post("/v3/services", {"service": {"type": "compute"}})).json()["service"]["id"]
    kind = {"service_id": service, "resource_name": "cores"}
    await admin.post("/v3/registered_limits", {"registered_limits": [{**kind, "default_limit": 9}]})
    made = await admin.post("/v3/limits", {"limits": [{**kind, "project_id": leaf, "resource_limit": 5}]})
    (limit,) = made.json()["limits"]
    del limit["links"]
    below = (await admin.get(f"/v3/projects/{top}?subtree_as_list&include_limits")).json()["project"]["subtree"]
    assert [each["project"]["limits"] for each in below] == [[limit]]
    above = (await admin.get(f"/v3/projects/{leaf}?parents_as_list&include_limits")).json()["project"]["parents"]
    assert [each["project"]["limits"] for each in above] == [[]]
    plain = (await admin.get(f"/v3/projects/{top}?subtree_as_list")).json()["project"]["subtree"]
    assert "limits" not in plain[0]["project"]
