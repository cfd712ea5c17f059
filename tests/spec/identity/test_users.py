"""/v3/users."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import World, same_answer

MISSING = "0" * 32


async def test_a_user_is_made_shown_changed_and_deleted(identity: World) -> None:
    admin = await identity.admin()
    project_id = await identity.project("own")
    sent = {"name": "ada", "password": "x", "email": "ada@example.org", "default_project_id": project_id}
    made = await admin.post("/v3/users", {"user": sent})
    assert made.status_code == 201
    user = made.json()["user"]
    assert user == {
        "id": user["id"],
        "name": "ada",
        "domain_id": "default",
        "enabled": True,
        "email": "ada@example.org",
        "default_project_id": project_id,
        "password_expires_at": None,
        "options": {},
        "links": {"self": f"http://cloud.example:8775/identity/v3/users/{user['id']}"},
    }
    path = f"/v3/users/{user['id']}"
    assert (await admin.get(path)).json() == {"user": user}
    changed = await admin.patch(path, {"user": {"name": "lovelace", "default_project_id": None, "phone": "1"}})
    expected = {**user, "name": "lovelace", "phone": "1"}
    del expected["default_project_id"]
    assert changed.json() == {"user": expected}
    assert (await admin.get("/v3/users?name=lovelace")).json()["users"] == [expected]
    assert (await admin.delete(path)).status_code == 204
    gone = await admin.get(path)
    assert (gone.status_code, gone.json()["error"]["message"]) == (404, f"Could not find user: {user['id']}.")


@pytest.mark.parametrize(
    ("facts", "status", "message"),
    [
        ({"name": "admin"}, 409, "Duplicate entry found with name admin"),
        ({"name": "a", "domain_id": MISSING}, 404, f"Could not find domain: {MISSING}."),
        ({"name": "a", "default_project_id": "default"}, 400, "cannot be a domain ID"),
        ({"name": "x" * 256}, 400, "name"),
        ({"name": "a", "enabled": "yes"}, 400, "enabled"),
        ({}, 400, "name"),
    ],
)
async def test_what_is_no_user(identity: World, facts: dict[str, Any], status: int, message: str) -> None:
    answer = await (await identity.admin()).post("/v3/users", {"user": facts})
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


async def test_a_user_does_not_move_to_another_domain_nor_to_a_taken_name(identity: World) -> None:
    admin = await identity.admin()
    path = f"/v3/users/{await identity.user('ada')}"
    assert (await admin.patch(path, {"user": {"domain_id": "elsewhere"}})).status_code == 400
    assert (await admin.patch(path, {"user": {"name": "admin"}})).status_code == 409
    assert (
        await admin.patch(path, {"user": {"domain_id": "default", "id": path.rpartition("/")[2]}})
    ).status_code == 200
    assert (await admin.patch(path, {"user": {}})).status_code == 400
    assert (await admin.patch(path, {"user": {"id": MISSING}})).status_code == 400


async def test_one_sees_oneself_and_strangers_learn_nothing(identity: World) -> None:
    own, other = await identity.user("ada", "member", await identity.project("own")), await identity.user("eve")
    ada = await identity.session("ada", scope="own")
    assert (await ada.get(f"/v3/users/{own}")).status_code == 200
    assert (await ada.get("/v3/users")).status_code == 403
    for method, body in (("GET", None), ("PATCH", {"user": {"name": "x"}}), ("DELETE", None)):
        there, missing = [await ada.request(method, f"/v3/users/{id_}", body) for id_ in (other, MISSING)]
        assert there.status_code == 403
        assert same_answer(there, missing)
    assert (await ada.post("/v3/users", {"user": {"name": "x"}})).status_code == 403
