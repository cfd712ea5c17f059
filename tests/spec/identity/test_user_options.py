"""What may be said of a user: options, what callers keep beside, and what identity providers call it."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from pileus.services.identity.users import service as users
from support.identity import Session, World

FLAGS = (
    "ignore_change_password_upon_first_use",
    "ignore_password_expiry",
    "ignore_lockout_failure_attempts",
    "ignore_user_inactivity",
    "lock_password",
    "multi_factor_auth_enabled",
)


@pytest.mark.parametrize("name", FLAGS)
async def test_an_option_is_set_and_taken_away_and_the_others_stay(identity: World, name: str) -> None:
    admin = await identity.admin()
    rules = {"multi_factor_auth_rules": [["password", "totp"]]}
    made = await admin.post("/v3/users", {"user": {"name": "ada", "options": {**rules, name: None}}})
    path = f"/v3/users/{made.json()['user']['id']}"
    assert made.json()["user"]["options"] == rules
    for value, expected in ((True, {**rules, name: True}), (False, {**rules, name: False}), (None, rules)):
        changed = await admin.patch(path, {"user": {"options": {name: value}}})
        assert changed.json()["user"]["options"] == expected
        assert (await admin.get(path)).json() == changed.json()


async def test_rules_of_factors_are_known_methods_and_said_once(identity: World) -> None:
    admin = await identity.admin()
    rules = [["password", "totp", "password"], ["password"], ["password", "totp"]]
    made = await admin.post("/v3/users", {"user": {"name": "ada", "options": {"multi_factor_auth_rules": rules}}})
    assert made.json()["user"]["options"] == {"multi_factor_auth_rules": [["password", "totp"], ["password"]]}
    path = f"/v3/users/{made.json()['user']['id']}"
    changed = await admin.patch(path, {"user": {"options": {"multi_factor_auth_rules": None}}})
    assert changed.json()["user"]["options"] == {}


@pytest.mark.parametrize(
    "options",
    [
        {"unheard_of": True},
        {"lock_password": "yes"},
        {"multi_factor_auth_rules": "password"},
        {"multi_factor_auth_rules": ["password"]},
        {"multi_factor_auth_rules": [[]]},
        {"multi_factor_auth_rules": [["password", "horoscope"]]},
        {"multi_factor_auth_rules": [["password", 1]]},
        None,
        [],
    ],
)
async def test_what_is_no_option(identity: World, options: Any) -> None:
    admin = await identity.admin()
    path = f"/v3/users/{await identity.user('ada')}"
    for answer in (
        await admin.post("/v3/users", {"user": {"name": "eve", "options": options}}),
        await admin.patch(path, {"user": {"options": options}}),
    ):
        assert answer.status_code == 400
        assert "options" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"name": " "}, "name"),
        ({"name": None}, "name"),
        ({"domain_id": 1}, "domain_id"),
        ({"default_project_id": "x" * 65}, "default_project_id"),
        ({"description": 1}, "description"),
        ({"enabled": None}, "enabled"),
        ({"password": 1}, "password"),
        ({"federated": {}}, "federated"),
        ({"federated": [{"idp_id": "a", "protocols": []}]}, "federated"),
        ({"federated": [{"idp_id": "a", "protocols": [{"protocol_id": "b"}]}]}, "federated"),
    ],
)
async def test_a_user_is_refused_by_the_name_of_what_is_wrong(identity: World, wrong: Any, name: str) -> None:
    admin = await identity.admin()
    path = f"/v3/users/{await identity.user('ada')}"
    for answer in (
        await admin.post("/v3/users", {"user": {"name": "eve", **wrong}}),
        await admin.patch(path, {"user": wrong}),
    ):
        assert answer.status_code == 400
        assert name in answer.json()["error"]["message"]


async def test_what_a_user_is_shown_as_may_be_sent_back(identity: World) -> None:
    """As Ansible and others do: read, change one thing, write the whole."""
    admin = await identity.admin()
    sent = {"name": " ada ", "description": "counts", "email": "a@example.org", "phones": [1, 2]}
    made = (await admin.post("/v3/users", {"user": sent})).json()["user"]
    assert (made["name"], made["description"], made["phones"]) == ("ada", "counts", [1, 2])
    path = f"/v3/users/{made['id']}"
    again = {**made, "description": None, "password_expires_at": "2001-01-01T00:00:00.000000"}
    assert (await admin.patch(path, {"user": again})).json()["user"] == {**made, "description": None}
    renamed = await admin.patch(path, {"user": {"name": " lovelace "}})
    assert renamed.json()["user"]["name"] == "lovelace"


async def test_names_differ_by_case_and_by_domain(identity: World) -> None:
    admin = await identity.admin()
    domain = (await admin.post("/v3/domains", {"domain": {"name": "garden"}})).json()["domain"]["id"]
    ids = {await identity.user("ada"), await identity.user("Ada"), await identity.user("ada", domain_id=domain)}
    assert len(ids) == 3
    assert (await admin.post("/v3/users", {"user": {"name": " ada"}})).status_code == 409


async def test_a_deleted_project_is_nobodys_default(identity: World) -> None:
    admin = await identity.admin()
    project_id = await identity.project("own")
    user_id = await identity.user("ada", default_project_id=project_id)
    assert (await admin.delete(f"/v3/projects/{project_id}")).status_code == 204
    assert "default_project_id" not in (await admin.get(f"/v3/users/{user_id}")).json()["user"]


async def test_a_user_is_looked_for_by_when_its_password_expires(identity: World) -> None:
    await identity.site(password_expires_days=10)
    admin = await identity.session("admin", process=1, scope="admin")
    soon = (await admin.post("/v3/users", {"user": {"name": "soon", "password": "x"}})).json()["user"]
    identity.clock.advance(60)
    late = (await admin.post("/v3/users", {"user": {"name": "late", "password": "x"}})).json()["user"]
    at = soon["password_expires_at"]
    assert at < late["password_expires_at"]
    for query, names in {
        f"lt:{at}Z": [],
        f"lte:{at}Z": ["soon"],
        f"gt:{at}Z": ["late"],
        f"gte:{at}": ["late", "soon"],
        f"eq:{at}Z": ["soon"],
        f"{at}Z": ["soon"],
        f"neq:{at}Z": ["late"],
    }.items():
        found = (await admin.get(f"/v3/users?password_expires_at={query}")).json()["users"]
        assert sorted(user["name"] for user in found) == names, query
    for wrong in ("tomorrow", f"le:{at}Z"):
        assert (await admin.get(f"/v3/users?password_expires_at={wrong}")).status_code == 400


async def test_a_noun_above_lists_some_users(identity: World) -> None:
    """By their ids, as a SELECT: filters and pages are those of all users."""
    ids = [await identity.user(name) for name in ("ada", "eve", "bob")]
    among = sa.union_all(*(sa.select(sa.literal(each)) for each in ids[:2])).subquery()
    found = await users.page(identity.ctx, {"name__contains": ["a"]}, domain_id=None, among=sa.select(among))
    assert [user.name for user in found.items] == ["ada"]


@pytest.fixture
async def provider(identity: World) -> str:
    """The path of the identity provider `sun`, which speaks the protocol `mapped`."""
    admin, path = await identity.admin(), "/v3/OS-FEDERATION/identity_providers/sun"
    rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "NAME"}]}]
    for at, body in (
        ("/v3/OS-FEDERATION/mappings/all", {"mapping": {"rules": rules}}),
        (path, {"identity_provider": {"enabled": True}}),
        (f"{path}/protocols/mapped", {"protocol": {"mapping_id": "all"}}),
    ):
        answer = await admin.request("PUT", at, body)
        assert answer.status_code == 201, answer.text
    return path


def known_as(unique_id: str, idp_id: str = "sun") -> dict[str, Any]:
    return {"idp_id": idp_id, "protocols": [{"protocol_id": "mapped", "unique_id": unique_id}]}


async def test_a_user_is_known_to_an_identity_provider(identity: World, provider: str) -> None:
    admin = await identity.admin()
    sent = {"name": "ada", "federated": [known_as("a@sun"), known_as("a@sun"), known_as("ada@sun")]}
    made = (await admin.post("/v3/users", {"user": sent})).json()["user"]
    both = known_as("a@sun")["protocols"] + known_as("ada@sun")["protocols"]
    assert made["federated"] == [{"idp_id": "sun", "protocols": both}]
    path = f"/v3/users/{made['id']}"
    assert (await admin.get(path)).json() == {"user": made}
    for change in ({"enabled": True}, {"federated": []}):
        assert (await admin.patch(path, {"user": change})).json()["user"] == made
    changed = await admin.patch(path, {"user": {"federated": [known_as("countess@sun")]}})
    assert changed.json()["user"]["federated"] == [known_as("countess@sun")]
    assert await named_by(admin, "idp_id=sun&protocol_id=mapped&unique_id=countess@sun") == ["ada"]
    assert await named_by(admin, "unique_id=a@sun") == []
    eve = f"/v3/users/{await identity.user('eve')}"
    taken = await admin.patch(eve, {"user": {"federated": [known_as("countess@sun")]}})
    assert taken.status_code == 409
    unknown = await admin.patch(eve, {"user": {"federated": [known_as("x", "moon")]}})
    assert unknown.status_code == 400
    assert "Could not find federated protocol mapped for Identity Provider: moon" in unknown.text
    assert "federated" not in (await admin.get(eve)).json()["user"]
    assert (await admin.delete(f"{provider}/protocols/mapped")).status_code == 204
    assert "federated" not in (await admin.get(path)).json()["user"]


async def named_by(session: Session, query: str) -> list[str]:
    return [user["name"] for user in (await session.get(f"/v3/users?{query}")).json()["users"]]
