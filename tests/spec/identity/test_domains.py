"""/v3/domains: made, shown, listed, changed, and deleted with all that is in them."""

from __future__ import annotations

from typing import Any

import pytest

from pileus.services.identity.roles import service as roles
from pileus.services.identity.users import service as users
from support.identity import Session, World

MISSING = "0" * 32
OWN_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def admin(identity: World) -> Session:
    return await identity.admin()


async def domain(admin: Session, name: str = "garden", **facts: Any) -> str:
    return str((await admin.post("/v3/domains", {"domain": {"name": name, **facts}})).json()["domain"]["id"])


async def test_a_domain_is_made_shown_and_changed(identity: World, admin: Session) -> None:
    sent = {"name": "garden", "colour": "green", "tags": ["a"], "options": {"immutable": False}, "parent_id": "x"}
    made = await admin.post("/v3/domains", {"domain": sent})
    assert made.status_code == 201
    domain = made.json()["domain"]
    assert domain == {
        "id": domain["id"],
        "name": "garden",
        "description": "",
        "enabled": True,
        "tags": ["a"],
        "options": {"immutable": False},
        "colour": "green",
        "links": {"self": f"http://cloud.example:8775/identity/v3/domains/{domain['id']}"},
    }
    path = f"/v3/domains/{domain['id']}"
    assert (await admin.get(path)).json() == {"domain": domain}
    changed = await admin.patch(path, {"domain": {"description": None, "name": "park", "size": 1, "tags": []}})
    assert changed.json() == {"domain": {**domain, "description": None, "name": "park", "size": 1, "tags": []}}
    assert (await admin.get("/v3/domains?name=park")).json()["domains"] == [changed.json()["domain"]]
    assert (await admin.post("/v3/domains", {"domain": {"name": "park"}})).status_code == 409
    no_domain = await identity.project("own")
    assert (await admin.get(f"/v3/domains/{no_domain}")).status_code == 404
    assert (await admin.patch(f"/v3/domains/{no_domain}", {"domain": {"name": "a"}})).status_code == 404
    assert (await admin.delete(f"/v3/domains/{no_domain}")).status_code == 404


@pytest.mark.parametrize(
    ("facts", "status", "message"),
    [
        ({"name": ""}, 400, "name"),
        ({"name": "x" * 65}, 400, "name"),
        ({"name": "Default"}, 409, "acting as domains with the same name"),
        ({"name": "a", "enabled": "yes"}, 400, "enabled"),
        ({"name": "a", "description": "x" * 256}, 400, "description"),
        ({"name": "a", "options": {"colour": 1}}, 400, "options"),
        ({"name": "a", "tags": ["a", "a"]}, 400, "tags"),
        ({"name": "a", "explicit_domain_id": "default"}, 400, "does not conform to required UUID format"),
        ({"name": "a", "explicit_domain_id": OWN_ID.upper()}, 400, "does not conform to required UUID format"),
        ({}, 400, "name"),
    ],
)
async def test_what_is_no_domain(admin: Session, facts: dict[str, Any], status: int, message: str) -> None:
    answer = await admin.post("/v3/domains", {"domain": facts})
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


async def test_a_domain_may_bring_its_id(identity: World, admin: Session) -> None:
    made = (await admin.post("/v3/domains", {"domain": {"name": "a", "explicit_domain_id": OWN_ID}})).json()["domain"]
    assert made["id"] == OWN_ID
    assert "explicit_domain_id" not in made
    for taken in (OWN_ID, await identity.project("own")):
        sent = {"name": "b", "explicit_domain_id": taken}
        assert (await admin.post("/v3/domains", {"domain": sent})).status_code == 409


async def test_a_change_names_something(admin: Session) -> None:
    assert (await admin.patch("/v3/domains/default", {"domain": {}})).status_code == 400


async def test_who_may_read_all_domains_is_told_of_one_that_is_missing_and_nobody_else(
    identity: World, admin: Session
) -> None:
    garden = await domain(admin)
    await identity.grant(await identity.user("ada"), "reader", "system")
    await identity.user("eve", "manager", await identity.project("own"))
    ada = await identity.session("ada", scope={"system": {"all": True}})
    eve = await identity.session("eve", scope="own")
    change = {"domain": {"name": "x"}}
    for session, status in ((admin, 404), (ada, 404), (eve, 403)):
        assert (await session.patch(f"/v3/domains/{MISSING}", change)).status_code == status
    for session, status in ((admin, 200), (ada, 403), (eve, 403)):
        assert (await session.patch(f"/v3/domains/{garden}", change)).status_code == status


async def test_domains_are_listed(identity: World, admin: Session) -> None:
    garden, asleep = await domain(admin), await domain(admin, "asleep", enabled=False)

    async def ids(query: str) -> set[str]:
        return {each["id"] for each in (await admin.get(f"/v3/domains{query}")).json()["domains"]}

    assert await ids("") == {"default", garden, asleep}
    assert await ids("?enabled=true") == {"default", garden}
    assert await ids("?enabled=0") == {asleep}
    assert await ids("?name=garden") == {garden}
    assert await ids("?name__contains=e&is_domain=false") == {"default", garden, asleep}
    assert len(await ids("?limit=2")) == 2


async def test_a_project_acting_as_domain_is_a_domain(admin: Session) -> None:
    made = (await admin.post("/v3/projects", {"project": {"name": "garden", "is_domain": True}})).json()["project"]
    assert (made["domain_id"], made["parent_id"]) == (None, None)
    assert (await admin.get(f"/v3/domains/{made['id']}")).json()["domain"]["name"] == "garden"
    path = f"/v3/projects/{made['id']}"
    assert made["id"] in {each["id"] for each in (await admin.get("/v3/projects?is_domain=true")).json()["projects"]}
    assert (await admin.delete(path)).status_code == 403
    assert (await admin.patch(path, {"project": {"enabled": False}})).json()["project"]["enabled"] is False
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(f"/v3/domains/{made['id']}")).status_code == 404


async def test_an_immutable_domain_stays_until_it_is_none(admin: Session) -> None:
    path = f"/v3/domains/{await domain(admin, enabled=False, options={'immutable': True})}"
    assert (await admin.delete(path)).status_code == 403
    assert (await admin.patch(path, {"domain": {"name": "a"}})).status_code == 403
    assert (await admin.patch(path, {"domain": {"options": {"immutable": None}}})).status_code == 200
    assert (await admin.delete(path)).status_code == 204


async def test_an_enabled_domain_is_not_deleted(admin: Session) -> None:
    for domain_id in (await domain(admin), "default"):
        answer = await admin.delete(f"/v3/domains/{domain_id}")
        assert answer.status_code == 403
        message = "Cannot delete a domain that is enabled, please disable it first."
        assert answer.json()["error"]["message"] == message
    assert (await admin.delete(f"/v3/domains/{MISSING}")).status_code == 404


async def test_a_deleted_domain_takes_along_what_is_in_it(identity: World, admin: Session) -> None:
    garden = await domain(admin)
    top = await identity.project("top", domain_id=garden, tags=["a"])
    leaf = await identity.project("leaf", parent_id=top)
    user = await identity.user("ada", "reader", leaf, domain_id=garden)
    await identity.grant(user, "reader", f"domains/{garden}")
    role = await roles.create(identity.ctx, "gardener", domain_id=garden, facts={})
    stranger = await identity.user("eve", "reader", leaf)
    await admin.patch(f"/v3/domains/{garden}", {"domain": {"enabled": False}})
    assert (await admin.delete(f"/v3/domains/{garden}")).status_code == 204
    gone = [f"domains/{garden}", f"projects/{garden}", f"projects/{top}", f"projects/{leaf}", f"users/{user}"]
    for path in (*gone, f"roles/{role.id}"):
        assert (await admin.get(f"/v3/{path}")).status_code == 404, path
    assert (await admin.get(f"/v3/users/{stranger}")).status_code == 200
    held = (await admin.get("/v3/role_assignments")).json()["role_assignments"]
    assert {each["user"]["id"] for each in held}.isdisjoint({user, stranger})


async def test_a_domain_of_many_projects_and_users_is_deleted_by_few_statements(
    identity: World, admin: Session
) -> None:
    domains = await domain(admin, "few"), await domain(admin, "many")
    for count, domain_id in zip((2, 40), domains, strict=True):
        for number in range(count):
            await identity.project(f"p{number}", domain_id=domain_id)
            await users.create(identity.ctx, f"u{number}", domain_id, facts={})
        await admin.patch(f"/v3/domains/{domain_id}", {"domain": {"enabled": False}})
    few, many = [await identity.count_statements(admin.delete(f"/v3/domains/{each}")) for each in domains]
    assert (few[0].status_code, many[0].status_code) == (204, 204)
    assert len(many[1]) == len(few[1])
