"""/v3/OS-FEDERATION: identity providers, protocols, mappings, service providers, as documents."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import Session, World

ROOT = "http://cloud.example:8775/identity/v3/OS-FEDERATION"
RULES = [
    {
        "local": [{"user": {"name": "{0}", "domain": {"name": "Default"}}}, {"group": {"id": "g"}}],
        "remote": [{"type": "UserName"}, {"type": "orgPersonType", "not_any_of": ["Contractor"], "regex": False}],
    }
]
SP = {"auth_url": "https://sp.example/v3", "sp_url": "https://sp.example/Shibboleth.sso/SAML2/ECP"}


async def provider(admin: Session, name: str, **facts: Any) -> dict[str, Any]:
    made = await admin.put(f"/v3/OS-FEDERATION/identity_providers/{name}", {"identity_provider": facts})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()["identity_provider"]
    return found


async def mapping(admin: Session, name: str, rules: Any = RULES, **facts: Any) -> Any:
    return await admin.put(f"/v3/OS-FEDERATION/mappings/{name}", {"mapping": {"rules": rules, **facts}})


async def test_an_identity_provider_is_made_shown_changed_and_deleted(identity: World) -> None:
    admin = await identity.admin()
    path = "/v3/OS-FEDERATION/identity_providers/acme"
    assert (await admin.get(path)).json()["error"]["message"] == "Could not find Identity Provider: acme."
    sent = {"identity_provider": {"description": "their people", "remote_ids": ["b", "a", "b"], "domain_id": "default"}}
    made = await admin.request("PUT", "/v3/OS-FEDERATION/identity_providers/acme", sent)
    assert made.status_code == 201
    acme = made.json()["identity_provider"]
    assert acme == {
        "id": "acme",
        "domain_id": "default",
        "enabled": False,
        "description": "their people",
        "remote_ids": ["a", "b"],
        "links": {
            "self": f"{ROOT}/identity_providers/acme",
            "protocols": f"{ROOT}/identity_providers/acme/protocols",
        },
    }
    assert (await admin.get(path)).json() == {"identity_provider": acme}
    wanted = {"enabled": True, "remote_ids": ["c", "a"], "authorization_ttl": 5}
    changed = (await admin.patch(path, {"identity_provider": wanted})).json()["identity_provider"]
    assert changed == {**acme, **wanted, "remote_ids": ["a", "c"]}
    kept = (await admin.patch(path, {"identity_provider": {"description": None}})).json()["identity_provider"]
    assert kept == {**changed, "description": None}
    assert (await admin.put(path, sent)).status_code == 409
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).status_code == 404
    await provider(admin, "other", remote_ids=["a", "c"])  # they are free again


async def test_an_identity_provider_has_a_domain_for_its_users_and_goes_with_it(identity: World) -> None:
    admin = await identity.admin()
    domain_id = (await provider(admin, "acme"))["domain_id"]
    domain = (await admin.get(f"/v3/domains/{domain_id}")).json()["domain"]
    assert (domain["name"], domain["enabled"]) == (domain_id, True)
    assert domain["description"] == "Auto generated federated domain for Identity Provider: acme"
    await admin.patch(f"/v3/domains/{domain_id}", {"domain": {"enabled": False}})
    assert (await admin.delete(f"/v3/domains/{domain_id}")).status_code == 204
    assert (await admin.get("/v3/OS-FEDERATION/identity_providers/acme")).status_code == 404


async def test_no_two_identity_providers_are_called_the_same(identity: World) -> None:
    admin = await identity.admin()
    await provider(admin, "acme", remote_ids=["https://idp.acme.example"])
    await provider(admin, "other")
    said = {"identity_provider": {"remote_ids": ["x", "https://idp.acme.example"]}}
    for answer in (
        await admin.put("/v3/OS-FEDERATION/identity_providers/third", said),
        await admin.patch("/v3/OS-FEDERATION/identity_providers/other", said),
    ):
        assert answer.status_code == 409
        assert "Duplicate remote ID: https://idp.acme.example" in answer.json()["error"]["message"]
    assert (await admin.patch("/v3/OS-FEDERATION/identity_providers/acme", said)).status_code == 200
    cleared = await admin.patch(
        "/v3/OS-FEDERATION/identity_providers/acme", {"identity_provider": {"remote_ids": None}}
    )
    assert cleared.json()["identity_provider"]["remote_ids"] == []


@pytest.mark.parametrize(
    ("method", "facts", "status"),
    [
        ("PUT", {"domain_id": "0" * 32}, 404),
        ("PUT", {"name": "x"}, 400),
        ("PUT", {"authorization_ttl": -1}, 400),
        ("PUT", {"remote_ids": ["x" * 256]}, 400),
        ("PATCH", {"domain_id": "default"}, 400),
        ("PATCH", {}, 400),
        ("PATCH", {"enabled": None}, 400),
    ],
)
async def test_what_is_no_identity_provider(identity: World, method: str, facts: Any, status: int) -> None:
    answer = await (await identity.admin()).request(
        method, "/v3/OS-FEDERATION/identity_providers/acme", {"identity_provider": facts}
    )
    assert answer.status_code == status


async def test_lists_are_narrowed_by_id_and_whether_enabled(identity: World) -> None:
    admin = await identity.admin()
    for number in range(3):
        enabled = number > 0
        await provider(admin, f"idp{number}", enabled=enabled, remote_ids=[f"r{number}"])
        body = {"service_provider": {**SP, "enabled": enabled}}
        await admin.put(f"/v3/OS-FEDERATION/service_providers/sp{number}", body)
    providers = (await admin.get("/v3/OS-FEDERATION/identity_providers")).json()
    assert [(each["id"], each["remote_ids"]) for each in providers["identity_providers"]] == [
        (f"idp{number}", [f"r{number}"]) for number in range(3)
    ]
    assert providers["links"] == {"next": None, "previous": None, "self": f"{ROOT}/identity_providers"}
    assert providers["identity_providers"][0]["links"]["protocols"] == f"{ROOT}/identity_providers/idp0/protocols"
    for path, key, prefix in (
        ("/v3/OS-FEDERATION/identity_providers", "identity_providers", "idp"),
        ("/v3/OS-FEDERATION/service_providers", "service_providers", "sp"),
    ):
        for query, numbers in (
            ("enabled=true", [1, 2]),
            ("enabled=false", [0]),
            (f"id={prefix}1", [1]),
            ("limit=2", [0, 1]),
        ):
            found = (await admin.get(f"{path}?{query}")).json()[key]
            assert [each["id"] for each in found] == [f"{prefix}{number}" for number in numbers]


async def test_a_protocol_is_made_shown_changed_and_deleted(identity: World) -> None:
    admin = await identity.admin()
    await provider(admin, "acme")
    await mapping(admin, "m1")
    await mapping(admin, "m2")
    path = "/v3/OS-FEDERATION/identity_providers/acme/protocols/saml2"
    missing = await admin.get(path)
    assert missing.json()["error"]["message"] == "Could not find federated protocol saml2 for Identity Provider: acme."
    sent = {"protocol": {"mapping_id": "m1", "remote_id_attribute": "Shib-Identity-Provider"}}
    made = await admin.request("PUT", "/v3/OS-FEDERATION/identity_providers/acme/protocols/saml2", sent)
    assert made.status_code == 201
    links = {
        "self": f"{ROOT}/identity_providers/acme/protocols/saml2",
        "identity_provider": f"{ROOT}/identity_providers/acme",
    }
    saml2 = made.json()["protocol"]
    assert saml2 == {"id": "saml2", "mapping_id": "m1", "links": links}
    assert (await admin.get(path)).json() == {"protocol": saml2}
    assert (await admin.put(path, sent)).status_code == 409
    listed = (await admin.get("/v3/OS-FEDERATION/identity_providers/acme/protocols")).json()
    more = {"idp_id": "acme", "remote_id_attribute": "Shib-Identity-Provider"}
    assert listed["protocols"] == [{**saml2, **more}]
    changed = await admin.patch(path, {"protocol": {"mapping_id": "m2"}})
    assert changed.json()["protocol"] == {**saml2, "mapping_id": "m2"}
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).status_code == 404
    assert (await admin.get("/v3/OS-FEDERATION/identity_providers/none/protocols")).json()["protocols"] == []


async def test_a_protocol_needs_a_mapping_and_goes_with_its_identity_provider(identity: World) -> None:
    admin = await identity.admin()
    await provider(admin, "acme")
    path = "/v3/OS-FEDERATION/identity_providers/acme/protocols/saml2"
    answer = await admin.put(path, {"protocol": {"mapping_id": "m1"}})
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Invalid mapping id: m1")
    assert (await admin.put(path, {"protocol": {}})).status_code == 400
    await mapping(admin, "m1")
    assert (await admin.put(path.replace("acme", "none"), {"protocol": {"mapping_id": "m1"}})).status_code == 404
    await admin.put(path, {"protocol": {"mapping_id": "m1"}})
    assert (await admin.patch(path, {"protocol": {"mapping_id": "m2"}})).status_code == 400
    assert (await admin.delete("/v3/OS-FEDERATION/mappings/m1")).status_code == 204
    await admin.delete("/v3/OS-FEDERATION/identity_providers/acme")
    await provider(admin, "acme")
    assert (await admin.get(path)).status_code == 404


async def test_a_mapping_is_made_shown_changed_and_deleted(identity: World) -> None:
    admin = await identity.admin()
    path = "/v3/OS-FEDERATION/mappings/m1"
    assert (await admin.get(path)).json()["error"]["message"] == "Could not find mapping: m1."
    made = await admin.request("PUT", "/v3/OS-FEDERATION/mappings/m1", {"mapping": {"rules": RULES}})
    assert made.status_code == 201
    m1 = made.json()["mapping"]
    assert m1 == {"id": "m1", "rules": RULES, "schema_version": "1.0", "links": {"self": f"{ROOT}/mappings/m1"}}
    assert (await admin.get(path)).json() == {"mapping": m1}
    assert (await admin.get("/v3/OS-FEDERATION/mappings")).json()["mappings"] == [m1]
    assert (await mapping(admin, "m1")).status_code == 409
    new = {"rules": [{"local": [{"groups": "{0}"}], "remote": [{"type": "x"}]}], "schema_version": "2.0"}
    assert (await admin.patch(path, {"mapping": new})).json() == {"mapping": {**m1, **new}}
    assert (await admin.patch("/v3/OS-FEDERATION/mappings/m2", {"mapping": new})).status_code == 404
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.delete(path)).status_code == 404


PLACED = {"projects": [{"name": "p", "roles": [{"name": "r"}], "domain": {"name": "d"}}]}


@pytest.mark.parametrize(
    ("version", "local", "remote", "fits"),
    [
        ("1.0", {"projects": [{"name": "p", "roles": [{"name": "r"}]}]}, {"type": "x"}, True),
        ("1.0", PLACED, {"type": "x"}, False),
        ("2.0", PLACED, {"type": "x"}, True),
        ("2.0", {"projects_json": "{0}"}, {"type": "x"}, False),
        ("3.0", {"projects_json": "{0}", **PLACED}, {"type": "x"}, True),
        ("4.0", {}, {"type": "x"}, False),
        ("1.0", {"group": {"name": "g", "domain": {"id": "d"}}}, {"type": "x"}, True),
        ("1.0", {"group": {"name": "g"}}, {"type": "x"}, False),
        ("1.0", {"group": {"id": "g", "name": "g"}}, {"type": "x"}, False),
        ("1.0", {"group": {}}, {"type": "x"}, False),
        ("1.0", {"user": {"type": "robot"}}, {"type": "x"}, False),
        ("1.0", {"user": {"type": "local", "id": "{0}", "email": "{1}"}}, {"type": "x"}, True),
        ("1.0", {"person": {}}, {"type": "x"}, False),
        ("1.0", {}, {"type": "x", "whitelist": ["a"], "regex": True}, True),
        ("1.0", {}, {"type": "x", "whitelist": ["a"], "blacklist": ["b"]}, False),
        ("1.0", {}, {"type": "x", "regex": True}, False),
        ("1.0", {}, {"any_one_of": ["a"]}, False),
    ],
)
async def test_what_a_mapping_is_made_of(identity: World, version: str, local: Any, remote: Any, fits: bool) -> None:
    rules = [{"local": [local], "remote": [remote]}]
    answer = await mapping(await identity.admin(), "m1", rules, schema_version=version)
    assert answer.status_code == (201 if fits else 400), answer.text
    assert fits or "mapping" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body", [{}, {"rules": []}, {"rules": [{"local": [], "remote": []}]}, {"rules": [{"local": []}]}]
)
async def test_what_is_no_mapping(identity: World, body: Any) -> None:
    answer = await (await identity.admin()).put("/v3/OS-FEDERATION/mappings/m1", {"mapping": body})
    assert answer.status_code == 400


async def test_a_service_provider_is_made_shown_changed_and_deleted(identity: World) -> None:
    admin = await identity.admin()
    path = "/v3/OS-FEDERATION/service_providers/sp"
    assert (await admin.get(path)).json()["error"]["message"] == "Could not find Service Provider: sp."
    made = await admin.request("PUT", "/v3/OS-FEDERATION/service_providers/sp", {"service_provider": SP})
    assert made.status_code == 201
    found = made.json()["service_provider"]
    assert found == {
        "id": "sp",
        **SP,
        "enabled": False,
        "description": None,
        "relay_state_prefix": "ss:mem:",
        "links": {"self": f"{ROOT}/service_providers/sp"},
    }
    assert (await admin.get(path)).json() == {"service_provider": found}
    assert (await admin.put(path, {"service_provider": SP})).status_code == 409
    assert (await admin.patch(path, {"service_provider": {"enabled": False}})).json()["service_provider"] == found
    wanted = {"description": "theirs", "relay_state_prefix": "x:"}
    assert (await admin.patch(path, {"service_provider": wanted})).json()["service_provider"] == {**found, **wanted}
    reset = await admin.patch(path, {"service_provider": {"relay_state_prefix": None}})
    assert reset.json()["service_provider"]["relay_state_prefix"] == "ss:mem:"
    for wrong in ({}, {"auth_url": "nowhere"}, {"sp_url": "x:" * 200}, {"secret": "x"}):
        assert (await admin.patch(path, {"service_provider": wrong})).status_code == 400
        assert (await admin.put(f"{path}2", {"service_provider": wrong})).status_code == 400
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.patch(path, {"service_provider": wanted})).status_code == 404


async def test_every_token_tells_of_the_service_providers_that_are_enabled(identity: World) -> None:
    admin = await identity.admin()
    shown = "/v3/auth/tokens?nocatalog"
    assert "service_providers" not in (await admin.get(shown, X_Subject_Token=admin.token)).json()["token"]
    for name, enabled in (("asleep", False), ("awake", True)):
        body = {"service_provider": {**SP, "enabled": enabled}}
        await admin.put(f"/v3/OS-FEDERATION/service_providers/{name}", body)
    for _ in range(2):
        token = (await admin.get(shown, X_Subject_Token=admin.token)).json()["token"]
        assert token["service_providers"] == [{"id": "awake", **SP}]
    await admin.delete("/v3/OS-FEDERATION/service_providers/awake")
    assert "service_providers" not in (await admin.get(shown, X_Subject_Token=admin.token)).json()["token"]


async def test_where_one_can_log_in_has_an_older_name(identity: World) -> None:
    admin = await identity.admin()
    projects = (await admin.get("/v3/OS-FEDERATION/projects")).json()["projects"]
    assert projects == (await admin.get("/v3/auth/projects")).json()["projects"]
    domains = (await admin.get("/v3/OS-FEDERATION/domains")).json()
    assert domains["domains"] == (await admin.get("/v3/auth/domains")).json()["domains"]


async def test_only_administrators_and_auditors_see_them_and_only_administrators_write(identity: World) -> None:
    admin, project_id = await identity.admin(), await identity.project("own")
    user_id = await identity.user("ada", "manager", project_id)
    await identity.grant(user_id, "reader", "system")
    await identity.grant(user_id, "admin", "domains/default")
    await provider(admin, "one")
    await mapping(admin, "one")
    body = {"protocol": {"mapping_id": "one"}}
    await admin.put("/v3/OS-FEDERATION/identity_providers/one/protocols/one", body)
    await admin.put("/v3/OS-FEDERATION/service_providers/one", {"service_provider": SP})
    ways = {
        "/v3/OS-FEDERATION/identity_providers": {"identity_provider": {"description": "x"}},
        "/v3/OS-FEDERATION/mappings": {"mapping": {"rules": RULES}},
        "/v3/OS-FEDERATION/identity_providers/one/protocols": body,
        "/v3/OS-FEDERATION/service_providers": {"service_provider": SP},
    }
    auditor = await identity.session("ada", scope={"system": {"all": True}})
    strangers = [
        await identity.session("ada", scope="own"),
        await identity.session("ada", scope={"domain": {"id": "default"}}),
    ]
    for path, sent in ways.items():
        assert (await auditor.get(path)).status_code == 200
        assert (await auditor.get(f"{path}/one")).status_code == 200
        assert (await auditor.get(f"{path}/none")).status_code == 404
        for session in strangers:
            assert (await session.get(path)).status_code == 403
        for session in (auditor, *strangers):
            for name in ("one", "none"):
                answers = [await session.request(m, f"{path}/{name}", sent) for m in ("PUT", "PATCH", "DELETE")]
                assert {answer.status_code for answer in answers} == {403}
        assert (await admin.put(f"{path}/{'x' * 65}", sent)).status_code == 400
