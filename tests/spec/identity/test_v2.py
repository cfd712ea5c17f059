"""/v2.0: what an old script needs to log in."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from keystoneauth1 import access

from support.identity import PASSWORD, Session, World, same_answer

MISSING = "0" * 32


def by_password(name: str = "ada", password: str = PASSWORD, **more: Any) -> dict[str, Any]:
    return {"auth": {"passwordCredentials": {"username": name, "password": password}, **more}}


@pytest.fixture
async def ada(identity: World) -> str:
    """The id of a member of the project `own`."""
    return await identity.user("ada", "member", await identity.project("own", description="hers"))


async def login(identity: World, body: dict[str, Any]) -> httpx.Response:
    return await identity.nobody.post("/v2.0/tokens", body)


async def test_the_old_client_reads_what_a_login_brings(identity: World, ada: str) -> None:
    answer = await login(identity, by_password(tenantName="own"))
    assert answer.status_code == 200
    document = answer.json()
    read: Any = access.create(body=document)
    assert isinstance(read, access.AccessInfoV2)
    assert (read.user_id, read.username, read.user_domain_id) == (ada, "ada", None)
    assert (read.project_name, read.project_domain_id, read.scoped) == ("own", None, True)
    assert read.role_names == ["member", "reader"]
    assert read.expires > read.issued
    urls = [read.service_catalog.url_for("volumev3", interface=each) for each in ("public", "internal", "admin")]
    assert urls == [f"http://cloud.example:8775/volume/v3/{read.project_id}"] * 3
    token = Session(identity.clients[0], read.auth_token)
    assert (await token.get("/v3/auth/projects")).json()["projects"][0]["id"] == read.project_id


async def test_a_login_in_full(identity: World, ada: str) -> None:
    project_id = (await (await identity.admin()).get("/v3/projects?name=own")).json()["projects"][0]["id"]
    found = (await login(identity, by_password(tenantId=project_id))).json()["access"]
    token = found["token"]
    assert token == {
        "id": token["id"],
        "expires": token["expires"],
        "issued_at": token["issued_at"],
        "audit_ids": token["audit_ids"],
        "tenant": {"id": project_id, "name": "own", "description": "hers", "enabled": True},
    }
    assert token["expires"].endswith("Z")
    assert "." not in token["expires"]
    assert found["user"] == {
        "id": ada,
        "name": "ada",
        "username": "ada",
        "roles": [{"name": "member"}, {"name": "reader"}],
        "roles_links": [],
    }
    assert found["metadata"] == {
        "is_admin": 0,
        "roles": [await identity.role_id("member"), await identity.role_id("reader")],
    }
    (volume,) = [each for each in found["serviceCatalog"] if each["type"] == "volumev3"]
    (endpoint,) = volume["endpoints"]
    assert volume == {"type": "volumev3", "name": "cinder", "endpoints": [endpoint], "endpoints_links": []}
    assert endpoint.keys() == {"id", "region", "publicURL", "internalURL", "adminURL"}


async def test_without_a_tenant_there_is_no_scope_and_a_token_gets_one_later(identity: World, ada: str) -> None:
    for more in ({}, {"tenantName": ""}, {"tenantId": None}):
        unscoped = (await login(identity, by_password(**more))).json()["access"]
        assert "tenant" not in unscoped["token"]
        assert (unscoped["serviceCatalog"], unscoped["user"]["roles"]) == ([], [])
    by_token = {"auth": {"token": {"id": unscoped["token"]["id"]}, "tenantName": "own"}}
    scoped = (await login(identity, by_token)).json()["access"]
    assert scoped["token"]["tenant"]["name"] == "own"
    by_id = {"passwordCredentials": {"userId": ada, "password": PASSWORD}, "tenantName": "own"}
    assert (await login(identity, {"auth": by_id})).json()["access"]["user"]["id"] == ada


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (by_password(password="wrong"), 401),
        (by_password("nobody"), 401),
        (by_password(tenantName="elsewhere"), 401),
        (by_password(tenantId=MISSING), 401),
        ({"auth": {}}, 400),
        ({"auth": {"passwordCredentials": {"password": "x"}}}, 400),
        ({"auth": {"passwordCredentials": {"username": "ada"}}}, 400),
        ({"auth": {"token": {"id": "x"}}}, 404),
        ({"auth": {"passwordCredentials": "ada"}}, 400),
        ({}, 400),
    ],
)
async def test_what_is_no_login(identity: World, ada: str, body: dict[str, Any], status: int) -> None:
    answer = await login(identity, body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, status)
    assert error.keys() == {"code", "title", "message"}


async def test_other_domains_have_no_words_here(identity: World, ada: str) -> None:
    admin = await identity.admin()
    garden = (await admin.post("/v3/domains", {"domain": {"name": "garden"}})).json()["domain"]["id"]
    shed = await identity.project("shed", domain_id=garden)
    eve = await identity.user("eve", "member", shed, domain_id=garden)
    await identity.grant(ada, "member", f"projects/{shed}")
    await identity.grant(ada, "reader", "system")
    await identity.grant(ada, "reader", "domains/default")
    foreign = {"auth": {"passwordCredentials": {"userId": eve, "password": PASSWORD}}}
    for body in (foreign, by_password(tenantId=shed), by_password("eve")):
        assert (await login(identity, body)).status_code == 401
    for scope in ({"system": {"all": True}}, {"domain": {"id": "default"}}):
        other = await identity.session("ada", scope=scope)
        assert (await admin.get(f"/v2.0/tokens/{other.token}")).status_code == 401
    tenants = (await (await identity.session("ada")).get("/v2.0/tenants")).json()["tenants"]
    assert [each["name"] for each in tenants] == ["own"]


async def test_one_sees_ones_tenants(identity: World, ada: str) -> None:
    unscoped = Session(identity.clients[0], (await login(identity, by_password())).json()["access"]["token"]["id"])
    own = (await (await identity.admin()).get("/v3/projects?name=own")).json()["projects"][0]
    expected = {name: own[name] for name in ("id", "name", "description", "enabled")}
    assert (await unscoped.get("/v2.0/tenants")).json() == {"tenants": [expected], "tenants_links": []}
    assert (await identity.nobody.get("/v2.0/tenants")).status_code == 401
    await identity.grant(ada, "member", f"projects/{await identity.project('another')}")
    seen, path = [], "/v2.0/tenants?limit=1"
    while path:
        page = (await unscoped.get(path)).json()
        seen += [each["name"] for each in page["tenants"]]
        path = page["tenants_links"][0]["href"].partition("/identity")[2] if page["tenants_links"] else ""
    assert sorted(seen) == ["another", "own"]


async def test_an_administrator_asks_what_a_token_is_worth_and_others_of_their_own(identity: World, ada: str) -> None:
    issued = (await login(identity, by_password(tenantName="own"))).json()
    token = issued["access"]["token"]["id"]
    admin, own = await identity.admin(), Session(identity.clients[0], token)
    for session in (admin, own):
        assert (await session.get(f"/v2.0/tokens/{token}")).json() == issued
        assert (await session.head(f"/v2.0/tokens/{token}")).status_code == 200
    assert (await admin.get("/v2.0/tokens/none")).status_code == 404
    await identity.user("eve", "member", await identity.project("other"))
    eve = await identity.session("eve", scope="other")
    there, missing = [await eve.get(f"/v2.0/tokens/{each}") for each in (token, "none")]
    assert there.status_code == 403
    assert same_answer(there, missing)


async def test_it_is_deprecated_and_found_behind_v3(identity: World) -> None:
    versions = (await identity.nobody.get("/")).json()["versions"]["values"]
    assert [(each["id"], each["status"]) for each in versions] == [("v3.14", "stable"), ("v2.0", "deprecated")]
    own = (await identity.nobody.get("/v2.0")).json()["version"]
    assert own == versions[1]
    assert own["links"] == [{"rel": "self", "href": "http://cloud.example:8775/identity/v2.0/"}]
