"""/v3/roles, and what roles imply."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import Session, World, by_password, same_answer

MISSING = "0" * 32


async def a_role(identity: World, name: str, **facts: Any) -> str:
    made = await (await identity.admin()).post("/v3/roles", {"role": {"name": name, **facts}})
    assert made.status_code == 201, made.text
    return str(made.json()["role"]["id"])


async def names_in_token(identity: World, user: str) -> list[str]:
    token = (await identity.login(by_password(user, scope="own"))).json()["token"]
    return [each["name"] for each in token["roles"]]


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
    assert (await admin.patch(path, {"role": {"id": role["id"]}})).json() == {"role": role}
    changed = await admin.patch(path, {"role": {"name": "chef", "stars": 4}})
    assert changed.json() == {"role": {**role, "name": "chef", "stars": 4}}
    assert (await admin.get("/v3/roles?name=chef")).json()["roles"] == [changed.json()["role"]]
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).json()["error"]["message"] == f"Could not find role: {role['id']}."


@pytest.mark.parametrize(
    ("facts", "status", "message"),
    [
        ({"name": "member"}, 409, "Duplicate entry found with name member."),
        ({"name": "cook", "domain_id": "default"}, 409, "Duplicate entry found with name cook at domain ID default."),
        ({"name": "a", "domain_id": MISSING}, 400, f"Could not find domain: {MISSING}."),
        ({"name": "x" * 256}, 400, "name"),
        ({"name": "  "}, 400, "name"),
        ({"name": "a", "options": {"immutable": "very"}}, 400, "immutable"),
        ({"name": "a", "options": {"unheard_of": True}}, 400, "unheard_of"),
        ({}, 400, "name"),
    ],
)
async def test_what_is_no_role(identity: World, facts: dict[str, Any], status: int, message: str) -> None:
    await a_role(identity, "cook", domain_id="default")
    answer = await (await identity.admin()).post("/v3/roles", {"role": facts})
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("facts", "status"), [({}, 400), ({"id": MISSING}, 400), ({"domain_id": "default"}, 400), ({"name": "admin"}, 409)]
)
async def test_what_is_no_change_of_a_role(identity: World, facts: dict[str, Any], status: int) -> None:
    path = f"/v3/roles/{await a_role(identity, 'cook')}"
    assert (await (await identity.admin()).patch(path, {"role": facts})).status_code == status


async def test_an_immutable_role_is_unlocked_first(identity: World) -> None:
    admin = await identity.admin()
    path = f"/v3/roles/{await a_role(identity, 'cook', options={'immutable': True})}"
    for facts in ({"name": "chef"}, {"name": "chef", "options": {"immutable": False}}, {"options": {}}):
        refused = await admin.patch(path, {"role": facts})
        assert refused.status_code == 403
        assert 'Set resource option "immutable" to false first.' in refused.json()["error"]["message"]
    assert (await admin.delete(path)).status_code == 403
    opened = await admin.patch(path, {"role": {"options": {"immutable": False}}})
    assert opened.json()["role"]["options"] == {"immutable": False}
    forgotten = await admin.patch(path, {"role": {"options": {"immutable": None}}})
    assert forgotten.json()["role"]["options"] == {}
    assert (await admin.patch(path, {"role": {"name": "chef", "options": {"immutable": True}}})).status_code == 200
    assert (await admin.patch(path, {"role": {"options": {"immutable": None}}})).status_code == 200
    assert (await admin.delete(path)).status_code == 204


async def test_roles_are_listed_page_by_page_those_of_a_domain_by_themselves(identity: World) -> None:
    admin = await identity.admin()
    own = await a_role(identity, "member", domain_id="default")
    first = (await admin.get("/v3/roles?sort_key=name&limit=4")).json()
    following = first["links"]["next"].partition("/identity")[2]
    names = [each["name"] for each in first["roles"] + (await admin.get(following)).json()["roles"]]
    assert names == sorted(names)
    assert {"admin", "manager", "member", "reader", "service"} <= set(names)
    for query, ids in (("domain_id=default", [own]), (f"domain_id={MISSING}", []), ("domain_id=default&name=x", [])):
        found = (await admin.get(f"/v3/roles?{query}")).json()["roles"]
        assert [each["id"] for each in found] == ids
    everywhere = (await admin.get("/v3/roles?name__endswith=ember&domain_id=")).json()["roles"]
    assert [each["domain_id"] for each in everywhere] == [None]


async def test_a_domains_own_role_only_passes_on_what_it_implies(identity: World) -> None:
    admin = await identity.admin()
    role = await a_role(identity, "member", domain_id="default")
    project_id, user_id = await identity.project("own"), await identity.user("ada")
    await admin.put(f"/v3/projects/{project_id}/users/{user_id}/roles/{role}")
    assert (await identity.login(by_password("ada", scope="own"))).status_code == 401
    await admin.put(f"/v3/roles/{role}/implies/{await identity.role_id('reader')}")
    assert await names_in_token(identity, "ada") == ["reader"]


async def test_a_role_implies_another_until_it_does_no_longer(identity: World) -> None:
    admin = await identity.admin()
    prior, implied = await a_role(identity, "chef"), await a_role(identity, "cook")
    await identity.user("ada", "chef", await identity.project("own"))
    path = f"/v3/roles/{prior}/implies/{implied}"
    for verb in ("GET", "HEAD", "DELETE"):
        none = await admin.request(verb, path)
        assert none.status_code == 404
        assert verb == "HEAD" or none.json()["error"]["message"] == f"{prior} does not imply {implied}."
    made = await admin.put(path)
    assert made.status_code == 201
    base = "http://cloud.example:8775/identity/v3/roles"
    chef = {"id": prior, "name": "chef", "links": {"self": f"{base}/{prior}"}}
    cook = {"id": implied, "name": "cook", "links": {"self": f"{base}/{implied}"}}
    shown = {
        "role_inference": {"prior_role": chef, "implies": cook},
        "links": {"self": f"{base}/{prior}/implies/{implied}"},
    }
    assert made.json() == shown
    assert (await admin.get(path)).json() == shown
    assert (await admin.request("HEAD", path)).status_code == 204
    assert (await admin.put(path)).status_code == 409
    assert (await admin.get(f"/v3/roles/{prior}/implies")).json() == {
        "role_inference": {"prior_role": chef, "implies": [cook]},
        "links": {"self": f"{base}/{prior}/implies"},
    }
    assert await names_in_token(identity, "ada") == ["chef", "cook"]
    assert (await admin.delete(path)).status_code == 204
    assert await names_in_token(identity, "ada") == ["chef"]
    assert (await admin.get(f"/v3/roles/{implied}/implies")).json()["role_inference"]["implies"] == []


async def test_all_inferences_are_listed_by_a_bounded_number_of_queries(identity: World) -> None:
    admin = await identity.admin()
    listed, few = await identity.count_statements(admin.get("/v3/role_inferences"))
    known = {
        each["prior_role"]["name"]: [r["name"] for r in each["implies"]] for each in listed.json()["role_inferences"]
    }
    assert known["admin"] == ["manager"]
    assert known["member"] == ["reader"]
    chef = await a_role(identity, "chef")
    for number in range(5):
        await admin.put(f"/v3/roles/{chef}/implies/{await a_role(identity, f'cook {number}')}")
    await admin.get("/v3/role_inferences")
    listed, many = await identity.count_statements(admin.get("/v3/role_inferences"))
    [added] = [each for each in listed.json()["role_inferences"] if each["prior_role"]["id"] == chef]
    assert len(added["implies"]) == 5
    assert len(few) >= len(many)


async def test_what_cannot_be_implied(identity: World) -> None:
    admin = await identity.admin()
    role, own = await a_role(identity, "cook"), await a_role(identity, "own", domain_id="default")
    refused = await admin.put(f"/v3/roles/{role}/implies/{await identity.role_id('admin')}")
    assert refused.status_code == 403
    assert "cannot be an implied role" in refused.json()["error"]["message"]
    refused = await admin.put(f"/v3/roles/{role}/implies/{own}")
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        403,
        "Global role cannot imply a domain-specific role",
    )
    other = await a_role(identity, "other", domain_id="default")
    assert (await admin.put(f"/v3/roles/{own}/implies/{other}")).status_code == 201
    for pair in ((role, MISSING), (MISSING, role)):
        missing = await admin.put(f"/v3/roles/{pair[0]}/implies/{pair[1]}")
        assert (missing.status_code, missing.json()["error"]["message"]) == (404, f"Could not find role: {MISSING}.")


async def test_roles_that_imply_each_other_are_expanded_once(identity: World) -> None:
    admin = await identity.admin()
    a, b = await a_role(identity, "a"), await a_role(identity, "b")
    for prior, implied in ((a, b), (b, a), (a, a)):
        assert (await admin.put(f"/v3/roles/{prior}/implies/{implied}")).status_code == 201
    await identity.user("ada", "b", await identity.project("own"))
    assert await names_in_token(identity, "ada") == ["a", "b"]


async def test_a_deleted_role_is_implied_no_longer(identity: World) -> None:
    admin = await identity.admin()
    prior, implied = await a_role(identity, "chef"), await a_role(identity, "cook")
    await admin.put(f"/v3/roles/{prior}/implies/{implied}")
    await identity.user("ada", "chef", await identity.project("own"))
    assert (await admin.delete(f"/v3/roles/{implied}")).status_code == 204
    assert await names_in_token(identity, "ada") == ["chef"]
    assert (await admin.get(f"/v3/roles/{prior}/implies")).json()["role_inference"]["implies"] == []


async def test_a_deleted_domain_takes_its_roles_along(identity: World) -> None:
    admin = await identity.admin()
    garden = (await admin.post("/v3/domains", {"domain": {"name": "garden"}})).json()["domain"]["id"]
    own = await a_role(identity, "own", domain_id=garden)
    await admin.put(f"/v3/roles/{own}/implies/{await identity.role_id('member')}")
    await identity.grant(await identity.user("ada"), "member", f"domains/{garden}")
    await admin.patch(f"/v3/domains/{garden}", {"domain": {"enabled": False}})
    assert (await admin.delete(f"/v3/domains/{garden}")).status_code == 204
    assert (await admin.get(f"/v3/roles/{own}")).status_code == 404
    assert own not in (await admin.get("/v3/role_inferences")).text
    assert garden not in (await admin.get("/v3/role_assignments")).text


async def persona(identity: World, name: str, role: str) -> Session:
    """Who has that role on the domain `default`, and a token for it."""
    await identity.grant(await identity.user(name), role, "domains/default")
    return await identity.session(name, scope={"domain": {"id": "default"}})


async def test_who_manages_a_domain_sees_the_roles_to_be_granted_there(identity: World) -> None:
    joan, member = await persona(identity, "joan", "manager"), await identity.role_id("member")
    assert (await joan.get(f"/v3/roles/{member}")).status_code == 200
    assert (await joan.get(f"/v3/roles/{await identity.role_id('admin')}")).status_code == 403
    assert "member" in {each["name"] for each in (await joan.get("/v3/roles")).json()["roles"]}
    own = await a_role(identity, "own", domain_id="default")
    assert (await joan.get(f"/v3/roles/{own}")).status_code == 403
    assert (await joan.get("/v3/roles?domain_id=default")).status_code == 403
    for path in (f"/v3/roles/{member}/implies", f"/v3/roles/{member}/implies/{own}", "/v3/role_inferences"):
        assert (await joan.get(path)).status_code == 403


@pytest.mark.parametrize("where", [None, "default"])
async def test_who_may_not_is_refused_a_role_and_told_of_a_missing_one(identity: World, where: str | None) -> None:
    """As Keystone, in both: which roles there are is in everybody's tokens."""
    joan, role = await persona(identity, "joan", "reader"), await a_role(identity, "cook", domain_id=where)
    for verb, body in (("GET", None), ("PATCH", {"role": {"name": "x"}}), ("DELETE", None)):
        assert (await joan.request(verb, f"/v3/roles/{role}", body)).status_code == 403
        assert (await joan.request(verb, f"/v3/roles/{MISSING}", body)).status_code == 404
    assert (await joan.post("/v3/roles", {"role": {"name": "x", "domain_id": where}})).status_code == 403
    assert (await joan.get("/v3/roles")).status_code == 403
    for verb in ("PUT", "GET", "HEAD", "DELETE"):
        answers = [await joan.request(verb, f"/v3/roles/{each}/implies/{role}") for each in (role, MISSING)]
        assert answers[0].status_code == 403
        assert verb == "HEAD" or same_answer(*answers)
