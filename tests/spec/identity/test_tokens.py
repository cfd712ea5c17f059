"""POST, GET, HEAD and DELETE /v3/auth/tokens, as keystoneauth and keystonemiddleware use them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet, MultiFernet

from pileus.kernel.errors import Unauthorized
from pileus.services.identity.grounds import Basis
from pileus.services.identity.methods import Proof
from pileus.services.identity.revision import service as revision
from pileus.services.identity.tokens import rules, service
from pileus.services.identity.tokens.rules import Scope, Token
from support.identity import PASSWORD, World, by_password, by_token

NO = {
    "error": {
        "code": 401,
        "title": "Unauthorized",
        "message": "The request you have made requires authentication.",
    }
}


async def test_a_project_token_shows_user_project_roles_and_catalogue(identity: World) -> None:
    answer = await identity.login(by_password("admin", scope="admin"))
    assert answer.status_code == 201
    assert 100 < len(answer.headers["X-Subject-Token"]) < 255
    assert answer.headers["Vary"] == "X-Auth-Token"
    token = answer.json()["token"]
    assert token["methods"] == ["password"]
    assert token["user"]["name"] == "admin"
    assert token["user"]["domain"] == {"id": "default", "name": "Default"}
    assert token["user"]["password_expires_at"] is None
    assert token["project"]["name"] == "admin"
    assert token["project"]["domain"] == {"id": "default", "name": "Default"}
    assert token["is_domain"] is False
    assert [role["name"] for role in token["roles"]] == ["admin", "manager", "member", "reader"]
    assert len(token["audit_ids"]) == 1
    assert token["issued_at"] == "2026-01-01T00:00:00.000000Z"
    assert token["expires_at"] == "2026-01-01T01:00:00.000000Z"
    assert {service["type"] for service in token["catalog"]} == {"identity", "volumev3"}


async def test_the_catalogue_is_rendered_for_the_address_that_was_asked(identity: World) -> None:
    body = by_password("admin", scope="admin")
    answer = await identity.nobody.request("POST", "/v3/auth/tokens", body, Host="other.example")
    token = answer.json()["token"]
    volume = next(each for each in token["catalog"] if each["type"] == "volumev3")
    assert volume["name"] == "cinder"
    assert {each["interface"] for each in volume["endpoints"]} == {"public", "internal", "admin"}
    assert volume["endpoints"][0]["url"] == f"http://other.example/volume/v3/{token['project']['id']}"
    assert volume["endpoints"][0]["region"] == volume["endpoints"][0]["region_id"] == "RegionOne"


async def test_nocatalog_leaves_the_catalogue_out(identity: World) -> None:
    answer = await identity.login(by_password("admin", scope="admin"), "?nocatalog")
    assert "catalog" not in answer.json()["token"]


@pytest.mark.parametrize("scope", [None, "unscoped", {"unscoped": {}}])
async def test_without_a_scope_a_token_has_neither_roles_nor_catalogue(identity: World, scope: Any) -> None:
    body = by_password("admin")
    if scope is not None:
        body["auth"]["scope"] = scope
    token = (await identity.login(body)).json()["token"]
    assert not {"roles", "catalog", "project", "domain", "system"} & set(token)


async def test_the_default_project_is_the_scope_of_a_login_without_one(identity: World) -> None:
    project_id = await identity.project("own")
    await identity.user("ada", "member", project_id, default_project_id=project_id)
    token = (await identity.login(by_password("ada"))).json()["token"]
    assert token["project"]["id"] == project_id
    assert [role["name"] for role in token["roles"]] == ["member", "reader"]


async def test_a_default_project_without_a_role_gives_an_unscoped_token(identity: World) -> None:
    await identity.user("ada", default_project_id=await identity.project("foreign"))
    assert "project" not in (await identity.login(by_password("ada"))).json()["token"]


async def test_a_system_token(identity: World) -> None:
    token = (await identity.login(by_password("admin", scope={"system": {"all": True}}))).json()["token"]
    assert token["system"] == {"all": True}
    assert "admin" in {role["name"] for role in token["roles"]}
    urls = [each["url"] for service in token["catalog"] for each in service["endpoints"]]
    assert urls == ["http://cloud.example:8775/identity"] * 3  # what needs a project is left out


@pytest.mark.parametrize("named", [{"id": "default"}, {"name": "Default"}])
async def test_a_domain_token(identity: World, named: dict[str, str]) -> None:
    user_id = await identity.user("ada")
    await identity.grant(user_id, "manager", "domains/default")
    token = (await identity.login(by_password("ada", scope={"domain": named}))).json()["token"]
    assert token["domain"] == {"id": "default", "name": "Default"}
    assert [role["name"] for role in token["roles"]] == ["manager", "member", "reader"]


async def test_a_login_by_ids(identity: World) -> None:
    project_id = await identity.project("own")
    user_id = await identity.user("ada", "reader", project_id)
    identity_ = {"methods": ["password"], "password": {"user": {"id": user_id, "password": PASSWORD}}}
    body = {"auth": {"identity": identity_, "scope": {"project": {"id": project_id}}}}
    assert (await identity.login(body)).json()["token"]["user"]["id"] == user_id


@pytest.mark.parametrize(
    "body",
    [
        by_password("admin", "wrong", scope="admin"),
        by_password("admin", "", scope="admin"),
        by_password("nobody", scope="admin"),
        by_password("admin", domain="nowhere", scope="admin"),
        by_password("admin", scope="nowhere"),
        by_password("admin", scope={"project": {"id": "0" * 32}}),
        by_password("admin", scope={"domain": {"id": "0" * 32}}),
        by_password("admin", scope={"domain": {"id": "default"}}),  # no role there
        by_password("admin", scope={"project": {"id": "default"}}),  # a domain is no project to log in to
        by_password("admin", scope={"project": {"name": "admin", "domain": {"name": "nowhere"}}}),
        by_password("admin", scope={"OS-TRUST:trust": {"id": "0" * 32}}),
        {"auth": {"identity": {"methods": []}}},
    ],
    ids=lambda body: str(body)[-60:],
)
async def test_what_cannot_be_proven_gives_one_and_the_same_401(identity: World, body: dict[str, Any]) -> None:
    answer = await identity.login(body)
    assert (answer.status_code, answer.json()) == (401, NO)
    assert answer.headers["WWW-Authenticate"] == 'Keystone uri="http://cloud.example:8775/identity"'


async def test_an_unsupported_method_is_named_so(identity: World) -> None:
    answer = await identity.login({"auth": {"identity": {"methods": ["kerberos"], "kerberos": {}}}})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "Attempted to authenticate with an unsupported method."


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ({"identity": {"methods": ["password"]}}, "Expecting to find password in identity."),
        ({"identity": {"methods": ["token"]}}, "Expecting to find token in identity."),
        ({"identity": {"methods": ["password"], "password": {"user": {}}}}, "id or name must be present."),
        ({"identity": {"methods": ["password"], "password": {"user": {"name": "a"}}}}, "find domain in user."),
        (
            {"identity": {"methods": ["password"], "password": {"user": {"name": "a", "domain": {}}}}},
            "Invalid input for field identity/password/user/domain: id or name must be present.",
        ),
        ({**by_password("admin")["auth"], "scope": {}}, "Expecting to find system, project, domain"),
        ({**by_password("admin")["auth"], "scope": {"project": {}}}, "field scope/project: id or name"),
        ({**by_password("admin")["auth"], "scope": {"project": {"name": "a"}}}, "find domain in project."),
        ({**by_password("admin")["auth"], "scope": {"project": {"name": "a", "domain": {}}}}, "scope/project/domain"),
        ({**by_password("admin")["auth"], "scope": {"domain": {}}}, "field scope/domain: id or name"),
        ({**by_password("admin")["auth"], "scope": {"system": {}, "domain": {}}}, "Expecting to find system"),
        ({}, "identity"),
    ],
)
async def test_a_malformed_login_names_what_is_missing(identity: World, auth: Any, message: str) -> None:
    answer = await identity.login({"auth": auth})
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


async def test_a_token_is_exchanged_for_another_scope_and_keeps_its_end_and_chain(identity: World) -> None:
    first = await identity.login(by_password("admin"))
    identity.clock.advance(60)
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    second = await identity.login(by_token(first.headers["X-Subject-Token"], scope))
    assert second.status_code == 201
    one, two = first.json()["token"], second.json()["token"]
    assert two["methods"] == ["token", "password"]
    assert two["expires_at"] == one["expires_at"]
    assert two["issued_at"] > one["issued_at"]
    assert two["audit_ids"][1] == one["audit_ids"][0]
    third = await identity.login(by_token(second.headers["X-Subject-Token"], {"system": {"all": True}}))
    assert third.json()["token"]["audit_ids"][1] == one["audit_ids"][0]


async def test_a_system_token_is_not_exchanged_for_a_project(identity: World) -> None:
    system = await identity.session("admin", scope={"system": {"all": True}})
    answer = await identity.login(by_token(system.token, {"domain": {"id": "default"}}))
    assert answer.status_code == 403


async def test_the_methods_of_one_login_must_agree_on_the_user(identity: World) -> None:
    await identity.user("ada")
    ada = await identity.session("ada")
    body = by_password("admin")
    body["auth"]["identity"] |= {"methods": ["password", "token"], "token": {"id": ada.token}}
    assert (await identity.login(body)).status_code == 401


async def test_a_token_to_exchange_that_is_none_is_not_found(identity: World) -> None:
    assert (await identity.login(by_token("gAAAAAnothing"))).status_code == 404


async def test_validation_shows_what_the_issue_showed(identity: World) -> None:
    issued = await identity.login(by_password("admin", scope="admin"))
    text = issued.headers["X-Subject-Token"]
    admin = await identity.admin()
    shown = await admin.get("/v3/auth/tokens", X_Subject_Token=text)
    assert shown.status_code == 200
    assert shown.json() == issued.json()
    assert shown.headers["X-Subject-Token"] == text
    bare = await admin.get("/v3/auth/tokens?nocatalog", X_Subject_Token=text)
    assert "catalog" not in bare.json()["token"]


async def test_head_tells_only_whether_a_token_is_valid(identity: World) -> None:
    admin = await identity.admin()
    answer = await admin.request("HEAD", "/v3/auth/tokens", X_Subject_Token=admin.token)
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await admin.request("HEAD", "/v3/auth/tokens", X_Subject_Token="x")).status_code == 404


async def test_who_may_ask_about_a_token(identity: World) -> None:
    project_id = await identity.project("own")
    for name, role in (("ada", "member"), ("eve", "member"), ("nova", "service")):
        await identity.user(name, role, project_id)
    ada, eve, nova = [await identity.session(name, scope="own") for name in ("ada", "eve", "nova")]
    for asker, status in ((ada, 200), (nova, 200), (eve, 403), (await identity.admin(), 200)):
        assert (await asker.get("/v3/auth/tokens", X_Subject_Token=ada.token)).status_code == status
    assert (await eve.delete("/v3/auth/tokens", X_Subject_Token=ada.token)).status_code == 403
    assert (await ada.get("/v3/auth/projects")).status_code == 200


@pytest.mark.parametrize("text", ["", "x", "gAAAAA", "é", "x" * 5000])
async def test_a_subject_that_is_no_token_is_not_found(identity: World, text: str) -> None:
    admin = await identity.admin()
    answer = await admin.http.get(
        "/v3/auth/tokens", headers=[(b"X-Auth-Token", admin.token.encode()), (b"X-Subject-Token", text.encode())]
    )
    assert answer.status_code == 404


@pytest.mark.parametrize("text", ["x", "gAAAAA" + "A" * 200, "é", "x" * 5000])
async def test_a_request_with_what_is_no_token_is_unauthorized(identity: World, text: str) -> None:
    answer = await identity.nobody.http.get("/v3/auth/projects", headers=[(b"X-Auth-Token", text.encode())])
    assert (answer.status_code, answer.json()) == (401, NO)


async def test_a_changed_token_is_no_token(identity: World) -> None:
    admin = await identity.admin()
    middle = len(admin.token) // 2
    changed = admin.token[:middle] + ("A" if admin.token[middle] != "A" else "B") + admin.token[middle + 1 :]
    admin.token = changed
    assert (await admin.get("/v3/auth/projects")).status_code == 401


async def test_a_token_ends_when_it_said(identity: World) -> None:
    admin = await identity.admin()
    identity.clock.advance(3590)
    assert (await admin.get("/v3/auth/projects")).status_code == 200
    identity.clock.advance(11)
    assert (await admin.get("/v3/auth/projects")).status_code == 401


async def test_a_revoked_token_takes_those_made_from_it_along_but_not_its_origin(identity: World) -> None:
    origin = await identity.session("admin")
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    made = [(await identity.login(by_token(origin.token, scope))).headers["X-Subject-Token"] for _ in range(2)]
    other = await identity.admin()
    assert (await other.delete("/v3/auth/tokens", X_Subject_Token=made[0])).status_code == 204
    assert (await other.get("/v3/auth/tokens", X_Subject_Token=made[0])).status_code == 404
    for text in (origin.token, made[1]):
        assert (await other.get("/v3/auth/tokens", X_Subject_Token=text)).status_code == 200
    assert (await other.delete("/v3/auth/tokens", X_Subject_Token=origin.token)).status_code == 204
    assert (await other.get("/v3/auth/tokens", X_Subject_Token=made[1])).status_code == 404
    assert (await other.get("/v3/auth/projects")).status_code == 200


async def test_a_revocation_without_cascade_is_of_one_token(identity: World) -> None:
    origin = await identity.session("admin")
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    made = (await identity.login(by_token(origin.token, scope))).headers["X-Subject-Token"]
    other = await identity.admin()
    await other.delete("/v3/auth/tokens?cascade=false", X_Subject_Token=origin.token)
    assert (await other.get("/v3/auth/tokens", X_Subject_Token=origin.token)).status_code == 404
    assert (await other.get("/v3/auth/tokens", X_Subject_Token=made)).status_code == 200


async def test_a_project_may_be_in_another_domain_than_its_user(identity: World) -> None:
    admin = await identity.admin()
    domain_id = (await admin.post("/v3/domains", {"domain": {"name": "elsewhere"}})).json()["domain"]["id"]
    project_id = await identity.project("there", domain_id=domain_id)
    await identity.user("ada", "member", project_id)
    token = (await identity.login(by_password("ada", scope={"project": {"id": project_id}}))).json()["token"]
    assert token["project"]["domain"] == {"id": domain_id, "name": "elsewhere"}
    assert token["user"]["domain"] == {"id": "default", "name": "Default"}


async def test_a_token_that_rests_on_what_only_a_newer_release_knows_is_refused(identity: World) -> None:
    """Releases run together while a cloud is upgraded."""
    user_id = await identity.user("ada")
    at = await revision.current(identity.ctx)
    proof = Proof(user_id=user_id, methods=("password",), basis=Basis("lease", "1" * 32))
    with pytest.raises(Unauthorized):
        await service.issue(identity.ctx, proof, Scope(), at=at)


def test_a_token_of_an_older_release_is_read() -> None:
    """Before tokens rested on anything, and before their words were short."""
    ring = MultiFernet([Fernet(Fernet.generate_key())])
    wire = [1, b"\0ada", ["password"], 1, 2, 3, [bytes(16)]]
    token = rules.decode(ring.encrypt(msgspec.msgpack.encode(wire)).rstrip(b"=").decode(), ring)
    assert token is not None
    assert (token.user_id, token.methods, token.basis) == ("ada", ("password",), None)


@pytest.mark.parametrize("kind", ["trust", "application_credential", "access_token", "lease"])
def test_what_a_token_rests_on_travels_with_it(kind: str) -> None:
    ring = MultiFernet([Fernet(Fernet.generate_key())])
    token = Token(
        user_id="1" * 32,
        methods=("token", "application_credential", "totp", "oauth1", "password"),
        scope=Scope(project_id="2" * 32),
        issued_at=1,
        expires_at=2,
        revision=3,
        audit_ids=(rules.audit_id(bytes(16)), rules.audit_id(bytes(16))),
        basis=Basis(kind, "3" * 32),
    )
    text = rules.encode(token, ring)
    assert rules.decode(text, ring) == token
    assert len(text) <= 300


def test_what_is_signed_but_of_another_form_is_no_token() -> None:
    ring = MultiFernet([Fernet(Fernet.generate_key())])
    scope = Scope(project_id="1" * 32)
    token = Token(
        user_id="ldap user",
        methods=("password",),
        scope=scope,
        issued_at=1,
        expires_at=2,
        revision=3,
        audit_ids=(rules.audit_id(bytes(16)),),
    )
    assert rules.decode(rules.encode(token, ring), ring) == token
    for payload in (b"", b"\xc0", msgspec.msgpack.encode([2, b"", [], 1, 2, 3, []])):
        assert rules.decode(ring.encrypt(payload).rstrip(b"=").decode(), ring) is None


async def test_whether_an_expired_token_is_taken_is_said_by_a_truth_value(identity: World) -> None:
    admin = await identity.admin()
    for said, status in (("true", 200), ("0", 200), ("maybe", 400)):
        answer = await admin.get(f"/v3/auth/tokens?allow_expired={said}", X_Subject_Token=admin.token)
        assert answer.status_code == status
