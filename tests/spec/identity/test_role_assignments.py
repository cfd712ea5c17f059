"""/v3/role_assignments: who has which role on what, as it was granted and as it counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from pileus.kernel.config import Config, Identity
from pileus.kernel.db import Database
from support.beginning import begun
from support.identity import Session, World, bootstrapped, one_process

MISSING = "0" * 32
BASE = "http://cloud.example:8775/identity/v3"


@dataclass
class Garden:
    """A domain with a tree of projects (top > shed > box; pond), users, a group and roles; and what it is called by."""

    identity: World
    ids: dict[str, str]

    async def make(self, kind: str, name: str, **facts: Any) -> str:
        made = await (await self.identity.admin()).post(f"/v3/{kind}s", {kind: {"name": name, **facts}})
        assert made.status_code == 201, made.text
        self.ids[name] = made.json()[kind]["id"]
        return self.ids[name]

    async def say(self, verb: str, path: str) -> None:
        """A request whose path has names where ids shall be."""
        answer = await (await self.identity.admin()).request(verb, self.path(path))
        assert answer.is_success, answer.text

    def path(self, path: str) -> str:
        return "/v3/" + "/".join(self.ids.get(part, part) for part in path.split("/"))

    def named(self, text: str) -> str:
        """A text with names where ids are."""
        for name, id_ in self.ids.items():
            text = text.replace(id_, name)
        return text

    def query(self, query: str) -> str:
        pairs = [pair.partition("=") for pair in query.split("&") if pair]
        return "&".join(f"{name}{equals}{self.ids.get(value, value)}" for name, equals, value in pairs)

    async def listed(self, query: str = "", session: Session | None = None) -> list[str]:
        """Lines of the list, as `who role where`, with a star where it is inherited; sorted."""
        session = session or await self.identity.admin()
        answer = await session.get(f"/v3/role_assignments?{self.query(query)}")
        assert answer.status_code == 200, answer.text
        lines = [self.line(each) for each in answer.json()["role_assignments"]]
        assert len(lines) == len(set(lines)), "a line stands twice"
        return sorted(line for line in lines if not line.startswith("admin "))

    def line(self, each: dict[str, Any]) -> str:
        who, scope = each.get("user") or each["group"], dict(each["scope"])
        star = "*" if scope.pop("OS-INHERIT:inherited_to", None) else ""
        [(kind, place)] = scope.items()
        where = "system" if kind == "system" else place["id"]
        via = each["links"].get("prior_role", "").rpartition("/")[2]
        return self.named(f"{who['id']} {each['role']['id']} {where}{star}{f' by {via}' if via else ''}")


@pytest.fixture
async def garden(database_url: str) -> AsyncIterator[Garden]:
    async with begun("garden", database_url, planted) as (database, ids), one_process(database) as identity:
        yield Garden(identity, dict(ids))


async def planted(database: Database) -> dict[str, str]:
    await bootstrapped(database)
    async with one_process(database) as identity:
        garden = Garden(identity, {})
        await plant(garden)
    return garden.ids


async def plant(garden: Garden) -> None:
    admin = await garden.identity.admin()
    garden.ids["admin"] = (await admin.get("/v3/users?name=admin")).json()["users"][0]["id"]
    for name in ("member", "reader"):
        garden.ids[name] = await garden.identity.role_id(name)
    domain = await garden.make("domain", "garden")
    top = await garden.make("project", "top", domain_id=domain)
    shed = await garden.make("project", "shed", domain_id=domain, parent_id=top)
    await garden.make("project", "box", domain_id=domain, parent_id=shed)
    await garden.make("project", "pond", domain_id=domain)
    for name in ("ada", "bob"):
        await garden.make("user", name, domain_id=domain)
    await garden.make("user", "eve")
    await garden.make("group", "mowers", domain_id=domain)
    await garden.make("group", "nobody", domain_id=domain)
    await garden.make("role", "weeder")
    await garden.make("role", "own", domain_id=domain)
    await garden.say("PUT", "roles/own/implies/weeder")
    for name in ("ada", "bob"):
        await garden.say("PUT", f"groups/mowers/users/{name}")


async def test_as_it_was_granted(garden: Garden) -> None:
    await garden.say("PUT", "projects/top/users/ada/roles/weeder")
    await garden.say("PUT", "OS-INHERIT/projects/top/groups/mowers/roles/own/inherited_to_projects")
    await garden.say("PUT", "domains/garden/users/eve/roles/reader")
    await garden.say("PUT", "system/groups/mowers/roles/reader")
    answer = await (await garden.identity.admin()).get(f"/v3/role_assignments?group.id={garden.ids['mowers']}")
    lines = {garden.line(each): each for each in answer.json()["role_assignments"]}
    assert lines["mowers own top*"]["links"] == {
        "assignment": f"{BASE}/OS-INHERIT/projects/{garden.ids['top']}/groups/{garden.ids['mowers']}"
        f"/roles/{garden.ids['own']}/inherited_to_projects"
    }
    assert lines["mowers reader system"] == {
        "role": {"id": garden.ids["reader"]},
        "group": {"id": garden.ids["mowers"]},
        "scope": {"system": {"all": True}},
        "links": {"assignment": f"{BASE}/system/groups/{garden.ids['mowers']}/roles/{garden.ids['reader']}"},
    }
    assert answer.json()["links"]["next"] is None
    assert await garden.listed() == [
        "ada weeder top",
        "eve reader garden",
        "mowers own top*",
        "mowers reader system",
    ]


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("user.id=ada", ["ada member top", "ada weeder box*", "ada weeder shed"]),
        ("user.id=ada&role.id=weeder", ["ada weeder box*", "ada weeder shed"]),
        ("group.id=mowers", ["mowers member garden*", "mowers member system"]),
        ("role.id=reader", []),
        ("scope.project.id=shed", ["ada weeder shed"]),
        ("scope.project.id=top&include_subtree", ["ada member top", "ada weeder box*", "ada weeder shed"]),
        ("scope.domain.id=garden", ["mowers member garden*"]),
        ("scope.system=all", ["mowers member system"]),
        ("scope.OS-INHERIT:inherited_to=projects", ["ada weeder box*", "mowers member garden*"]),
        ("scope.OS-INHERIT:inherited_to=none", ["ada member top", "ada weeder shed", "mowers member system"]),
        ("user.id=bob", []),
        (f"user.id={MISSING}", []),
        (f"scope.project.id={MISSING}", []),
        ("user.id=&scope.system=some&effective=0&role.id=own", []),
    ],
)
async def test_it_is_narrowed(garden: Garden, query: str, lines: list[str]) -> None:
    await garden.say("PUT", "projects/top/users/ada/roles/member")
    await garden.say("PUT", "projects/shed/users/ada/roles/weeder")
    await garden.say("PUT", "OS-INHERIT/projects/box/users/ada/roles/weeder/inherited_to_projects")
    await garden.say("PUT", "OS-INHERIT/domains/garden/groups/mowers/roles/member/inherited_to_projects")
    await garden.say("PUT", "system/groups/mowers/roles/member")
    assert await garden.listed(query) == lines


async def effective(garden: Garden) -> None:
    """Every way in which a role may count for somebody."""
    await garden.say("PUT", "projects/pond/users/ada/roles/own")
    await garden.say("PUT", "projects/pond/groups/mowers/roles/member")
    await garden.say("PUT", "OS-INHERIT/projects/top/users/bob/roles/weeder/inherited_to_projects")
    await garden.say("PUT", "OS-INHERIT/domains/garden/groups/mowers/roles/own/inherited_to_projects")
    await garden.say("PUT", "domains/garden/users/eve/roles/reader")
    await garden.say("PUT", "projects/top/groups/nobody/roles/member")
    await garden.say("PUT", "OS-INHERIT/projects/box/users/eve/roles/member/inherited_to_projects")
    await garden.say("PUT", "system/groups/mowers/roles/member")


WEEDERS = [f"{who} weeder {where}* by own" for who in ("ada", "bob") for where in ("box", "pond", "shed", "top")]
EVERYTHING = sorted(
    [
        "ada weeder pond by own",
        *(f"{who} member pond" for who in ("ada", "bob")),
        *(f"{who} reader pond by member" for who in ("ada", "bob")),
        "bob weeder box*",
        "bob weeder shed*",
        *WEEDERS,
        "eve reader garden",
    ]
)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", lambda line: True),
        ("&user.id=bob", lambda line: line.startswith("bob")),
        ("&user.id=eve", lambda line: line.startswith("eve")),
        ("&role.id=reader", lambda line: " reader " in line),
        ("&role.id=own", lambda line: False),
        ("&scope.project.id=pond", lambda line: " pond" in line),
        ("&scope.project.id=box", lambda line: " box" in line),
        ("&scope.project.id=shed&include_subtree", lambda line: " box" in line or " shed" in line),
        ("&scope.project.id=top&include_subtree&user.id=bob", lambda line: line in BOBS_AT_TOP),
        ("&scope.domain.id=garden", lambda line: " garden" in line),
        ("&scope.OS-INHERIT:inherited_to=projects", lambda line: "*" in line),
        ("&scope.OS-INHERIT:inherited_to=no", lambda line: "*" not in line),
    ],
)
async def test_as_it_counts(garden: Garden, query: str, wanted: Any) -> None:
    await effective(garden)
    assert await garden.listed(f"effective{query}") == [line for line in EVERYTHING if wanted(line)]


BOBS_AT_TOP = {
    "bob weeder box*",
    "bob weeder shed*",
    *(f"bob weeder {each}* by own" for each in ("box", "shed", "top")),
}


async def test_on_the_system_it_counts_for_the_members(garden: Garden) -> None:
    await effective(garden)
    assert await garden.listed("effective&scope.system=all&role.id=reader") == [
        "ada reader system by member",
        "bob reader system by member",
    ]


async def test_the_links_say_why_it_counts(garden: Garden) -> None:
    await effective(garden)
    ids = garden.ids
    query = garden.query("effective&scope.project.id=box&user.id=ada")
    [found] = (await (await garden.identity.admin()).get(f"/v3/role_assignments?{query}")).json()["role_assignments"]
    assert found == {
        "role": {"id": ids["weeder"]},
        "user": {"id": ids["ada"]},
        "scope": {"project": {"id": ids["box"]}, "OS-INHERIT:inherited_to": "projects"},
        "links": {
            "assignment": f"{BASE}/OS-INHERIT/domains/{ids['garden']}/groups/{ids['mowers']}/roles/{ids['own']}"
            "/inherited_to_projects",
            "membership": f"{BASE}/groups/{ids['mowers']}/users/{ids['ada']}",
            "prior_role": f"{BASE}/prior_role/{ids['weeder']}/implies/{ids['own']}",
        },
    }


async def test_with_names(garden: Garden) -> None:
    await effective(garden)
    ids, admin = garden.ids, await garden.identity.admin()
    domain = {"id": ids["garden"], "name": "garden"}
    query = garden.query("effective=True&include_names=True&scope.project.id=pond&user.id=bob&role.id=reader")
    [found] = (await admin.get(f"/v3/role_assignments?{query}")).json()["role_assignments"]
    assert found["role"] == {"id": ids["reader"], "name": "reader"}
    assert found["user"] == {"id": ids["bob"], "name": "bob", "domain": domain}
    assert found["scope"] == {"project": {"id": ids["pond"], "name": "pond", "domain": domain}}
    query = garden.query("include_names&group.id=mowers&scope.domain.id=garden")
    [found] = (await admin.get(f"/v3/role_assignments?{query}")).json()["role_assignments"]
    assert found["role"] == {"id": ids["own"], "name": "own", "domain": domain}
    assert found["group"] == {"id": ids["mowers"], "name": "mowers", "domain": domain}
    assert found["scope"] == {"domain": domain, "OS-INHERIT:inherited_to": "projects"}
    everything = (await admin.get("/v3/role_assignments?include_names")).json()["role_assignments"]
    assert {"system": {"all": True}} in [each["scope"] for each in everything]


@pytest.mark.parametrize(
    "query", ["", "effective", "effective&user.id=bob", "effective&scope.project.id=top&include_subtree"]
)
async def test_pages_put_together_are_the_list(garden: Garden, query: str) -> None:
    await effective(garden)
    admin = await garden.identity.admin()
    whole = (await admin.get(f"/v3/role_assignments?{garden.query(query)}")).json()["role_assignments"]
    for limit in (1, 2, 3, 100):
        seen, path = [], f"/v3/role_assignments?{garden.query(query)}&limit={limit}"
        while path:
            page = (await admin.get(path)).json()
            assert 0 < len(page["role_assignments"]) <= limit
            seen += page["role_assignments"]
            path = (page["links"]["next"] or "").partition("/identity")[2]
        assert seen == whole
    assert (await admin.get("/v3/role_assignments?limit=0")).json()["role_assignments"] == []


async def test_a_page_has_no_more_than_the_operator_allows(garden: Garden) -> None:
    await effective(garden)
    await garden.identity.process(Config(identity=Identity(bcrypt_rounds=4, list_limit=2)))
    admin = await garden.identity.session("admin", scope="admin", process=1)
    page = (await admin.get("/v3/role_assignments?effective&limit=50")).json()
    assert len(page["role_assignments"]) == 2
    assert page["next"] == page["links"]["next"] is not None


async def test_a_page_is_taken_up_where_it_was_left_whatever_has_gone(garden: Garden) -> None:
    await effective(garden)
    admin = await garden.identity.admin()
    whole = (await admin.get("/v3/role_assignments?effective")).json()["role_assignments"]
    first = (await admin.get("/v3/role_assignments?effective&limit=4")).json()
    await garden.say("DELETE", "groups/mowers/users/ada")
    await garden.say("DELETE", "OS-INHERIT/domains/garden/groups/mowers/roles/own/inherited_to_projects")
    path = first["links"]["next"].partition("/identity")[2].replace("limit=4", "limit=100")
    rest = (await admin.get(path)).json()["role_assignments"]

    def by_users(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [each for each in lines if garden.ids["mowers"] not in each["links"]["assignment"]]

    assert by_users(rest) == by_users(whole[4:])


@pytest.mark.parametrize(
    "query",
    [
        "scope.domain.id=garden&scope.project.id=top",
        "scope.domain.id=garden&scope.system=all",
        "scope.project.id=top&scope.system=all",
        "user.id=ada&group.id=mowers",
        "effective&group.id=mowers",
        "effective&scope.domain.id=garden&scope.OS-INHERIT:inherited_to=projects",
        "include_subtree",
        "limit=-1",
        "marker=gone",
        "marker=%C3%A4",
    ],
)
async def test_what_cannot_be_asked(garden: Garden, query: str) -> None:
    admin = await garden.identity.admin()
    assert (await admin.get(f"/v3/role_assignments?{garden.query(query)}")).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        f"effective&user.id={MISSING}",
        f"effective&scope.project.id={MISSING}",
        f"scope.project.id={MISSING}&include_subtree",
    ],
)
async def test_what_is_counted_for_must_be_there(garden: Garden, query: str) -> None:
    assert (await (await garden.identity.admin()).get(f"/v3/role_assignments?{query}")).status_code == 404


async def test_who_acts_in_a_domain_sees_what_is_in_it(garden: Garden) -> None:
    identity = garden.identity
    await effective(garden)
    elsewhere = await identity.project("elsewhere")
    garden.ids["elsewhere"] = elsewhere
    await garden.say("PUT", "projects/elsewhere/users/ada/roles/member")
    for name, role in (("joan", "admin"), ("jill", "reader")):
        garden.ids[name] = await identity.user(name, domain_id=garden.ids["garden"])
        await identity.grant(garden.ids[name], role, f"domains/{garden.ids['garden']}")
        session = await identity.session(
            name, domain=garden.ids["garden"], scope={"domain": {"id": garden.ids["garden"]}}
        )
        everything = [line for line in await garden.listed("effective", session) if not line.startswith("j")]
        assert everything == EVERYTHING
        granted = await garden.listed("", session)
        assert not [line for line in granted if "elsewhere" in line or "system" in line]
        assert "mowers own garden*" in granted
        assert await garden.listed("user.id=ada", session) == ["ada own pond"]
        for query in ("scope.project.id=elsewhere", f"effective&scope.project.id={MISSING}", "scope.system=all"):
            assert await garden.listed(query, session) == []
        assert await garden.listed(f"effective&user.id={MISSING}", session) == []
        assert len(await garden.listed("effective&scope.project.id=shed&include_subtree", session)) == 6
        for tree in ("elsewhere", MISSING):
            path = f"/v3/role_assignments?scope.project.id={garden.ids.get(tree, tree)}&include_subtree"
            answer = await session.get(path)
            if role == "admin":
                assert answer.json()["role_assignments"] == []
            else:
                assert answer.status_code == 403


async def test_who_acts_in_a_project_sees_nothing_without_being_admin(garden: Garden) -> None:
    await garden.identity.user("joan", "manager", await garden.identity.project("own"))
    joan = await garden.identity.session("joan", scope="own")
    for query in ("", "scope.project.id=top", "scope.project.id=top&include_subtree", "include_subtree", "user.id=ada"):
        assert (await joan.get(f"/v3/role_assignments?{garden.query(query)}")).status_code == 403


@pytest.mark.parametrize("query", ["", "effective", "effective&include_names", "include_names"])
async def test_it_costs_the_same_for_1_and_for_many(garden: Garden, query: str) -> None:
    await effective(garden)
    admin, path = await garden.identity.admin(), f"/v3/role_assignments?{query}"
    before, few = await garden.identity.count_statements(admin.get(path))
    for number in range(20):
        await garden.make("user", f"u{number}", domain_id=garden.ids["garden"])
        await garden.make("group", f"g{number}", domain_id=garden.ids["garden"])
        await garden.say("PUT", f"groups/g{number}/users/u{number}")
        await garden.say("PUT", f"projects/top/groups/g{number}/roles/member")
        await garden.say("PUT", f"OS-INHERIT/projects/top/users/u{number}/roles/member/inherited_to_projects")
    await admin.get(path)
    after, many = await garden.identity.count_statements(admin.get(path))
    assert len(after.json()["role_assignments"]) >= len(before.json()["role_assignments"]) + 40
    assert len(many) <= len(few)
