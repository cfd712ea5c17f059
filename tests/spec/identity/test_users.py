"""/v3/users, /v3/roles, and who has which role on what."""

from __future__ import annotations

from typing import Any

import pytest

from pileus.services.identity.assignments import service as assignments
from pileus.services.identity.assignments.service import Assignment
from pileus.services.identity.roles import service as roles
from support.identity import World, by_password, same_answer

MISSING = "0" * 32


async def test_a_user_is_made_shown_changed_and_deleted(identity: World) -> None:
    admin = await identity.admin()
    project_id = await identity.project("own")
    sent = {"name": "ada", "password": "x", "email": "ada@example.org", "default_project_id": project_id}
    made = await admin.post("/v3/users", {"user": sent})
    assert made.status_code == 201
    user = made.json()["user"]
    assert user == {
        "id": user["id"],
        "name": "ada",
        "domain_id": "default",
        "enabled": True,
        "email": "ada@example.org",
        "default_project_id": project_id,
        "password_expires_at": None,
        "options": {},
        "links": {"self": f"http://cloud.example:8775/identity/v3/users/{user['id']}"},
    }
    path = f"/v3/users/{user['id']}"
    assert (await admin.get(path)).json() == {"user": user}
    changed = await admin.patch(path, {"user": {"name": "lovelace", "default_project_id": None, "phone": "1"}})
    expected = {**user, "name": "lovelace", "phone": "1"}
    del expected["default_project_id"]
    assert changed.json() == {"user": expected}
    assert (await admin.get("/v3/users?name=lovelace")).json()["users"] == [expected]
    assert (await admin.delete(path)).status_code == 204
    gone = await admin.get(path)
    assert (gone.status_code, gone.json()["error"]["message"]) == (404, f"Could not find user: {user['id']}.")


@pytest.mark.parametrize(
    ("facts", "status", "message"),
    [
        ({"name": "admin"}, 409, "Duplicate entry found with name admin"),
        ({"name": "a", "domain_id": MISSING}, 400, f"Could not find domain: {MISSING}."),
        ({"name": "a", "default_project_id": "default"}, 400, "cannot be a domain ID"),
        ({"name": "x" * 256}, 400, "name"),
        ({"name": "a", "enabled": "yes"}, 400, "enabled"),
        ({}, 400, "name"),
    ],
)
async def test_what_is_no_user(identity: World, facts: dict[str, Any], status: int, message: str) -> None:
    answer = await (await identity.admin()).post("/v3/users", {"user": facts})
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


async def test_a_user_does_not_move_to_another_domain_nor_to_a_taken_name(identity: World) -> None:
    admin = await identity.admin()
    path = f"/v3/users/{await identity.user('ada')}"
    assert (await admin.patch(path, {"user": {"domain_id": "elsewhere"}})).status_code == 400
    assert (await admin.patch(path, {"user": {"name": "admin"}})).status_code == 409
    assert (await admin.patch(path, {"user": {}})).status_code == 200


async def test_one_sees_oneself_and_strangers_learn_nothing(identity: World) -> None:
    own, other = await identity.user("ada", "member", await identity.project("own")), await identity.user("eve")
    ada = await identity.session("ada", scope="own")
    assert (await ada.get(f"/v3/users/{own}")).status_code == 200
    assert (await ada.get("/v3/users")).status_code == 403
    for method, body in (("GET", None), ("PATCH", {"user": {"name": "x"}}), ("DELETE", None)):
        there, missing = [await ada.request(method, f"/v3/users/{id_}", body) for id_ in (other, MISSING)]
        assert there.status_code == 403
        assert same_answer(there, missing)
    assert (await ada.post("/v3/users", {"user": {"name": "x"}})).status_code == 403


async def test_a_role_is_made_shown_changed_and_deleted(identity: World) -> None:
    admin = await identity.admin()
    made = await admin.post("/v3/roles", {"role": {"name": "cook", "description": "cooks", "stars": 3}})
    assert made.status_code == 201
    role = made.json()["role"]
    assert role == {
        "id": role["id"],
        "name": "cook",
        "domain_id": None,
        "description": "cooks",
        "options": {},
        "stars": 3,
        "links": {"self": f"http://cloud.example:8775/identity/v3/roles/{role['id']}"},
    }
    path = f"/v3/roles/{role['id']}"
    changed = await admin.patch(path, {"role": {"name": "chef", "stars": 4}})
    assert changed.json() == {"role": {**role, "name": "chef", "stars": 4}}
    assert (await admin.get("/v3/roles?name=chef")).json()["roles"] == [changed.json()["role"]]
    assert (await admin.post("/v3/roles", {"role": {"name": "chef"}})).status_code == 409
    assert (await admin.patch(path, {"role": {"name": "admin"}})).status_code == 409
    assert (await admin.patch(path, {"role": {"domain_id": "default"}})).status_code == 400
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).json()["error"]["message"] == f"Could not find role: {role['id']}."


async def test_a_domain_has_roles_of_its_own(identity: World) -> None:
    admin = await identity.admin()
    sent = {"role": {"name": "member", "domain_id": "default"}}
    role = (await admin.post("/v3/roles", sent)).json()["role"]
    assert "default" not in {each["domain_id"] for each in (await admin.get("/v3/roles")).json()["roles"]}
    assert (await admin.get("/v3/roles?domain_id=default")).json()["roles"] == [role]
    missing = {"role": {"name": "a", "domain_id": MISSING}}
    assert (await admin.post("/v3/roles", missing)).status_code == 400
    project_id = await identity.project("own")
    user_id = await identity.user("ada")
    path = f"/v3/projects/{project_id}/users/{user_id}/roles/{role['id']}"
    assert (await admin.put(path)).status_code == 204
    await roles.imply(identity.ctx, role["id"], await identity.role_id("reader"))
    token = (await identity.login(by_password("ada", scope="own"))).json()["token"]
    assert [each["name"] for each in token["roles"]] == ["reader"]  # itself it only passes on what it implies
    elsewhere = (await admin.post("/v3/domains", {"domain": {"name": "garden"}})).json()["domain"]["id"]
    foreign = f"/v3/projects/{await identity.project('g', domain_id=elsewhere)}/users/{user_id}/roles/{role['id']}"
    assert (await admin.put(foreign)).status_code == 403


async def test_roles_that_imply_each_other_are_expanded_once(identity: World) -> None:
    admin = await identity.admin()
    ids = [(await admin.post("/v3/roles", {"role": {"name": n}})).json()["role"]["id"] for n in ("a", "b")]
    for _ in range(2):
        await roles.imply(identity.ctx, ids[0], ids[1])
        await roles.imply(identity.ctx, ids[1], ids[0])
    await identity.user("ada", "b", await identity.project("own"))
    token = (await identity.login(by_password("ada", scope="own"))).json()["token"]
    assert [each["name"] for each in token["roles"]] == ["a", "b"]


@pytest.mark.parametrize("place", ["project", "domain", "system"])
async def test_a_role_is_granted_checked_listed_and_taken_away(identity: World, place: str) -> None:
    admin = await identity.admin()
    user_id, project_id = await identity.user("ada"), await identity.project("own")
    role_id = await identity.role_id("reader")
    base, path = {
        "project": (
            f"/v3/projects/{project_id}/users/{user_id}/roles",
            f"/v3/projects/{project_id}/users/{user_id}/roles/{role_id}",
        ),
        "domain": (
            f"/v3/domains/default/users/{user_id}/roles",
            f"/v3/domains/default/users/{user_id}/roles/{role_id}",
        ),
        "system": (f"/v3/system/users/{user_id}/roles", f"/v3/system/users/{user_id}/roles/{role_id}"),
    }[place]
    assert (await admin.get(path)).status_code == 404
    assert (await admin.delete(path)).status_code == 404
    for _ in range(2):
        assert (await admin.put(path)).status_code == 204
    assert (await admin.get(path)).status_code == 204
    assert (await admin.request("HEAD", path)).status_code == 204
    assert [each["name"] for each in (await admin.get(base)).json()["roles"]] == ["reader"]
    listed = (await admin.get(f"/v3/role_assignments?user.id={user_id}")).json()["role_assignments"]
    assert [each["role"]["id"] for each in listed] == [role_id]
    assert listed[0]["links"]["assignment"].endswith(path)
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(base)).json()["roles"] == []


@pytest.mark.parametrize("missing", ["projects", "users", "roles"])
async def test_a_grant_of_what_is_not_there(identity: World, missing: str) -> None:
    admin = await identity.admin()
    ids = {
        "projects": await identity.project("own"),
        "users": await identity.user("ada"),
        "roles": await identity.role_id("reader"),
    }
    ids[missing] = MISSING
    path = "/v3/" + "/".join(f"{kind}/{id_}" for kind, id_ in ids.items())
    answer = await admin.put(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"Could not find {missing[:-1]}: {MISSING}."
    await identity.user("eve", "member", await identity.project("other"))
    eve = await identity.session("eve", scope="other")
    ids[missing] = (await admin.get(f"/v3/{missing}")).json()[missing][0]["id"]
    there = "/v3/" + "/".join(f"{kind}/{id_}" for kind, id_ in ids.items())
    for method in ("PUT", "GET", "DELETE"):
        answers = [await eve.request(method, each) for each in (path, there)]
        assert answers[0].status_code == 403
        assert same_answer(*answers)


async def test_an_inherited_role_counts_below_its_target_only(identity: World) -> None:
    top = await identity.project("top")
    below = await identity.project("below", parent_id=top)
    user_id, role_id = await identity.user("ada"), await identity.role_id("reader")
    await assignments.grant(identity.ctx, Assignment(user_id, top, role_id, True, "user", "project"))
    assert (await identity.login(by_password("ada", scope="top"))).status_code == 401
    token = (await identity.login(by_password("ada", scope="below"))).json()["token"]
    assert [each["name"] for each in token["roles"]] == ["reader"]
    ada = await identity.session("ada", scope="below")
    assert [each["id"] for each in (await ada.get("/v3/auth/projects")).json()["projects"]] == [below]
    listed = (await (await identity.admin()).get(f"/v3/role_assignments?scope.project.id={top}")).json()
    assert listed["role_assignments"][0]["scope"] == {"project": {"id": top}, "OS-INHERIT:inherited_to": "projects"}


async def test_a_role_inherited_from_a_domain_counts_in_all_its_projects(identity: World) -> None:
    top = await identity.project("top")
    await identity.project("below", parent_id=top)
    user_id, role_id = await identity.user("ada"), await identity.role_id("member")
    await assignments.grant(identity.ctx, Assignment(user_id, "default", role_id, True, "user", "domain"))
    ada = await identity.session("ada", scope="below")
    names = {each["name"] for each in (await ada.get("/v3/auth/projects")).json()["projects"]}
    assert names == {"admin", "service", "top", "below"}
    assert (await identity.login(by_password("ada", scope={"domain": {"id": "default"}}))).status_code == 401


async def test_a_role_on_a_project_of_another_domain(identity: World) -> None:
    admin = await identity.admin()
    domain = (await admin.post("/v3/domains", {"domain": {"name": "garden"}})).json()["domain"]["id"]
    project_id = await identity.project("shed", domain_id=domain)
    await identity.user("ada", "reader", project_id)
    token = (await identity.login(by_password("ada", scope={"project": {"id": project_id}}))).json()["token"]
    assert token["user"]["domain"]["name"] == "Default"
    assert token["project"]["domain"] == {"id": domain, "name": "garden"}


async def test_where_one_can_log_in_leaves_out_what_is_disabled(identity: World) -> None:
    admin = await identity.admin()
    domain = (await admin.post("/v3/domains", {"domain": {"name": "garden"}})).json()["domain"]["id"]
    own, asleep = await identity.project("own"), await identity.project("asleep")
    garden = await identity.project("shed", domain_id=domain)
    user_id = await identity.user("ada", "reader", own)
    for place in (f"projects/{asleep}", f"projects/{garden}", f"domains/{domain}"):
        await identity.grant(user_id, "reader", place)
    ada = await identity.session("ada", scope="own")
    assert len((await ada.get("/v3/auth/projects")).json()["projects"]) == 3
    await admin.patch(f"/v3/projects/{asleep}", {"project": {"enabled": False}})
    await admin.patch(f"/v3/domains/{domain}", {"domain": {"enabled": False}})
    assert [each["id"] for each in (await ada.get("/v3/auth/projects")).json()["projects"]] == [own]
    assert (await ada.get("/v3/auth/domains")).json()["domains"] == []
    assert (await ada.get("/v3/auth/system")).json()["system"] == []


async def test_role_assignments_are_narrowed_and_what_is_not_there_yet_says_so(identity: World) -> None:
    admin = await identity.admin()
    system = (await admin.get("/v3/role_assignments?scope.system=all")).json()["role_assignments"]
    assert [each["scope"] for each in system] == [{"system": {"all": True}}]
    assert (await admin.get("/v3/role_assignments?effective")).status_code == 501
    await identity.grant(await identity.user("dora"), "reader", "domains/default")
    dora = await identity.session("dora", scope={"domain": {"id": "default"}})
    assert (await dora.get("/v3/role_assignments")).status_code == 501
    await identity.user("ada", "member", await identity.project("own"))
    assert (await (await identity.session("ada", scope="own")).get("/v3/role_assignments")).status_code == 403
