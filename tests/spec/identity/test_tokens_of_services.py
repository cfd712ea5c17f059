"""Tokens as services use them: expired ones for a while, their own beside the user's, and what was revoked."""

from __future__ import annotations

import pytest

from pileus.services.identity.tokens import service as tokens
from support.identity import PASSWORD, Session, World, by_password

WINDOW_S = 172_800


async def services_token(identity: World) -> Session:
    """A service with the role `service` in the project `service`; its token is issued now."""
    admin = await identity.admin()
    project = (await admin.get("/v3/projects?name=service")).json()["projects"][0]
    if not (await admin.get("/v3/users?name=nova")).json()["users"]:
        await identity.user("nova", "service", project["id"])
    return await identity.session("nova", scope="service")


async def test_an_expired_token_is_shown_to_who_asks_for_it_for_a_while(identity: World) -> None:
    user = await identity.admin()
    identity.clock.advance(3601)
    nova = await services_token(identity)
    for query, status in (
        ("", 404),
        ("?allow_expired=0", 404),
        ("?allow_expired=1", 200),
        ("?allow_expired=true", 200),
    ):
        for method in ("GET", "HEAD"):
            path = f"/v3/auth/tokens{query}"
            answer = await nova.request(method, path, X_Subject_Token=user.token)
            assert answer.status_code == (403 if method == "HEAD" and status == 200 else status)
    identity.clock.advance(WINDOW_S)
    nova = await services_token(identity)
    assert (await nova.get("/v3/auth/tokens?allow_expired=1", X_Subject_Token=user.token)).status_code == 404


async def test_what_was_revoked_is_not_shown_after_its_end_either(identity: World) -> None:
    user, other = [await identity.session("admin", scope="admin") for _ in range(2)]
    await other.delete("/v3/auth/tokens", X_Subject_Token=user.token)
    identity.clock.advance(3601 + WINDOW_S - 3700)
    admin = await identity.admin()
    another = await identity.session("admin")
    await admin.delete("/v3/auth/tokens", X_Subject_Token=another.token)  # forgets what is over
    assert (await admin.get("/v3/auth/tokens?allow_expired=1", X_Subject_Token=user.token)).status_code == 404
    shown = await admin.get("/v3/auth/tokens?allow_expired=1", X_Subject_Token=other.token)
    assert shown.status_code == 200


async def test_a_service_goes_on_in_the_name_of_its_user(identity: World) -> None:
    user = await identity.session("admin", scope="admin")
    identity.clock.advance(3601)
    nova = await services_token(identity)
    assert (await user.get("/v3/auth/projects")).status_code == 401
    assert (await user.get("/v3/auth/projects", X_Service_Token=nova.token)).status_code == 200
    no_service = await identity.admin()
    assert (await user.get("/v3/auth/projects", X_Service_Token=no_service.token)).status_code == 401
    assert (await user.get("/v3/auth/projects", X_Service_Token="x")).status_code == 401
    identity.clock.advance(WINDOW_S)
    nova = await services_token(identity)
    assert (await user.get("/v3/auth/projects", X_Service_Token=nova.token)).status_code == 401


async def test_rules_may_ask_for_the_roles_of_the_service(identity: World) -> None:
    user, nova = await identity.admin(), await services_token(identity)
    caller = await tokens.authenticate(identity.ctx, user.token, nova.token)
    assert caller.user_name == "admin"
    assert caller.facts["service_roles"] == ["service"]
    assert caller.facts["service_user_domain_id"] == "default"
    alone = await tokens.authenticate(identity.ctx, user.token)
    assert "service_roles" not in alone.facts


async def test_revocations_are_told(identity: World) -> None:
    user_id = await identity.user("ada")
    ada = await identity.session("ada")
    admin, nova = await identity.admin(), await services_token(identity)
    issued = (await ada.get("/v3/auth/tokens", X_Subject_Token=ada.token)).json()["token"]
    await ada.delete("/v3/auth/tokens?cascade=false", X_Subject_Token=ada.token)
    identity.clock.advance(60)
    await admin.patch(f"/v3/users/{user_id}", {"user": {"enabled": False}})
    told = (await nova.get("/v3/OS-REVOKE/events")).json()
    by_audit, by_user = told["events"]
    assert by_audit["audit_id"] == issued["audit_ids"][0]
    assert set(by_audit) == {"audit_id", "issued_before", "revoked_at"}
    assert by_user["user_id"] == user_id
    assert by_user["revoked_at"].startswith("2026-01-01T00:01:00")
    assert told["links"]["self"] == "http://cloud.example:8775/identity/v3/OS-REVOKE/events"
    since = (await admin.get("/v3/OS-REVOKE/events?since=2026-01-01T00:00:30Z")).json()["events"]
    assert since == [by_user]
    page = (await admin.get("/v3/OS-REVOKE/events?limit=1")).json()
    assert page["events"] == [by_audit]
    assert (await admin.get("/v3/OS-REVOKE/events?since=yesterday")).status_code == 400
    assert (await (await identity.session("admin")).get("/v3/OS-REVOKE/events")).status_code == 403


@pytest.mark.parametrize("extra", [{"tenant": 1}, {"identity": {"foo": {}}}])
async def test_what_a_login_says_beside_is_left_alone(identity: World, extra: dict[str, object]) -> None:
    """As by Keystone's own schema."""
    body = by_password("admin", scope="admin")
    user = body["auth"]["identity"]["password"]["user"]
    user["email"], user["domain"]["extra"] = "a@example.com", {}
    body["auth"]["identity"] |= extra.get("identity", {})  # type: ignore[operator]
    body["auth"]["tenant"] = extra
    assert (await identity.login({**body, "other": PASSWORD})).status_code == 201


@pytest.mark.parametrize("body", [{}, {"auth": None}])
async def test_a_login_without_auth_is_told(identity: World, body: dict[str, object]) -> None:
    answer = await identity.login(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("Expecting to find auth in request body.")
