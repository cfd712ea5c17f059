"""/v3/users/{user_id}/application_credentials, access rules, and logging in with them."""

from __future__ import annotations

from typing import Any

import pytest

from pileus.kernel.errors import NotFound
from pileus.services.identity.application_credentials import service
from support.identity import PASSWORD, Session, World, by_password, by_token
from support.programs import Ada, ada_of, by_credential

NO = "The request you have made requires authentication."


@pytest.fixture
async def ada(identity: World) -> Ada:
    return await ada_of(identity)


async def test_what_is_made_shows_its_secret_once(ada: Ada) -> None:
    sent = {"description": "nightly", "expires_at": "2026-02-01T00:00:00.5Z", "unrestricted": True}
    path = f"/v3/users/{ada.id}/application_credentials"
    answer = await ada.session.post(path, {"application_credential": {"name": "backup", **sent}})
    assert answer.status_code == 201
    made = answer.json()["application_credential"]
    secret = made.pop("secret")
    assert len(secret) >= 64
    assert [role["name"] for role in made.pop("roles")] == ["member", "reader"]
    assert made == {
        "id": made["id"],
        "name": "backup",
        "description": "nightly",
        "user_id": ada.id,
        "project_id": ada.project_id,
        "system": None,
        "expires_at": "2026-02-01T00:00:00.500000",
        "unrestricted": True,
        "links": {"self": f"http://cloud.example:8775/identity{ada.path}/{made['id']}"},
    }
    shown = (await ada.session.get(f"{ada.path}/{made['id']}")).json()["application_credential"]
    assert "secret" not in shown
    assert {k: v for k, v in shown.items() if k != "roles"} == made


async def test_a_list_is_narrowed_by_name(ada: Ada) -> None:
    one, two = await ada.make("one"), await ada.make("two")
    listed = (await ada.session.get(f"/v3/users/{ada.id}/application_credentials")).json()
    assert {each["id"] for each in listed["application_credentials"]} == {one["id"], two["id"]}
    assert listed["links"]["self"].endswith(ada.path)
    named = (await ada.session.get(f"{ada.path}?name=two")).json()["application_credentials"]
    assert [each["id"] for each in named] == [two["id"]]
    assert [role["name"] for role in named[0]["roles"]] == ["member", "reader"]
    _, few = await ada.world.count_statements(ada.session.get(f"{ada.path}?name=two"))
    _, more = await ada.world.count_statements(ada.session.get(ada.path))
    assert len(few) == len(more)


async def test_a_login_by_id_gives_a_token_of_its_project_and_its_roles(ada: Ada) -> None:
    reader = await ada.world.role_id("reader")
    made = await ada.make(secret="my own", roles=[{"id": reader}])
    assert made["secret"] == "my own"
    answer = await ada.world.login(by_credential(id=made["id"], secret="my own"))
    token = answer.json()["token"]
    assert token["methods"] == ["application_credential"]
    assert token["project"]["id"] == ada.project_id
    assert token["roles"] == [{"id": reader, "name": "reader"}]
    assert token["user"]["id"] == ada.id
    assert token["application_credential"] == {"id": made["id"], "name": "backup", "restricted": True}
    text = answer.headers["X-Subject-Token"]
    assert len(text) < 255
    shown = await Session(ada.world.clients[0], text).get("/v3/auth/tokens", X_Subject_Token=text)
    assert shown.json()["token"] == token


@pytest.mark.parametrize("user", ["id", "name"])
async def test_a_login_by_name_names_the_user(ada: Ada, user: str) -> None:
    made = await ada.make()
    named = {"id": ada.id} if user == "id" else {"name": "ada", "domain": {"id": "default"}}
    answer = await ada.world.login(by_credential(name="backup", secret=made["secret"], user=named))
    assert answer.json()["token"]["application_credential"]["id"] == made["id"]


async def test_an_id_decides_whatever_user_is_named_beside_it(ada: Ada) -> None:
    made = await ada.make()
    admin = {"name": "admin", "domain": {"id": "default"}}
    answer = await ada.world.login(by_credential(id=made["id"], secret=made["secret"], user=admin))
    assert answer.json()["token"]["user"]["id"] == ada.id


async def test_what_cannot_be_proven_gives_one_and_the_same_401(ada: Ada) -> None:
    made = await ada.make(expires_at="2026-01-01T00:30:00Z")
    nobody = {"name": "nobody", "domain": {"id": "default"}}
    for named in (
        {"id": made["id"], "secret": "wrong"},
        {"id": made["id"]},
        {"id": "0" * 32, "secret": made["secret"]},
        {"name": "other", "secret": made["secret"], "user": {"id": ada.id}},
        {"name": "backup", "secret": made["secret"], "user": nobody},
    ):
        answer = await ada.world.login(by_credential(**named))
        assert (answer.status_code, answer.json()["error"]["message"]) == (401, NO)
    session = await ada.login(made)
    ada.world.clock.advance(1801)
    assert (await session.get("/v3/auth/projects")).status_code == 401  # the token ends with it
    answer = await ada.world.login(by_credential(id=made["id"], secret=made["secret"]))
    assert (answer.status_code, answer.json()["error"]["message"]) == (401, NO)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"secret": "x"}, "Expecting to find name or ID in application credential."),
        ({"secret": "x", "name": "n"}, "Expecting to find user in application credential."),
        ({"secret": "x", "name": "n", "user": {}}, "identity/application_credential/user: id or name"),
        ({"secret": 1, "id": "x"}, "identity.application_credential.secret"),
    ],
)
async def test_a_malformed_login_names_what_is_missing(ada: Ada, named: dict[str, Any], message: str) -> None:
    answer = await ada.world.login(by_credential(**named))
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


async def test_who_guesses_a_secret_has_to_wait(ada: Ada) -> None:
    made = await ada.make()
    for guess in range(6):
        await ada.world.login(by_credential(id=made["id"], secret=f"guess {guess}"))
    answer = await ada.world.login(by_credential(id=made["id"], secret=made["secret"]))
    assert (answer.status_code, "Retry-After" in answer.headers) == (401, True)
    other = await ada.make("other")
    await ada.login(other)


async def test_a_login_may_not_ask_for_a_scope(ada: Ada) -> None:
    made = await ada.make()
    body = by_credential(id=made["id"], secret=made["secret"])
    body["auth"]["scope"] = {"project": {"id": ada.project_id}}
    answer = await ada.world.login(body)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].endswith("Application credentials cannot request a scope.")


async def test_its_token_is_exchanged_for_one_of_the_same_worth_only(ada: Ada) -> None:
    made = await ada.make(roles=[{"name": "reader"}])
    session = await ada.login(made)
    again = (await ada.world.login(by_token(session.token))).json()["token"]
    assert [role["name"] for role in again["roles"]] == ["reader"]
    assert again["application_credential"]["id"] == made["id"]
    assert again["methods"] == ["token", "application_credential"]
    for scope in ({"project": {"id": ada.project_id}}, {"system": {"all": True}}, "unscoped", {"unscoped": {}}):
        assert (await ada.world.login(by_token(session.token, scope))).status_code == 403


async def test_methods_that_agree_on_the_user_may_not_widen_it(ada: Ada) -> None:
    """A password beside it adds a method, no scope and no role."""
    made = await ada.make(roles=[{"name": "reader"}])
    body = by_credential(id=made["id"], secret=made["secret"])
    body["auth"]["identity"]["methods"] = ["password", "application_credential"]
    body["auth"]["identity"]["password"] = by_password("ada")["auth"]["identity"]["password"]
    token = (await ada.world.login(body)).json()["token"]
    assert [role["name"] for role in token["roles"]] == ["reader"]


async def test_a_restricted_one_neither_makes_nor_deletes_others(ada: Ada) -> None:
    made = await ada.make()
    session = await ada.login(made)
    answer = await session.post(ada.path, {"application_credential": {"name": "more"}})
    assert answer.status_code == 403
    assert "Using method 'application_credential' is not allowed" in answer.json()["error"]["message"]
    assert (await session.delete(f"{ada.path}/{made['id']}")).status_code == 403
    assert (await session.get(ada.path)).status_code == 200
    exchanged = (await ada.world.login(by_token(session.token))).headers["X-Subject-Token"]
    again = Session(ada.world.clients[0], exchanged)
    assert (await again.post(ada.path, {"application_credential": {"name": "more"}})).status_code == 403


async def test_an_unrestricted_one_passes_on_no_more_than_it_has(ada: Ada) -> None:
    made = await ada.make(unrestricted=True, roles=[{"name": "reader"}])
    session = await ada.login(made)
    refused = await session.post(ada.path, {"application_credential": {"name": "more", "roles": [{"name": "member"}]}})
    assert refused.status_code == 400
    assert "unassigned role" in refused.json()["error"]["message"]
    more = await session.post(ada.path, {"application_credential": {"name": "more"}})
    assert [role["name"] for role in more.json()["application_credential"]["roles"]] == ["reader"]
    assert (await session.delete(f"{ada.path}/{made['id']}")).status_code == 204
    assert (await session.get(ada.path)).status_code == 401  # it has deleted itself


async def test_roles_bring_what_they_imply(ada: Ada) -> None:
    made = await ada.make(roles=[{"name": "member"}])
    assert [role["name"] for role in made["roles"]] == ["member", "reader"]


async def test_only_roles_that_are_still_held_count(ada: Ada) -> None:
    await ada.world.grant(ada.id, "manager", f"projects/{ada.project_id}")
    ada.session = await ada.world.session("ada", scope="own")
    session = await ada.login(await ada.make())
    admin, grants = await ada.world.admin(), f"/v3/projects/{ada.project_id}/users/{ada.id}/roles"
    await admin.delete(f"{grants}/{await ada.world.role_id('manager')}")
    token = (await session.get("/v3/auth/tokens", X_Subject_Token=session.token)).json()["token"]
    assert [role["name"] for role in token["roles"]] == ["member", "reader"]
    await admin.delete(f"{grants}/{await ada.world.role_id('member')}")
    assert (await session.get("/v3/auth/projects")).status_code == 401


@pytest.mark.parametrize("thing", ["projects", "users"])
async def test_it_goes_with_its_user_and_its_project(ada: Ada, thing: str) -> None:
    made = await ada.make(access_rules=[{"service": "identity", "method": "GET", "path": "/v3/auth/projects"}])
    session = await ada.login(made)
    id_ = ada.id if thing == "users" else ada.project_id
    assert (await (await ada.world.admin()).delete(f"/v3/{thing}/{id_}")).status_code == 204
    assert (await session.get("/v3/auth/projects")).status_code == 401
    assert (await ada.world.login(by_credential(id=made["id"], secret=made["secret"]))).status_code == 401


async def test_a_deleted_role_is_no_more_in_it(ada: Ada) -> None:
    admin = await ada.world.admin()
    role_id = (await admin.post("/v3/roles", {"role": {"name": "painter"}})).json()["role"]["id"]
    await ada.world.grant(ada.id, "painter", f"projects/{ada.project_id}")
    ada.session = await ada.world.session("ada", scope="own")
    made = await ada.make(roles=[{"id": role_id}])
    session = await ada.login(made)
    await admin.delete(f"/v3/roles/{role_id}")
    assert (await session.get("/v3/auth/projects")).status_code == 401
    assert (await ada.session.get(f"{ada.path}/{made['id']}")).json()["application_credential"]["roles"] == []


async def test_after_its_deletion_nothing_of_it_works(ada: Ada) -> None:
    made = await ada.make()
    session = await ada.login(made)
    assert (await ada.session.delete(f"{ada.path}/{made['id']}")).status_code == 204
    assert (await session.get("/v3/auth/projects")).status_code == 401
    assert (await ada.session.get(f"{ada.path}/{made['id']}")).status_code == 404
    assert (await ada.session.delete(f"{ada.path}/{made['id']}")).status_code == 404
    with pytest.raises(NotFound):  # of two who delete it at once
        await service.delete(ada.world.ctx, made["id"])


async def test_a_name_is_given_once_per_user(ada: Ada) -> None:
    await ada.make()
    answer = await ada.post()
    assert answer.status_code == 409
    assert "Duplicate entry found with name backup" in answer.json()["error"]["message"]


async def test_a_token_without_a_project_makes_none(ada: Ada) -> None:
    ada.session = await ada.world.session("ada")
    assert (await ada.post()).status_code == 400
    ada.session = await ada.world.session("admin", scope={"system": {"all": True}})
    assert (await ada.post()).status_code == 403


@pytest.mark.parametrize(
    ("facts", "status", "message"),
    [
        ({"name": ""}, 400, "application_credential.name"),
        ({"expires_at": "next tuesday"}, 400, "Timestamp not in expected format."),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, 400, "Timestamp not in expected format."),
        ({"expires_at": "2025-12-31T23:59:59Z"}, 400, "The 'expires_at' must not be before now."),
        ({"roles": [{"id": "0" * 32}]}, 400, "unassigned role"),
        ({"roles": [{"name": "no such role"}]}, 404, "Could not find role: no such role."),
        ({"roles": [{"name": "admin"}]}, 400, "unassigned role"),
        ({"roles": [{}]}, 400, "each is an id or a name"),
        ({"roles": [{"id": "x", "name": "x"}]}, 400, "each is an id or a name"),
        ({"access_rules": [{"path": "/v3"}]}, 400, "an access rule has a service"),
        ({"access_rules": [{"id": "0" * 32}]}, 400, "Could not find Access Rule"),
        ({"access_rules": [{"service": "x", "path": "v3", "method": "GET"}]}, 400, "access_rules[0].path"),
        ({"access_rules": [{"service": "x", "path": "/v3", "method": "TRACE"}]}, 400, "access_rules[0].method"),
        ({"access_rules": [{"service": "x y", "path": "/v3", "method": "GET"}]}, 400, "access_rules[0].service"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
async def test_what_cannot_be_made_is_told(ada: Ada, facts: dict[str, Any], status: int, message: str) -> None:
    answer = await ada.post(**{"name": "backup", **facts})
    assert answer.status_code == status, answer.text
    assert message in answer.json()["error"]["message"]


async def test_whose_it_is_decides_not_whose_the_path_says(ada: Ada) -> None:
    """As tempest's RBAC tests have it: 403 for another's, 404 for what is missing below one's own path."""
    made = await ada.make()
    eve_id = await ada.world.user("eve", "member", ada.project_id)
    eve = await ada.world.session("eve", scope="own")
    for user_id in (ada.id, eve_id):
        path = f"/v3/users/{user_id}/application_credentials/{made['id']}"
        assert (await eve.get(path)).status_code == 403
        assert (await eve.delete(path)).status_code == 403
    assert (await eve.get(f"/v3/users/{eve_id}/application_credentials/{'0' * 32}")).status_code == 404
    assert (await eve.get(f"{ada.path}/{'0' * 32}")).status_code == 403
    assert (await eve.get(ada.path)).status_code == 403
    assert (await eve.post(ada.path, {"application_credential": {"name": "x"}})).status_code == 403
    admin = await ada.world.admin()
    assert (await admin.get(f"{ada.path}/{made['id']}")).status_code == 200
    assert (await admin.delete(f"{ada.path}/{made['id']}")).status_code == 204


async def test_a_password_changed_leaves_it_as_it_is(ada: Ada) -> None:
    """That is what it is for: programs go on."""
    made = await ada.make()
    body = {"user": {"original_password": PASSWORD, "password": "another one"}}
    await ada.world.nobody.post(f"/v3/users/{ada.id}/password", body)
    await ada.login(made)
