"""/v3/projects and /v3/domains."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import World, same_answer

MISSING = "0" * 32


async def test_a_project_is_made_shown_changed_and_deleted(identity: World) -> None:
    admin = await identity.admin()
    sent = {"name": " web ", "description": "shop", "owner": {"team": "a"}, "options": {"immutable": False}}
    made = await admin.post("/v3/projects", {"project": sent})
    assert made.status_code == 201
    project = made.json()["project"]
    assert project["links"] == {"self": f"http://cloud.example:8775/identity/v3/projects/{project['id']}"}
    assert project == {
        "id": project["id"],
        "name": "web",
        "description": "shop",
        "domain_id": "default",
        "parent_id": "default",
        "is_domain": False,
        "enabled": True,
        "tags": [],
        "options": {"immutable": False},
        "owner": {"team": "a"},
        "links": project["links"],
    }
    path = f"/v3/projects/{project['id']}"
    assert (await admin.get(path)).json() == {"project": project}
    change = {"name": "www", "description": None, "colour": "red", "options": {"immutable": None}}
    changed = await admin.patch(path, {"project": change})
    expected = {**project, "name": "www", "description": "", "colour": "red", "options": {}}
    assert changed.json() == {"project": expected}
    assert (await admin.get(path)).json() == {"project": expected}
    assert (await admin.delete(path)).status_code == 204
    gone = await admin.get(path)
    assert gone.status_code == 404
    assert gone.json()["error"]["message"] == f"Could not find project: {project['id']}."


async def test_lists_are_narrowed(identity: World) -> None:
    admin = await identity.admin()
    top = await identity.project("top")
    below = await identity.project("below", parent_id=top)
    asleep = await identity.project("asleep", enabled=False)

    async def names(query: str) -> set[str]:
        answer = (await admin.get(f"/v3/projects{query}")).json()
        assert answer["links"]["self"].endswith(f"/identity/v3/projects{query}")
        return {each["name"] for each in answer["projects"]}

    assert await names("") == {"admin", "service", "top", "below", "asleep"}
    assert await names("?name=top") == {"top"}
    assert await names(f"?parent_id={top}") == {"below"}
    assert await names("?enabled=false") == {"asleep"}
    assert await names("?domain_id=nowhere") == set()
    assert await names("?is_domain=true") == {"Default"}
    assert (await admin.get("/v3/projects?enabled=perhaps")).status_code == 400
    assert below != asleep


@pytest.mark.parametrize(
    ("facts", "status", "message"),
    [
        ({"name": "admin"}, 409, "in the same domain"),
        ({"name": "a", "domain_id": MISSING}, 400, f"Could not find domain: {MISSING}."),
        ({"name": "a", "parent_id": MISSING}, 400, f"Could not find project: {MISSING}."),
        ({"name": "a", "is_domain": True, "parent_id": "default"}, 400, "only root projects"),
        ({"name": "Default", "is_domain": True}, 409, "acting as domains with the same name"),
        ({"name": ""}, 400, "name"),
        ({"name": "   "}, 400, "name"),
        ({"name": "x" * 65}, 400, "name"),
        ({"name": "a", "enabled": "yes"}, 400, "enabled"),
        ({"name": "a", "options": {"colour": 1}}, 400, "options"),
        ({}, 400, "name"),
    ],
)
async def test_what_is_no_project(identity: World, facts: dict[str, Any], status: int, message: str) -> None:
    answer = await (await identity.admin()).post("/v3/projects", {"project": facts})
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


async def test_the_tree_holds_together(identity: World) -> None:
    admin = await identity.admin()
    domain = (await admin.post("/v3/domains", {"domain": {"name": "garden"}})).json()["domain"]["id"]
    top = await identity.project("top")
    below = await identity.project("below", parent_id=top)

    async def status(method: str, path: str, **facts: Any) -> int:
        sent = {"project": facts} if facts else None
        return (await admin.request(method, path, sent)).status_code

    assert await status("POST", "/v3/projects", name="a", parent_id=top, domain_id=domain) == 400
    assert await status("POST", "/v3/projects", name="a", parent_id="default", domain_id=domain) == 400
    assert await status("DELETE", f"/v3/projects/{top}") == 403
    assert await status("PATCH", f"/v3/projects/{top}", enabled=False) == 403
    assert await status("PATCH", f"/v3/projects/{below}", parent_id="default") == 403
    assert await status("PATCH", f"/v3/projects/{below}", domain_id=domain) == 400
    assert await status("PATCH", f"/v3/projects/{below}", is_domain=True) == 400
    assert await status("PATCH", f"/v3/projects/{below}", name="top") == 409
    assert await status("PATCH", f"/v3/projects/{below}", enabled=False) == 200
    assert await status("PATCH", f"/v3/projects/{top}", enabled=False) == 200
    assert await status("PATCH", f"/v3/projects/{below}", enabled=True) == 403
    assert await status("POST", "/v3/projects", name="a", parent_id=below) == 400
    assert await status("DELETE", f"/v3/projects/{below}") == 204
    assert await status("DELETE", f"/v3/projects/{top}") == 204
    assert await status("DELETE", f"/v3/projects/{domain}") == 400


async def test_a_project_below_another_is_of_its_domain(identity: World) -> None:
    admin = await identity.admin()
    domain = (await admin.post("/v3/domains", {"domain": {"name": "garden"}})).json()["domain"]["id"]
    for parent in (domain, await identity.project("top", domain_id=domain)):
        sent = {"project": {"name": f"below {parent}", "parent_id": parent}}
        assert (await admin.post("/v3/projects", sent)).json()["project"]["domain_id"] == domain


async def test_an_immutable_project_stays_until_it_is_none(identity: World) -> None:
    admin = await identity.admin()
    path = f"/v3/projects/{await identity.project('rock', options={'immutable': True})}"
    assert (await admin.delete(path)).status_code == 403
    assert (await admin.patch(path, {"project": {"name": "sand"}})).status_code == 403
    changed = await admin.patch(path, {"project": {"name": "sand", "options": {"immutable": False}}})
    assert changed.json()["project"]["name"] == "sand"
    assert (await admin.delete(path)).status_code == 204


async def test_a_project_acting_as_domain_is_a_domain(identity: World) -> None:
    admin = await identity.admin()
    made = (await admin.post("/v3/projects", {"project": {"name": "garden", "is_domain": True}})).json()["project"]
    assert (made["domain_id"], made["parent_id"]) == (None, None)
    assert (await admin.get(f"/v3/domains/{made['id']}")).json()["domain"]["name"] == "garden"


async def test_a_domain_is_made_shown_and_changed(identity: World) -> None:
    admin = await identity.admin()
    made = await admin.post("/v3/domains", {"domain": {"name": "garden", "colour": "green"}})
    assert made.status_code == 201
    domain = made.json()["domain"]
    assert domain == {
        "id": domain["id"],
        "name": "garden",
        "description": "",
        "enabled": True,
        "tags": [],
        "options": {},
        "colour": "green",
        "links": {"self": f"http://cloud.example:8775/identity/v3/domains/{domain['id']}"},
    }
    path = f"/v3/domains/{domain['id']}"
    changed = await admin.patch(path, {"domain": {"description": None, "name": "park", "size": 1}})
    assert changed.json() == {"domain": {**domain, "name": "park", "size": 1}}
    assert (await admin.get("/v3/domains?name=park")).json()["domains"] == [changed.json()["domain"]]
    assert (await admin.post("/v3/domains", {"domain": {"name": "park"}})).status_code == 409
    no_domain = await identity.project("own")
    assert (await admin.get(f"/v3/domains/{no_domain}")).status_code == 404
    assert (await admin.patch(f"/v3/domains/{no_domain}", {"domain": {"name": "a"}})).status_code == 404


async def test_strangers_learn_nothing(identity: World) -> None:
    own, foreign = await identity.project("own"), await identity.project("foreign")
    await identity.user("ada", "member", own)
    ada = await identity.session("ada", scope="own")
    assert (await ada.get(f"/v3/projects/{own}")).status_code == 200
    assert (await ada.get("/v3/projects")).status_code == 403
    for method, body in (("GET", None), ("PATCH", {"project": {"name": "x"}}), ("DELETE", None)):
        there, missing = [await ada.request(method, f"/v3/projects/{id_}", body) for id_ in (foreign, MISSING)]
        assert there.status_code == 403
        assert same_answer(there, missing)
    assert (await ada.post("/v3/projects", {"project": {"name": "x"}})).status_code == 403
    assert (await ada.get("/v3/domains/default")).status_code == 200  # the domain of the token's project
    assert (await ada.get(f"/v3/domains/{MISSING}")).status_code == 403
    assert (await ada.get("/v3/domains")).status_code == 403


async def test_a_domains_people_see_their_domain_alone(identity: World) -> None:
    admin = await identity.admin()
    domain = (await admin.post("/v3/domains", {"domain": {"name": "garden"}})).json()["domain"]["id"]
    own = await identity.project("own", domain_id=domain)
    user_id = await identity.user("ada", domain_id=domain)
    await identity.grant(user_id, "manager", f"domains/{domain}")
    ada = await identity.session("ada", domain=domain, scope={"domain": {"id": domain}})
    assert [each["id"] for each in (await ada.get("/v3/projects")).json()["projects"]] == [own]
    assert [each["id"] for each in (await ada.get("/v3/domains")).json()["domains"]] == [domain]
    assert [each["id"] for each in (await ada.get("/v3/users")).json()["users"]] == [user_id]
    assert [each["id"] for each in (await ada.get("/v3/auth/domains")).json()["domains"]] == [domain]
    made = await ada.post("/v3/projects", {"project": {"name": "new"}})
    assert made.json()["project"]["domain_id"] == domain
    assert (await ada.post("/v3/projects", {"project": {"name": "new", "domain_id": "default"}})).status_code == 403
    assert (await ada.get(f"/v3/projects/{await identity.project('foreign')}")).status_code == 403
    assert (await ada.post("/v3/users", {"user": {"name": "bob"}})).json()["user"]["domain_id"] == domain
