"""Grants of roles to users and groups: on projects, on domains, on the system, and on all projects below."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from support.identity import Session, World, by_password, same_answer

MISSING = "0" * 32
ACTORS = ("user", "group")
PLACES = ("project", "domain", "system", "projects below", "projects of the domain")


async def a_group(identity: World, name: str = "cooks", **facts: Any) -> str:
    made = await (await identity.admin()).post("/v3/groups", {"group": {"name": name, **facts}})
    return str(made.json()["group"]["id"])


async def a_role(identity: World, name: str = "cook", **facts: Any) -> str:
    made = await (await identity.admin()).post("/v3/roles", {"role": {"name": name, **facts}})
    return str(made.json()["role"]["id"])


async def a_domain(identity: World, name: str = "garden") -> str:
    made = await (await identity.admin()).post("/v3/domains", {"domain": {"name": name}})
    return str(made.json()["domain"]["id"])


async def an_actor(identity: World, kind: str, name: str = "ada", **facts: Any) -> str:
    return await a_group(identity, name, **facts) if kind == "group" else await identity.user(name, **facts)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("actor", ACTORS)
async def test_a_role_is_granted_checked_listed_and_taken_away(identity: World, actor: str, place: str) -> None:
    admin = await identity.admin()
    a, p, r = await an_actor(identity, actor), await identity.project("own"), await identity.role_id("reader")
    every, one = {
        ("user", "project"): (f"/v3/projects/{p}/users/{a}/roles", f"/v3/projects/{p}/users/{a}/roles/{r}"),
        ("group", "project"): (f"/v3/projects/{p}/groups/{a}/roles", f"/v3/projects/{p}/groups/{a}/roles/{r}"),
        ("user", "domain"): (f"/v3/domains/default/users/{a}/roles", f"/v3/domains/default/users/{a}/roles/{r}"),
        ("group", "domain"): (f"/v3/domains/default/groups/{a}/roles", f"/v3/domains/default/groups/{a}/roles/{r}"),
        ("user", "system"): (f"/v3/system/users/{a}/roles", f"/v3/system/users/{a}/roles/{r}"),
        ("group", "system"): (f"/v3/system/groups/{a}/roles", f"/v3/system/groups/{a}/roles/{r}"),
        ("user", "projects below"): (
            f"/v3/OS-INHERIT/projects/{p}/users/{a}/roles/inherited_to_projects",
            f"/v3/OS-INHERIT/projects/{p}/users/{a}/roles/{r}/inherited_to_projects",
        ),
        ("group", "projects below"): (
            f"/v3/OS-INHERIT/projects/{p}/groups/{a}/roles/inherited_to_projects",
            f"/v3/OS-INHERIT/projects/{p}/groups/{a}/roles/{r}/inherited_to_projects",
        ),
        ("user", "projects of the domain"): (
            f"/v3/OS-INHERIT/domains/default/users/{a}/roles/inherited_to_projects",
            f"/v3/OS-INHERIT/domains/default/users/{a}/roles/{r}/inherited_to_projects",
        ),
        ("group", "projects of the domain"): (
            f"/v3/OS-INHERIT/domains/default/groups/{a}/roles/inherited_to_projects",
            f"/v3/OS-INHERIT/domains/default/groups/{a}/roles/{r}/inherited_to_projects",
        ),
    }[actor, place]
    for verb in ("GET", "HEAD", "DELETE"):
        assert (await admin.request(verb, one)).status_code == 404
    for _ in range(2):
        assert (await admin.put(one)).status_code == 204
    assert (await admin.get(one)).status_code == 204
    assert (await admin.request("HEAD", one)).status_code == 204
    shown = (await admin.get(f"/v3/roles/{r}")).json()["role"]
    assert (await admin.get(every)).json()["roles"] == [shown]
    for other in {each for each in PLACES if each != place}:
        assert (await elsewhere(admin, other, actor, a, p)).json()["roles"] == []
    listed = (await admin.get(f"/v3/role_assignments?{actor}.id={a}")).json()["role_assignments"]
    assert [each["role"]["id"] for each in listed] == [r]
    assert listed[0]["links"]["assignment"].endswith(one)
    assert (await admin.delete(one)).status_code == 204
    assert (await admin.get(every)).json()["roles"] == []


async def elsewhere(admin: Session, place: str, actor: str, a: str, p: str) -> Any:
    """What was granted on another place."""
    return await admin.get(
        {
            "project": f"/v3/projects/{p}/{actor}s/{a}/roles",
            "domain": f"/v3/domains/default/{actor}s/{a}/roles",
            "system": f"/v3/system/{actor}s/{a}/roles",
            "projects below": f"/v3/OS-INHERIT/projects/{p}/{actor}s/{a}/roles/inherited_to_projects",
            "projects of the domain": f"/v3/OS-INHERIT/domains/default/{actor}s/{a}/roles/inherited_to_projects",
        }[place]
    )


@pytest.mark.parametrize("missing", ["projects", "domains", "users", "groups", "roles"])
async def test_a_grant_of_what_is_not_there(identity: World, missing: str) -> None:
    admin = await identity.admin()
    target = {"domains": "default"} if missing == "domains" else {"projects": await identity.project("own")}
    actor = {"groups": await a_group(identity)} if missing == "groups" else {"users": await identity.user("ada")}
    there = {**target, **actor, "roles": await identity.role_id("reader")}
    gone = {**there, missing: MISSING}
    paths = ["/v3/" + "/".join(f"{kind}/{id_}" for kind, id_ in ids.items()) for ids in (there, gone)]
    for method in ("PUT", "GET", "DELETE"):
        answer = await admin.request(method, paths[1])
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Could not find {missing[:-1]}: {MISSING}."
    await identity.user("eve", "member", await identity.project("other"))
    eve = await identity.session("eve", scope="other")
    for method in ("PUT", "GET", "DELETE"):
        answers = [await eve.request(method, each) for each in paths]
        assert answers[0].status_code == 403
        assert same_answer(*answers)


async def test_a_domains_own_role_counts_in_its_projects_and_not_on_the_system(identity: World) -> None:
    admin = await identity.admin()
    garden, user = await a_domain(identity), await identity.user("ada")
    role, shed = await a_role(identity, domain_id=garden), await identity.project("shed", domain_id=garden)
    assert (await admin.put(f"/v3/projects/{shed}/users/{user}/roles/{role}")).status_code == 204
    foreign = await admin.put(f"/v3/projects/{await identity.project('own')}/users/{user}/roles/{role}")
    assert foreign.status_code == 403
    assert "must be in the same domain as the role" in foreign.json()["error"]["message"]
    assert (await admin.put(f"/v3/domains/default/users/{user}/roles/{role}")).status_code == 204  # as in Keystone
    system = await admin.put(f"/v3/system/users/{user}/roles/{role}")
    assert system.status_code == 400
    assert "domain-specific role" in system.json()["error"]["message"]


async def test_an_inherited_role_counts_below_its_target_only(identity: World) -> None:
    top = await identity.project("top")
    below = await identity.project("below", parent_id=top)
    user_id, role_id = await identity.user("ada"), await identity.role_id("reader")
    path = f"/v3/OS-INHERIT/projects/{top}/users/{user_id}/roles/{role_id}/inherited_to_projects"
    await (await identity.admin()).put(path)
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
    path = f"/v3/OS-INHERIT/domains/default/users/{user_id}/roles/{role_id}/inherited_to_projects"
    await (await identity.admin()).put(path)
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


async def test_the_projects_of_a_user_are_those_on_which_a_role_counts(identity: World) -> None:
    admin, garden = await identity.admin(), await a_domain(identity)
    top = await identity.project("top", domain_id=garden)
    shed = await identity.project("shed", domain_id=garden, parent_id=top)
    idle, asleep = await identity.project("idle", domain_id=garden), await identity.project("asleep")
    user, group = await identity.user("ada", "reader", asleep), await a_group(identity)
    member, own = await identity.role_id("member"), await a_role(identity, domain_id=garden)
    await admin.put(f"/v3/groups/{group}/users/{user}")
    await admin.put(f"/v3/OS-INHERIT/projects/{top}/groups/{group}/roles/{member}/inherited_to_projects")
    await admin.put(f"/v3/projects/{idle}/users/{user}/roles/{own}")
    await admin.put(f"/v3/domains/{garden}/users/{user}/roles/{own}")
    await admin.patch(f"/v3/projects/{asleep}", {"project": {"enabled": False}})
    ada = await identity.session("ada")

    async def names(path: str, session: Session = admin) -> list[str]:
        answer = await session.get(path)
        assert answer.status_code == 200, answer.text
        [found] = [value for name, value in answer.json().items() if isinstance(value, list)]
        return sorted(each["name"] for each in found)

    assert await names(f"/v3/users/{user}/projects") == ["asleep", "shed"]
    assert await names(f"/v3/users/{user}/projects?enabled=true&name__contains=s") == ["shed"]
    assert await names(f"/v3/users/{user}/projects?domain_id=default", ada) == ["asleep"]
    assert len(await names(f"/v3/users/{user}/projects?limit=1")) == 1
    assert await names("/v3/auth/projects", ada) == ["shed"]
    assert await names("/v3/auth/domains", ada) == []
    await admin.put(f"/v3/roles/{own}/implies/{member}")
    assert await names("/v3/auth/projects", ada) == ["idle", "shed"]
    assert await names("/v3/auth/domains", ada) == ["garden"]
    assert [each["id"] for each in (await ada.get("/v3/auth/projects?name=shed")).json()["projects"]] == [shed]
    await admin.patch(f"/v3/domains/{garden}", {"domain": {"enabled": False}})
    ada = await identity.session("ada")
    assert await names("/v3/auth/projects", ada) == []
    assert await names("/v3/auth/domains", ada) == []


async def test_the_projects_of_a_user_are_shown_to_itself_and_to_readers_of_its_domain(identity: World) -> None:
    garden = await a_domain(identity)
    user, eve = await identity.user("ada", domain_id=garden), await identity.user("eve")
    await identity.grant(await identity.user("joan", domain_id=garden), "reader", f"domains/{garden}")
    joan = await identity.session("joan", domain=garden, scope={"domain": {"id": garden}})
    ada = await identity.session("ada", domain=garden)
    for session in (joan, ada):
        assert (await session.get(f"/v3/users/{user}/projects")).status_code == 200
        answers = [await session.get(f"/v3/users/{each}/projects") for each in (eve, MISSING)]
        assert answers[0].status_code == 403
        assert same_answer(*answers)
    assert (await (await identity.admin()).get(f"/v3/users/{MISSING}/projects")).status_code == 404


async def test_the_default_project_is_one_where_a_group_may_act(identity: World) -> None:
    admin, own = await identity.admin(), await identity.project("own")
    user, group = await identity.user("ada", default_project_id=own), await a_group(identity)
    assert "project" not in (await identity.login(by_password("ada"))).json()["token"]
    await admin.put(f"/v3/groups/{group}/users/{user}")
    await admin.put(f"/v3/projects/{own}/groups/{group}/roles/{await identity.role_id('member')}")
    assert (await identity.login(by_password("ada"))).json()["token"]["project"]["id"] == own
    await admin.patch(f"/v3/projects/{own}", {"project": {"enabled": False}})
    assert "project" not in (await identity.login(by_password("ada"))).json()["token"]


async def test_a_token_has_roles_of_every_kind_at_once_by_a_bounded_number_of_queries(identity: World) -> None:
    admin, garden = await identity.admin(), await a_domain(identity)
    top = await identity.project("top", domain_id=garden)
    shed = await identity.project("shed", domain_id=garden, parent_id=top)
    user = await identity.user("ada", "reader", shed, domain_id=garden)
    own = await a_role(identity, "own", domain_id=garden)
    await admin.put(f"/v3/roles/{own}/implies/{await a_role(identity, 'implied by own')}")
    costs = []
    for number in range(3):
        group = await a_group(identity, f"g{number}")
        await admin.put(f"/v3/groups/{group}/users/{user}")
        await admin.put(f"/v3/projects/{shed}/groups/{group}/roles/{await a_role(identity, f'direct{number}')}")
        below = f"groups/{group}/roles/{await a_role(identity, f'below{number}')}/inherited_to_projects"
        await admin.put(f"/v3/OS-INHERIT/{'projects' if number else 'domains'}/{top if number else garden}/{below}")
        await admin.put(f"/v3/projects/{shed}/groups/{group}/roles/{own}")
        scope = {"project": {"id": shed}}
        login = identity.login(by_password("ada", domain=garden, scope=scope))
        answer, statements = await identity.count_statements(login)
        costs.append(len(statements))
    names = {each["name"] for each in answer.json()["token"]["roles"]}
    made = {f"{kind}{number}" for kind in ("direct", "below") for number in range(3)}
    assert names == {"reader", "implied by own", *made}
    assert len(set(costs)) == 1, costs


async def test_who_manages_a_domain_grants_three_roles_there_and_nothing_else(
    identity: World,
) -> None:
    admin, garden = await identity.admin(), await a_domain(identity)
    await identity.grant(await identity.user("joan", domain_id=garden), "manager", f"domains/{garden}")
    joan = await identity.session("joan", domain=garden, scope={"domain": {"id": garden}})
    shed, own = await identity.project("shed", domain_id=garden), await identity.project("own")
    ada, eve = await identity.user("ada", domain_id=garden), await identity.user("eve")
    weeders, cooks = await a_group(identity, "weeders", domain_id=garden), await a_group(identity)
    places = (f"projects/{shed}", f"domains/{garden}")
    ends = (f"users/{ada}/roles", f"groups/{weeders}/roles")
    for place, end, role in product(places, ends, ("manager", "member", "reader")):
        path = f"{place}/{end}/{await identity.role_id(role)}"
        for each, verb in product((path, f"OS-INHERIT/{path}/inherited_to_projects"), ("PUT", "GET", "DELETE")):
            assert (await joan.request(verb, f"/v3/{each}")).status_code == 204
    member, own_role = await identity.role_id("member"), await a_role(identity, domain_id=garden)
    admins, services = await identity.role_id("admin"), await identity.role_id("service")
    refused = [
        *(f"{place}/users/{ada}/roles/{role}" for place in places for role in (admins, services, own_role)),
        *(f"{place}/{actor}/roles/{member}" for place in places for actor in (f"users/{eve}", f"groups/{cooks}")),
        f"projects/{own}/users/{ada}/roles/{member}",
        f"domains/default/groups/{weeders}/roles/{member}",
        f"system/users/{ada}/roles/{member}",
    ]
    for each in refused:
        for verb in ("PUT", "DELETE"):
            assert (await joan.request(verb, f"/v3/{each}")).status_code == 403, each
    held = (await admin.get(f"/v3/role_assignments?user.id={ada}")).json()["role_assignments"]
    assert held == []


async def test_a_reader_of_a_domain_checks_and_lists_its_grants_and_no_others(identity: World) -> None:
    garden = await a_domain(identity)
    await identity.grant(await identity.user("joan", domain_id=garden), "reader", f"domains/{garden}")
    joan = await identity.session("joan", domain=garden, scope={"domain": {"id": garden}})
    shed, ada = await identity.project("shed", domain_id=garden), await identity.user("ada", domain_id=garden)
    await identity.grant(ada, "member", f"projects/{shed}")
    member = await identity.role_id("member")
    assert (await joan.get(f"/v3/projects/{shed}/users/{ada}/roles/{member}")).status_code == 204
    assert len((await joan.get(f"/v3/projects/{shed}/users/{ada}/roles")).json()["roles"]) == 1
    assert (await joan.put(f"/v3/projects/{shed}/users/{ada}/roles/{member}")).status_code == 403
    assert (await joan.get(f"/v3/projects/{shed}/users/{await identity.user('eve')}/roles")).status_code == 403
    other = await a_role(identity, domain_id=await a_domain(identity, "kitchen"))
    assert (await joan.get(f"/v3/projects/{shed}/users/{ada}/roles/{other}")).status_code == 403
    assert (await joan.get(f"/v3/system/users/{ada}/roles")).status_code == 403
