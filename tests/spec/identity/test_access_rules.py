"""/v3/users/{user_id}/access_rules, and tokens that may be sent with some requests alone."""

from __future__ import annotations

import pytest

from support.identity import World
from support.programs import Ada, ada_of, by_credential


@pytest.fixture
async def ada(identity: World) -> Ada:
    return await ada_of(identity)


RULE = {"service": "identity", "method": "GET", "path": "/v3/users/*/application_credentials"}


async def test_access_rules_are_kept_shown_and_used_again(ada: Ada) -> None:
    made = await ada.make("one", access_rules=[RULE, RULE])
    [rule] = made["access_rules"]
    assert rule == {**RULE, "id": rule["id"]}
    again = await ada.make("two", access_rules=[{"id": rule["id"]}, {**RULE, "method": "POST"}])
    assert again["access_rules"][0] == rule
    listed = (await ada.session.get(f"/v3/users/{ada.id}/access_rules")).json()["access_rules"]
    assert {each["method"] for each in listed} == {"GET", "POST"}
    narrowed = (await ada.session.get(f"{ada.rules}?method=POST")).json()["access_rules"]
    assert [each["id"] for each in narrowed] == [again["access_rules"][1]["id"]]
    shown = (await ada.session.get(f"{ada.rules}/{rule['id']}")).json()["access_rule"]
    assert shown == {**rule, "links": {"self": f"http://cloud.example:8775/identity{ada.rules}/{rule['id']}"}}
    login = await ada.world.login(by_credential(id=made["id"], secret=made["secret"]))
    assert login.json()["token"]["application_credential"]["access_rules"] == [rule]


async def test_an_access_rule_is_deleted_once_nothing_has_it(ada: Ada) -> None:
    made = await ada.make(access_rules=[RULE])
    path = f"{ada.rules}/{made['access_rules'][0]['id']}"
    answer = await ada.session.delete(path)
    assert (answer.status_code, answer.json()["error"]["message"]) == (403, "May not delete access rule in use")
    await ada.session.delete(f"{ada.path}/{made['id']}")
    assert (await ada.session.get(path)).status_code == 200
    assert (await ada.session.delete(path)).status_code == 204
    for answer in (await ada.session.get(path), await ada.session.delete(path)):
        assert answer.status_code == 404


async def test_access_rules_are_their_users_and_of_readers_of_the_system(ada: Ada) -> None:
    made = await ada.make(access_rules=[RULE])
    path = f"{ada.rules}/{made['access_rules'][0]['id']}"
    eve_id = await ada.world.user("eve", "member", ada.project_id)
    eve = await ada.world.session("eve", scope="own")
    assert (await eve.get(path)).status_code == (await eve.get(ada.rules)).status_code == 403
    assert (await eve.delete(path)).status_code == 403
    below_her_own = f"/v3/users/{eve_id}/access_rules/{made['access_rules'][0]['id']}"
    assert (await eve.get(below_her_own)).status_code == (await eve.delete(below_her_own)).status_code == 404
    system = await ada.world.session("admin", scope={"system": {"all": True}})
    assert (await system.get(path)).status_code == 200
    assert (await system.get(f"{ada.rules}/{'0' * 32}")).status_code == 404


async def test_access_rules_hold_on_every_request(ada: Ada) -> None:
    session = await ada.login(await ada.make(access_rules=[RULE]))
    assert (await session.get(ada.path)).status_code == 200
    for method, path in (("GET", "/v3/auth/projects"), ("POST", ada.path), ("HEAD", ada.path), ("GET", ada.rules)):
        assert (await session.request(method, path)).status_code == 401
    assert (await session.get(f"/v3/users/{ada.id}%2Fapplication_credentials")).status_code == 401
    asked = {"X_Subject_Token": session.token, "OpenStack_Identity_Access_Rules": "1.0"}
    assert (await session.get("/v3/auth/tokens", **asked)).status_code == 200  # always


async def test_rules_for_another_service_allow_nothing_here(ada: Ada) -> None:
    session = await ada.login(await ada.make(access_rules=[{**RULE, "service": "compute"}]))
    assert (await session.get(ada.path)).status_code == 401


async def test_who_does_not_know_of_access_rules_is_not_told_that_such_a_token_is_good(ada: Ada) -> None:
    """A service with an old middleware would let it do everything."""
    session = await ada.login(await ada.make(access_rules=[RULE]))
    admin = await ada.world.admin()
    for version, status in (("", 404), ("0.9", 404), ("old", 404), ("1.0", 200)):
        said = {"OpenStack_Identity_Access_Rules": version} if version else {}
        answer = await admin.get("/v3/auth/tokens", X_Subject_Token=session.token, **said)
        assert answer.status_code == status
    head = await admin.request("HEAD", "/v3/auth/tokens", X_Subject_Token=session.token)
    assert head.status_code == (await admin.get(f"/v2.0/tokens/{session.token}")).status_code == 404
    assert (await admin.delete("/v3/auth/tokens", X_Subject_Token=session.token)).status_code == 204
