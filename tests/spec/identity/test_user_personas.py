"""Who may do what with users: each role in each scope, as OpenStack's own list of it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from support.identity import Session, World

ROLES = ("admin", "manager", "member", "reader")
MISSING = "0" * 32


@dataclass
class Stage:
    """A persona, its own domain with a user in it, and a user elsewhere."""

    who: Session
    own_id: str
    domain_id: str
    here_id: str
    there_id: str


async def staged(identity: World, role: str, scope: str) -> Stage:
    admin = await identity.admin()
    domain_id = (await admin.post("/v3/domains", {"domain": {"name": "own"}})).json()["domain"]["id"]
    own_id = await identity.user("persona", domain_id=domain_id)
    project_id = await identity.project("own", domain_id=domain_id)
    place = {"system": "system", "domain": f"domains/{domain_id}", "project": f"projects/{project_id}"}[scope]
    await identity.grant(own_id, role, place)
    wanted: Any = {"system": {"all": True}} if scope == "system" else {scope: {"id": place.rpartition("/")[2]}}
    who = await identity.session("persona", domain=domain_id, scope=wanted)
    here_id = await identity.user("here", domain_id=domain_id)
    return Stage(who, own_id, domain_id, here_id, await identity.user("there"))


def expected(role: str, scope: str) -> dict[str, set[str]]:
    """Where a persona may read, write and make: `here` in its own domain, `there` in another, `nowhere` for what is missing."""
    everywhere = {"here", "there", "nowhere", "unsaid"}
    if role == "admin":
        return {"read": everywhere, "write": everywhere}
    if scope == "system":
        return {"read": everywhere, "write": set()}
    if scope == "domain":
        return {"read": {"here"}, "write": {"here"} if role == "manager" else set()}
    return {"read": set(), "write": set()}


@pytest.mark.parametrize("scope", ["system", "domain", "project"])
@pytest.mark.parametrize("role", ROLES)
async def test_a_persona_may_do_what_is_expected_of_it(identity: World, role: str, scope: str) -> None:
    stage, may = await staged(identity, role, scope), expected(role, scope)
    ids = {"here": stage.here_id, "there": stage.there_id, "nowhere": MISSING}
    found = {"read": set(), "write": set(), "make": set(), "delete": set()}
    for place, user_id in ids.items():
        done = 404 if place == "nowhere" else 200
        path = f"/v3/users/{user_id}"
        for verb, answer in (
            ("read", await stage.who.get(path)),
            ("write", await stage.who.patch(path, {"user": {"description": "x"}})),
            ("delete", await stage.who.delete(path)),
        ):
            assert answer.status_code in {done, 204, 403}, answer.text
            if answer.status_code != 403:
                found[verb].add(place)
    for place, domain in (
        ("here", {"domain_id": stage.domain_id}),
        ("there", {"domain_id": "default"}),
        ("unsaid", {}),
    ):
        answer = await stage.who.post("/v3/users", {"user": {"name": f"new {place}", **domain}})
        assert answer.status_code in {201, 403}
        if answer.status_code == 201:
            found["make"].add(place)
            made_in = domain.get("domain_id", stage.domain_id if scope == "domain" else "default")
            assert answer.json()["user"]["domain_id"] == made_in
    assert found["read"] == may["read"] - {"unsaid"}
    assert found["write"] == found["delete"] == may["write"] - {"unsaid"}
    assert found["make"] == may["write"] - {"nowhere"}
    assert (await stage.who.get(f"/v3/users/{stage.own_id}")).status_code == 200


@pytest.mark.parametrize("scope", ["system", "domain", "project"])
@pytest.mark.parametrize("role", ROLES)
async def test_a_persona_lists_those_whom_it_may_see(identity: World, role: str, scope: str) -> None:
    stage = await staged(identity, role, scope)
    answer = await stage.who.get("/v3/users")
    if scope == "project" and role != "admin":
        assert answer.status_code == 403
        return
    ids = {user["id"] for user in answer.json()["users"]}
    assert stage.here_id in ids
    assert (stage.there_id in ids) is (scope != "domain")
    elsewhere = (await stage.who.get("/v3/users?domain_id=default")).json()["users"]
    assert bool(elsewhere) is (scope != "domain")
