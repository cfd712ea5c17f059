"""/v3/projects: made, shown, listed, changed, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import Session, World, same_answer

MISSING = "0" * 32


async def test_a_project_is_made_shown_changed_and_deleted(identity: World) -> None:
    admin = await identity.admin()
    sent = {"name": " web ", "description": "shop", "owner": {"team": "a"}, "options": {"immutable": False}}
    made = await admin.post("/v3/projects", {"project": {**sent, "tags": ["b", "a"]}})
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
        "tags": ["a", "b"],
        "options": {"immutable": False},
        "owner": {"team": "a"},
        "links": project["links"],
    }
    path = f"/v3/projects/{project['id']}"
    assert (await admin.get(path)).json() == {"project": project}
    assert (await admin.get("/v3/projects?name=web")).json()["projects"] == [project]
    change = {"name": " www ", "description": None, "colour": "red", "options": {"immutable": None}, "tags": ["c"]}
    changed = await admin.patch(path, {"project": change})
    expected = {**project, "name": "www", "description": None, "colour": "red", "options": {}, "tags": ["c"]}
    assert changed.json() == {"project": expected}
    assert (await admin.get(path)).json() == {"project": expected}
    assert (await admin.patch(path, {"project": {}})).status_code == 400
    assert (await admin.delete(path)).status_code == 204
    gone = await admin.get(path)
    assert gone.status_code == 404
    assert gone.json()["error"]["message"] == f"Could not find project: {project['id']}."
    assert (await admin.delete(path)).status_code == 404
    assert (await admin.patch(path, {"project": change})).status_code == 404


async def test_what_is_not_said_has_its_default(identity: World) -> None:
    admin = await identity.admin()
    project = (await admin.post("/v3/projects", {"project": {"name": "web"}})).json()["project"]
    said = {name: project[name] for name in ("description", "enabled", "is_domain", "tags", "options")}
    assert said == {"description": "", "enabled": True, "is_domain": False, "tags": [], "options": {}}
    empty = (await admin.post("/v3/projects", {"project": {"name": "empty", "description": None}})).json()["project"]
    assert empty["description"] is None


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
    assert await names("?name__startswith=a") == {"admin", "asleep"}
    assert await names(f"?parent_id={top}") == {"below"}
    assert await names("?enabled=false") == {"asleep"}
    assert await names("?domain_id=nowhere") == set()
    assert await names("?is_domain=true") == {"Default"}
    assert await names("?is_domain=") == {"Default"}
    assert (await admin.get("/v3/projects?enabled=perhaps")).status_code == 400
    assert below != asleep


async def test_lists_go_page_by_page(identity: World) -> None:
    admin = await identity.admin()
    for name in ("a", "b", "c"):
        await identity.project(name, tags=["paged"])
    seen, path = [], "/v3/projects?tags=paged&sort_key=name&limit=2"
    while path:
        page = (await admin.get(path)).json()
        seen.append([each["name"] for each in page["projects"]])
        path = (page["links"]["next"] or "").partition("/identity")[2]
    assert seen == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("facts", "status", "message"),
    [
        ({"name": "admin"}, 409, "in the same domain"),
        ({"name": " admin "}, 409, "in the same domain"),
        ({"name": "a", "domain_id": MISSING}, 400, f"Could not find domain: {MISSING}."),
        ({"name": "a", "parent_id": MISSING}, 400, f"Could not find project: {MISSING}."),
        ({"name": "a", "is_domain": True, "parent_id": "default"}, 400, "only root projects"),
        ({"name": "a", "is_domain": True, "domain_id": "default"}, 400, "only root projects"),
        ({"name": "Default", "is_domain": True}, 409, "acting as domains with the same name"),
        ({"name": ""}, 400, "name"),
        ({"name": "   "}, 400, "name"),
        ({"name": "x" * 65}, 400, "name"),
        ({"name": 5}, 400, "name"),
        ({"name": "a", "enabled": "yes"}, 400, "enabled"),
        ({"name": "a", "description": 5}, 400, "description"),
        ({"name": "a", "options": {"colour": 1}}, 400, "options"),
        ({"name": "a", "options": {"immutable": "yes"}}, 400, "options.immutable"),
        ({"name": "a", "options": None}, 400, "options"),
        ({"name": "a", "tags": None}, 400, "tags"),
        ({}, 400, "name"),
    ],
)
async def test_what_is_no_project(identity: World, facts: dict[str, Any], status: int, message: str) -> None:
    answer = await (await identity.admin()).post("/v3/projects", {"project": facts})
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


async def test_an_immutable_project_stays_until_it_is_none(identity: World) -> None:
    admin = await identity.admin()
    path = f"/v3/projects/{await identity.project('rock', options={'immutable': True})}"
    for answer in (
        await admin.delete(path),
        await admin.patch(path, {"project": {"name": "sand"}}),
        await admin.patch(path, {"project": {"options": {"immutable": True}}}),
        await admin.patch(path, {"project": {"options": {}}}),
        await admin.patch(path, {"project": {"name": "sand", "options": {"immutable": False}}}),
        await admin.put(f"{path}/tags", {"tags": ["a"]}),
        await admin.put(f"{path}/tags/a"),
        await admin.delete(f"{path}/tags"),
    ):
        assert answer.status_code == 403
        assert 'Set resource option "immutable" to false first.' in answer.json()["error"]["message"]
    changed = await admin.patch(path, {"project": {"options": {"immutable": False}}})
    assert changed.json()["project"]["options"] == {"immutable": False}
    assert (await admin.patch(path, {"project": {"name": "sand"}})).json()["project"]["name"] == "sand"
    assert (await admin.delete(path)).status_code == 204


async def test_strangers_learn_nothing(identity: World) -> None:
    own, foreign = await identity.project("own"), await identity.project("foreign", tags=["a"])
    await identity.user("ada", "member", own)
    ada = await identity.session("ada", scope="own")
    assert (await ada.get(f"/v3/projects/{own}")).status_code == 200
    assert (await ada.get(f"/v3/projects/{own}/tags")).status_code == 200
    assert (await ada.get("/v3/projects")).status_code == 403
    body = {"project": {"name": "x"}}
    asked = [
        ("GET", "", None),
        ("PATCH", "", body),
        ("DELETE", "", None),
        ("GET", "/tags", None),
        ("GET", "/tags/a", None),
    ]
    for method, rest, sent in asked:
        there, missing = [await ada.request(method, f"/v3/projects/{id_}{rest}", sent) for id_ in (foreign, MISSING)]
        assert there.status_code == 403
        assert same_answer(there, missing)
    assert (await ada.post("/v3/projects", body)).status_code == 403
    assert (await ada.get("/v3/domains/default")).status_code == 200  # the domain of the token's project
    assert (await ada.get(f"/v3/domains/{MISSING}")).status_code == 403
    assert (await ada.get("/v3/domains")).status_code == 403


async def test_an_id_in_the_body_is_the_paths(identity: World) -> None:
    admin = await identity.admin()
    own = await identity.project("own")
    assert (await admin.patch(f"/v3/projects/{own}", {"project": {"id": own, "name": "a"}})).status_code == 200
    assert (await admin.patch(f"/v3/projects/{own}", {"project": {"id": MISSING}})).status_code == 400


# those who look after one domain


async def of_the_garden(identity: World, role: str) -> tuple[str, Session]:
    """A domain, and somebody with this role on it alone."""
    admin = await identity.admin()
    domain = (await admin.post("/v3/domains", {"domain": {"name": "garden"}})).json()["domain"]["id"]
    await identity.grant(await identity.user("ada", domain_id=domain), role, f"domains/{domain}")
    return domain, await identity.session("ada", domain=domain, scope={"domain": {"id": domain}})


async def test_a_domains_people_see_their_domain_alone(identity: World) -> None:
    domain, ada = await of_the_garden(identity, "reader")
    own = await identity.project("own", domain_id=domain)
    foreign = await identity.project("foreign")
    assert [each["id"] for each in (await ada.get("/v3/projects")).json()["projects"]] == [own]
    assert [each["id"] for each in (await ada.get("/v3/domains")).json()["domains"]] == [domain]
    assert (await ada.get("/v3/projects?is_domain=true")).json()["projects"] == []
    assert (await ada.get("/v3/projects?domain_id=default")).json()["projects"] == []
    assert (await ada.get(f"/v3/projects?marker={foreign}")).status_code == 400
    assert (await ada.get(f"/v3/projects/{own}/tags")).status_code == 200
    for path in (f"/v3/projects/{foreign}", f"/v3/projects/{foreign}/tags", f"/v3/projects/{MISSING}"):
        assert (await ada.get(path)).status_code == 403
    assert (await ada.patch(f"/v3/projects/{own}", {"project": {"name": "a"}})).status_code == 403
    assert (await ada.post("/v3/projects", {"project": {"name": "a", "domain_id": domain}})).status_code == 403


async def test_who_looks_after_a_domain_looks_after_its_projects_alone(identity: World) -> None:
    domain, ada = await of_the_garden(identity, "manager")
    made = await ada.post("/v3/projects", {"project": {"name": "new"}})
    assert made.json()["project"]["domain_id"] == domain
    own, foreign = made.json()["project"]["id"], await identity.project("foreign")
    for facts in ({"domain_id": "default"}, {"parent_id": foreign}, {"is_domain": True}):
        assert (await ada.post("/v3/projects", {"project": {"name": "another", **facts}})).status_code == 403
    change = {"project": {"description": "ours"}}
    for method, rest, body, status in (
        ("PATCH", "", change, 200),
        ("PUT", "/tags", {"tags": ["b"]}, 200),
        ("PUT", "/tags/a", None, 201),
        ("DELETE", "/tags/a", None, 204),
        ("DELETE", "/tags", None, 204),
        ("DELETE", "", None, 204),
    ):
        assert (await ada.request(method, f"/v3/projects/{own}{rest}", body)).status_code == status
        for other in (foreign, domain, MISSING):  # the domain itself is the cloud administrators'
            assert (await ada.request(method, f"/v3/projects/{other}{rest}", body)).status_code == 403


async def test_what_identity_keeps_of_a_project_goes_with_it_silently(identity: World) -> None:
    admin = await identity.admin()
    own = await identity.project("own")
    user_id = await identity.user("ada", "member", own)
    ada, eve = await identity.session("ada", scope="own"), await identity.user("eve")
    ec2 = f"/v3/users/{user_id}/credentials/OS-EC2"
    passwords = f"/v3/users/{user_id}/application_credentials"
    trust = {"trustor_user_id": user_id, "trustee_user_id": eve, "project_id": own, "roles": [{"name": "member"}]}
    service = (await admin.post("/v3/services", {"service": {"type": "compute"}})).json()["service"]["id"]
    limit = {"service_id": service, "resource_name": "cores"}
    made = [
        await ada.post(ec2, {"tenant_id": own}),
        await ada.post(passwords, {"application_credential": {"name": "robot"}}),
        await ada.post("/v3/OS-TRUST/trusts", {"trust": {**trust, "impersonation": False}}),
        await admin.post("/v3/registered_limits", {"registered_limits": [{**limit, "default_limit": 9}]}),
        await admin.post("/v3/limits", {"limits": [{**limit, "project_id": own, "resource_limit": 5}]}),
    ]
    assert [each.status_code for each in made] == [201] * 5
    assert (await admin.delete(f"/v3/projects/{own}")).status_code == 204
    for path, key in (
        (ec2, "credentials"),
        (passwords, "application_credentials"),
        ("/v3/OS-TRUST/trusts", "trusts"),
        ("/v3/limits", "limits"),
        (f"/v3/role_assignments?user.id={user_id}", "role_assignments"),
    ):
        assert (await admin.get(path)).json()[key] == [], path
