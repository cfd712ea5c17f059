"""/v3/groups: groups, their members, and what members may do."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import PASSWORD, Session, World, by_password, same_answer

MISSING = "0" * 32


async def a_group(identity: World, name: str = "cooks", **facts: Any) -> str:
    made = await (await identity.admin()).post("/v3/groups", {"group": {"name": name, **facts}})
    assert made.status_code == 201, made.text
    return str(made.json()["group"]["id"])


async def a_domain(identity: World, name: str = "garden") -> str:
    made = await (await identity.admin()).post("/v3/domains", {"domain": {"name": name}})
    return str(made.json()["domain"]["id"])


async def in_domain(identity: World, name: str, role: str, domain: str) -> Session:
    """Who has that role on a domain, and a token for it."""
    await identity.grant(await identity.user(name, domain_id=domain), role, f"domains/{domain}")
    return await identity.session(name, domain=domain, scope={"domain": {"id": domain}})


async def test_a_group_is_made_shown_changed_and_deleted(identity: World) -> None:
    admin = await identity.admin()
    made = await admin.post("/v3/groups", {"group": {"name": " cooks ", "description": "They cook.", "stars": 3}})
    assert made.status_code == 201
    group = made.json()["group"]
    assert group == {
        "id": group["id"],
        "name": "cooks",
        "domain_id": "default",
        "description": "They cook.",
        "stars": 3,
        "links": {"self": f"http://cloud.example:8775/identity/v3/groups/{group['id']}"},
    }
    path = f"/v3/groups/{group['id']}"
    assert (await admin.get(path)).json() == {"group": group}
    changed = await admin.patch(path, {"group": {"name": " chefs ", "stars": 4, "id": group["id"]}})
    assert changed.json() == {"group": {**group, "name": "chefs", "stars": 4}}
    assert (await admin.patch(path, {"group": {"id": group["id"]}})).json() == changed.json()
    told = await admin.patch(path, {"group": {"description": None, "domain_id": "default"}})
    assert told.json()["group"]["description"] is None
    assert (await admin.delete(path)).status_code == 204
    gone = await admin.get(path)
    assert (gone.status_code, gone.json()["error"]["message"]) == (404, f"Could not find group: {group['id']}.")


@pytest.mark.parametrize(
    ("facts", "status", "message"),
    [
        ({"name": "cooks"}, 409, "Duplicate entry found with name cooks at domain ID default"),
        ({"name": "a", "domain_id": MISSING}, 404, f"Could not find domain: {MISSING}."),
        ({"name": "x" * 256}, 400, "name"),
        ({"name": "   "}, 400, "name"),
        ({"name": "a", "description": 1}, 400, "description"),
        ({}, 400, "name"),
    ],
)
async def test_what_is_no_group(identity: World, facts: dict[str, Any], status: int, message: str) -> None:
    await a_group(identity)
    answer = await (await identity.admin()).post("/v3/groups", {"group": facts})
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({}, 400),
        ({"id": MISSING}, 400),
        ({"domain_id": "elsewhere"}, 400),
        ({"name": "taken"}, 409),
        ({"name": ""}, 400),
    ],
)
async def test_what_is_no_change_of_a_group(identity: World, facts: dict[str, Any], status: int) -> None:
    await a_group(identity, "taken")
    path = f"/v3/groups/{await a_group(identity)}"
    assert (await (await identity.admin()).patch(path, {"group": facts})).status_code == status


async def test_a_name_may_be_taken_in_another_domain(identity: World) -> None:
    garden = await a_domain(identity)
    ids = {await a_group(identity), await a_group(identity, domain_id=garden)}
    admin = await identity.admin()
    assert {each["id"] for each in (await admin.get("/v3/groups?name=cooks")).json()["groups"]} == ids
    assert len((await admin.get(f"/v3/groups?domain_id={garden}&name__contains=ook")).json()["groups"]) == 1


async def test_members_join_are_listed_and_leave(identity: World) -> None:
    admin = await identity.admin()
    group, user = await a_group(identity), await identity.user("ada")
    path, every = f"/v3/groups/{group}/users/{user}", f"/v3/groups/{group}/users"
    missing = f"User '{user}' not found in group '{group}'."
    for verb in ("GET", "DELETE"):
        answer = await admin.request(verb, path)
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, missing)
    for _ in range(2):
        assert (await admin.put(path)).status_code == 204
    for verb in ("GET", "HEAD"):
        assert (await admin.request(verb, path)).status_code == 204
    shown = (await admin.get(f"/v3/users/{user}")).json()["user"]
    assert (await admin.get(every)).json()["users"] == [shown]
    assert (await admin.get(f"{every}?name=eve")).json()["users"] == []
    held = (await admin.get(f"/v3/groups/{group}")).json()["group"]
    own = (await admin.get(f"/v3/users/{user}/groups?name__startswith=c")).json()["groups"]
    assert own == [{**held, "membership_expires_at": None}]
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(every)).json()["users"] == []
    assert (await admin.get(f"/v3/users/{user}/groups")).json()["groups"] == []


@pytest.mark.parametrize("missing", ["group", "user"])
async def test_membership_of_what_is_not_there(identity: World, missing: str) -> None:
    ids = {"group": await a_group(identity), "user": await identity.user("ada"), missing: MISSING}
    admin = await identity.admin()
    for verb in ("PUT", "GET", "DELETE"):
        answer = await admin.request(verb, f"/v3/groups/{ids['group']}/users/{ids['user']}")
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Could not find {missing}: {MISSING}."
    gone = await admin.get(f"/v3/groups/{MISSING}/users" if missing == "group" else f"/v3/users/{MISSING}/groups")
    assert gone.status_code == 404


@pytest.mark.parametrize("place", ["project", "domain", "system"])
async def test_a_member_has_the_groups_roles_from_the_next_request_on(identity: World, place: str) -> None:
    admin = await identity.admin()
    group, user, project = await a_group(identity), await identity.user("ada"), await identity.project("own")
    base = {"project": f"projects/{project}", "domain": "domains/default", "system": "system"}[place]
    scope = {"project": "own", "domain": {"domain": {"id": "default"}}, "system": {"system": {"all": True}}}[place]
    granted = await admin.put(f"/v3/{base}/groups/{group}/roles/{await identity.role_id('member')}")
    assert granted.status_code == 204, granted.text
    login = by_password("ada", scope=scope)
    assert (await identity.login(login)).status_code == 401
    await admin.put(f"/v3/groups/{group}/users/{user}")
    token = (await identity.login(login)).json()["token"]
    assert [each["name"] for each in token["roles"]] == ["member", "reader"]
    ada = await identity.session("ada", scope=scope)
    offered = (await ada.get(f"/v3/auth/{place if place == 'system' else place + 's'}")).json()
    assert len(next(value for name, value in offered.items() if name != "links")) == 1


async def test_who_leaves_a_group_has_no_token_any_longer_in_any_process(identity: World) -> None:
    """Keystone refuses all tokens of who is taken out of a group, also those that owe nothing to it."""
    admin = await identity.admin()
    group, own = await a_group(identity), await identity.project("own")
    user = await identity.user("ada", "reader", own)
    await admin.put(f"/v3/projects/{own}/groups/{group}/roles/{await identity.role_id('member')}")
    await admin.put(f"/v3/groups/{group}/users/{user}")
    await identity.process()
    ada = await identity.session("ada", process=1, scope="own")
    roles = (await ada.get("/v3/auth/tokens", X_Subject_Token=ada.token)).json()["token"]["roles"]
    assert [each["name"] for each in roles] == ["member", "reader"]
    await admin.delete(f"/v3/groups/{group}/users/{user}")
    assert (await ada.get("/v3/auth/projects")).status_code == 401
    ada = await identity.session("ada", process=1, scope="own")
    roles = (await ada.get("/v3/auth/tokens", X_Subject_Token=ada.token)).json()["token"]["roles"]
    assert [each["name"] for each in roles] == ["reader"]


async def test_a_deleted_group_takes_along_what_was_granted_to_it(identity: World) -> None:
    admin = await identity.admin()
    group, idle, own = await a_group(identity), await a_group(identity, "idle"), await identity.project("own")
    await admin.put(f"/v3/projects/{own}/groups/{group}/roles/{await identity.role_id('member')}")
    before = len((await admin.get("/v3/role_assignments")).json()["role_assignments"])
    for name, place in (("ada", group), ("eve", idle)):
        await admin.put(f"/v3/groups/{place}/users/{await identity.user(name)}")
    ada, eve = await identity.session("ada", scope="own"), await identity.session("eve")
    for each in (group, idle):
        assert (await admin.delete(f"/v3/groups/{each}")).status_code == 204
    assert (await ada.get("/v3/auth/projects")).status_code == 401
    assert (await eve.get("/v3/auth/projects")).json()["projects"] == []  # it lost nothing, so its token stays
    assert len((await admin.get("/v3/role_assignments")).json()["role_assignments"]) == before - 1


async def test_a_group_without_members_goes_with_what_was_granted_to_it(identity: World) -> None:
    admin, group, own = await identity.admin(), await a_group(identity), await identity.project("own")
    grant = f"/v3/projects/{own}/groups/{group}/roles/{await identity.role_id('member')}"
    await admin.put(grant)
    assert (await admin.delete(f"/v3/groups/{group}")).status_code == 204
    assert (await admin.get(grant)).status_code == 404


async def test_a_deleted_domain_takes_its_groups_and_what_was_granted_to_them_along(identity: World) -> None:
    admin, garden, own = await identity.admin(), await a_domain(identity), await identity.project("own")
    group = await a_group(identity, domain_id=garden)
    await admin.put(f"/v3/projects/{own}/groups/{group}/roles/{await identity.role_id('member')}")
    await admin.put(f"/v3/groups/{group}/users/{await identity.user('ada')}")
    await admin.patch(f"/v3/domains/{garden}", {"domain": {"enabled": False}})
    assert (await admin.delete(f"/v3/domains/{garden}")).status_code == 204
    assert (await admin.get(f"/v3/groups/{group}")).status_code == 404
    assert (await admin.get(f"/v3/role_assignments?group.id={group}")).json()["role_assignments"] == []
    assert (await identity.login(by_password("ada", scope="own"))).status_code == 401


async def test_a_deleted_user_is_in_no_group(identity: World) -> None:
    admin = await identity.admin()
    group, user = await a_group(identity), await identity.user("ada")
    await admin.put(f"/v3/groups/{group}/users/{user}")
    assert (await admin.delete(f"/v3/users/{user}")).status_code == 204
    assert (await admin.get(f"/v3/groups/{group}/users")).json()["users"] == []


async def test_who_manages_a_domain_manages_its_groups_and_no_others(identity: World) -> None:
    garden = await a_domain(identity)
    gardener = await in_domain(identity, "joan", "manager", garden)
    made = await gardener.post("/v3/groups", {"group": {"name": "weeders"}})
    assert made.json()["group"]["domain_id"] == garden
    own, foreign = made.json()["group"]["id"], await a_group(identity)
    ada, bob = await identity.user("ada", domain_id=garden), await identity.user("bob")
    assert (await gardener.patch(f"/v3/groups/{own}", {"group": {"name": "mowers"}})).status_code == 200
    assert [each["id"] for each in (await gardener.get("/v3/groups")).json()["groups"]] == [own]
    assert (await gardener.post("/v3/groups", {"group": {"name": "x", "domain_id": "default"}})).status_code == 403
    assert (await gardener.put(f"/v3/groups/{own}/users/{ada}")).status_code == 204
    for group, user in ((own, bob), (foreign, ada), (foreign, bob), (own, MISSING), (MISSING, ada)):
        for verb in ("PUT", "GET", "DELETE"):
            assert (await gardener.request(verb, f"/v3/groups/{group}/users/{user}")).status_code == 403
    admin = await identity.admin()
    for path in (f"/v3/groups/{own}/users/{bob}", f"/v3/groups/{foreign}/users/{ada}"):
        await admin.put(path)
    assert [each["id"] for each in (await gardener.get(f"/v3/groups/{own}/users")).json()["users"]] == [ada]
    assert [each["id"] for each in (await gardener.get(f"/v3/users/{ada}/groups")).json()["groups"]] == [own]
    assert (await gardener.get(f"/v3/users/{bob}/groups")).status_code == 403
    assert (await gardener.delete(f"/v3/groups/{own}")).status_code == 204
    for verb, body in (("GET", None), ("PATCH", {"group": {"name": "x"}}), ("DELETE", None)):
        there, missing = [await gardener.request(verb, f"/v3/groups/{id_}", body) for id_ in (foreign, MISSING)]
        assert there.status_code == 403
        assert same_answer(there, missing)


async def test_who_has_no_right_learns_nothing_but_what_can_be_no_group(identity: World) -> None:
    own = await identity.user("ada", "member", await identity.project("own"))
    ada, group = await identity.session("ada", scope="own"), await a_group(identity)
    assert (await ada.get("/v3/groups")).status_code == 403
    for verb in ("GET", "DELETE"):
        there, missing = [await ada.request(verb, f"/v3/groups/{id_}") for id_ in (group, MISSING)]
        assert there.status_code == 403
        assert same_answer(there, missing)
    assert (await ada.delete("/v3/groups/fakegroup")).status_code == 404  # as Keystone has it for every missing one
    assert (await ada.get("/v3/groups/fakegroup")).status_code == 403
    assert (await ada.get(f"/v3/users/{own}/groups")).json()["groups"] == []  # one's own
    assert (await ada.get(f"/v3/users/{await identity.user('eve')}/groups")).status_code == 403


async def test_groups_are_listed_page_by_page(identity: World) -> None:
    admin, user = await identity.admin(), await identity.user("ada")
    for name in ("a", "b", "c"):
        await admin.put(f"/v3/groups/{await a_group(identity, name)}/users/{user}")
    for base in ("/v3/groups", f"/v3/users/{user}/groups"):
        first = (await admin.get(f"{base}?sort_key=name&limit=2")).json()
        assert [each["name"] for each in first["groups"]] == ["a", "b"]
        second = await admin.get(first["links"]["next"].partition("/identity")[2])
        assert [each["name"] for each in second.json()["groups"]] == ["c"]
    _, few = await identity.count_statements(admin.get("/v3/groups?limit=1"))
    _, many = await identity.count_statements(admin.get("/v3/groups"))
    assert len(few) == len(many)


async def test_a_group_with_the_password_of_nobody(identity: World) -> None:
    """A group is no user: nobody logs in as one."""
    await a_group(identity, "ada")
    assert (await identity.login(by_password("ada", PASSWORD))).status_code == 401
