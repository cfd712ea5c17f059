"""OAuth 1.0a: a consumer is lent some of a user's roles. oauthlib's client is who signs, as in OpenStack's own clients."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import sqlalchemy as sa
from keystoneclient.contrib.ec2.utils import Ec2Signer

from pileus.kernel.config import Config, Identity
from pileus.kernel.db import metadata
from pileus.kernel.errors import Unavailable
from pileus.kernel.seal import Seal
from pileus.services.identity.oauth1 import rules, service
from support.consumer import (
    ACCESS,
    LOGIN,
    REQUEST,
    ROOT,
    Consumer,
    admin_id,
    admin_project,
    authorized,
    consumer,
    lent,
    read,
)
from support.identity import PASSWORD, Session, World

MISSING = "0" * 32


async def test_a_consumer_is_made_shown_changed_and_deleted(identity: World) -> None:
    admin = await identity.admin()
    made = await admin.post("/v3/OS-OAUTH1/consumers", {"consumer": {"description": "a printer", "colour": "red"}})
    assert made.status_code == 201
    told = made.json()["consumer"]
    secret = told.pop("secret")
    links = {"self": f"{ROOT}/OS-OAUTH1/consumers/{told['id']}"}
    assert told == {"id": told["id"], "description": "a printer", "colour": "red", "links": links}
    path = f"/v3/OS-OAUTH1/consumers/{told['id']}"
    assert (await admin.get(path)).json() == {"consumer": told}
    assert (await admin.get("/v3/OS-OAUTH1/consumers")).json()["consumers"] == [told]
    changed = await admin.patch(path, {"consumer": {"description": None, "size": 1}})
    assert changed.json()["consumer"] == {**told, "description": None, "size": 1}
    assert (await admin.patch(path, {"consumer": {"size": 2}})).json()["consumer"]["size"] == 2
    for wrong in ({}, {"id": MISSING}, {"secret": secret}, {"description": "x" * 256}):
        assert (await admin.patch(path, {"consumer": wrong})).status_code == 400
    assert (await admin.post("/v3/OS-OAUTH1/consumers", {"consumer": {"secret": "mine"}})).status_code == 400
    assert (await admin.delete(path)).status_code == 204
    for method, body in (("GET", None), ("PATCH", {"consumer": {"size": 3}}), ("DELETE", None)):
        assert (await admin.request(method, path, body)).status_code == 404


async def test_a_user_lends_a_role_and_the_consumer_acts_with_it_alone(identity: World) -> None:
    project_id, user_id = await admin_project(identity), await admin_id(identity)
    printer = await consumer(identity, description="a printer")
    asked = await printer.post("/v3/OS-OAUTH1/request_token", headers={"Requested-Project-Id": project_id})
    token = read(asked)
    assert token.keys() == {"oauth_token", "oauth_token_secret", "oauth_expires_at"}
    assert ":" in asked.text.partition("oauth_expires_at=")[2]  # as Keystone has it: clients split it by hand
    admin = await identity.admin()
    sent = {"roles": [{"id": await identity.role_id("reader")}]}
    answer = await admin.put(f"/v3/OS-OAUTH1/authorize/{token['oauth_token']}", sent)
    assert answer.status_code == 200
    verifier = answer.json()["token"]["oauth_verifier"]
    assert len(verifier) == 8
    keys = {"resource_owner_key": token["oauth_token"], "resource_owner_secret": token["oauth_token_secret"]}
    access = read(await printer.post("/v3/OS-OAUTH1/access_token", **keys, verifier=verifier))
    keys = {"resource_owner_key": access["oauth_token"], "resource_owner_secret": access["oauth_token_secret"]}
    login = await printer.post("/v3/auth/tokens", LOGIN, **keys)
    assert login.status_code == 201, login.text
    got = login.json()["token"]
    assert (got["methods"], got["user"]["id"], got["project"]["id"]) == (["oauth1"], user_id, project_id)
    assert [role["name"] for role in got["roles"]] == ["reader"]
    assert got["OS-OAUTH1"] == {"access_token_id": access["oauth_token"], "consumer_id": printer.id}
    bearer = Session(identity.clients[0], login.headers["X-Subject-Token"])
    assert (await bearer.get("/v3/auth/projects")).status_code == 200
    assert (await bearer.get("/v3/users")).status_code == 403


async def test_keys_made_by_a_borrowed_token_bring_what_was_lent_alone(identity: World) -> None:
    """CVE-2020-12690 and its kin."""
    project_id, user_id, printer = await admin_project(identity), await admin_id(identity), await consumer(identity)
    login = await printer.login(await lent(identity, printer, "member"))
    bearer = Session(identity.clients[0], login.headers["X-Subject-Token"])
    keys = await bearer.post(f"/v3/users/{user_id}/credentials/OS-EC2", {"tenant_id": project_id})
    assert keys.status_code == 201, keys.text
    access = keys.json()["credential"]["access"]
    credential = (await bearer.get("/v3/credentials")).json()["credentials"][0]
    assert json.loads(credential["blob"])["access_token_id"] == login.json()["token"]["OS-OAUTH1"]["access_token_id"]
    request = ec2_request(keys.json()["credential"])
    token = (await (await identity.admin()).post("/v3/ec2tokens", {"credentials": request})).json()["token"]
    assert [role["name"] for role in token["roles"]] == ["member"]
    assert token["OS-OAUTH1"]["consumer_id"] == printer.id
    await (await identity.admin()).delete(f"/v3/OS-OAUTH1/consumers/{printer.id}")
    refused = await (await identity.admin()).post("/v3/ec2tokens", {"credentials": request})
    assert (refused.status_code, request["access"]) == (401, access)


def ec2_request(keys: dict[str, Any]) -> dict[str, Any]:
    """An EC2 request of the oldest kind."""
    request = {"access": keys["access"], "params": {"SignatureVersion": "0", "Action": "Run", "Timestamp": ""}}
    return {**request, "signature": Ec2Signer(keys["secret"]).generate(request)}


async def test_a_login_may_ask_for_no_catalogue_after_it_was_signed(identity: World) -> None:
    printer = await consumer(identity)
    access = await lent(identity, printer, "reader")
    login = await printer.login(access, "?nocatalog")
    assert login.status_code == 201
    assert "catalog" not in login.json()["token"]
    assert "catalog" in (await printer.login(access)).json()["token"]


async def test_access_tokens_are_listed_shown_and_taken_back(identity: World) -> None:
    admin, user_id, printer = await identity.admin(), await admin_id(identity), await consumer(identity)
    access = await lent(identity, printer, "reader", "member")
    path = f"/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access['oauth_token']}"
    link = f"{ROOT}{path.removeprefix('/v3')}"
    shown = (await admin.get(path)).json()["access_token"]
    assert shown == {
        "id": access["oauth_token"],
        "consumer_id": printer.id,
        "project_id": await admin_project(identity),
        "authorizing_user_id": user_id,
        "expires_at": access["oauth_expires_at"],
        "links": {"self": link, "roles": f"{link}/roles"},
    }
    assert (await admin.get(f"/v3/users/{user_id}/OS-OAUTH1/access_tokens")).json()["access_tokens"] == [shown]
    roles = (await admin.get(f"{path}/roles")).json()["roles"]
    assert {role["name"] for role in roles} == {"reader", "member"}
    token, role_id = access["oauth_token"], roles[0]["id"]
    one = (await admin.get(f"/v3/users/{user_id}/OS-OAUTH1/access_tokens/{token}/roles/{role_id}")).json()["role"]
    assert one == roles[0]
    assert one["links"]["self"] == f"{ROOT}/roles/{one['id']}"
    assert (await admin.get(f"{path}/roles/{await identity.role_id('admin')}")).status_code == 404
    others = path.replace(user_id, MISSING)
    for each in (others, f"{others}/roles"):
        assert (await admin.get(each)).status_code == 404
    assert (await admin.delete(others)).status_code == 404
    bearer = Session(identity.clients[0], (await printer.login(access)).headers["X-Subject-Token"])
    for method, each in (("GET", path), ("DELETE", path), ("GET", path.rpartition("/")[0]), ("GET", f"{path}/roles")):
        assert (await bearer.request(method, each)).status_code == 403
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).status_code == 404
    assert (await bearer.get("/v3/auth/projects")).status_code == 401
    assert (await printer.login(access)).status_code == 401


async def test_what_a_consumer_got_is_refused_with_the_consumer(identity: World) -> None:
    admin, printer = await identity.admin(), await consumer(identity)
    request, verifier = await authorized(identity, printer, "reader")
    access = await lent(identity, printer, "reader")
    bearer = Session(identity.clients[0], (await printer.login(access)).headers["X-Subject-Token"])
    assert (await bearer.get("/v3/auth/projects")).status_code == 200
    await admin.delete(f"/v3/OS-OAUTH1/consumers/{printer.id}")
    assert (await bearer.get("/v3/auth/projects")).status_code == 401
    for answer in (
        await printer.login(access),
        await printer.exchange(request, verifier),
        await printer.request(await admin_project(identity)),
    ):
        assert answer.status_code == 401


async def test_what_the_user_has_lost_is_lent_no_longer(identity: World) -> None:
    admin, printer = await identity.admin(), await consumer(identity)
    project_id = await identity.project("own")
    user_id = await identity.user("ada", "admin", project_id)
    ada = await identity.session("ada", scope="own")
    token = read(await printer.request(project_id))
    sent = {"roles": [{"name": "reader"}, {"name": "member"}]}
    verifier = (await ada.put(f"/v3/OS-OAUTH1/authorize/{token['oauth_token']}", sent)).json()["token"][
        "oauth_verifier"
    ]
    access = read(await printer.exchange(token, verifier))
    await identity.grant(user_id, "reader", f"projects/{project_id}")
    await admin.delete(f"/v3/projects/{project_id}/users/{user_id}/roles/{await identity.role_id('admin')}")
    assert [role["name"] for role in (await printer.login(access)).json()["token"]["roles"]] == ["reader"]
    await admin.patch(f"/v3/users/{user_id}", {"user": {"enabled": False}})
    assert (await printer.login(access)).status_code == 401
    await admin.patch(f"/v3/users/{user_id}", {"user": {"enabled": True}})
    assert (await printer.login(access)).status_code == 201
    await admin.delete(f"/v3/projects/{project_id}")
    assert (await printer.login(access)).status_code == 401


async def test_what_a_user_may_not_lend(identity: World) -> None:
    admin, printer = await identity.admin(), await consumer(identity)
    token = read(await printer.request(await admin_project(identity)))
    path = f"/v3/OS-OAUTH1/authorize/{token['oauth_token']}"
    other = f"/v3/OS-OAUTH1/authorize/{read(await printer.request(await identity.project('other')))['oauth_token']}"
    reader = {"roles": [{"name": "reader"}]}
    for place, sent, status in (
        (path, {"roles": []}, 401),
        (path, {"roles": [{"name": "service"}]}, 401),
        (path, {"roles": [{"id": MISSING}]}, 401),
        (path, {"roles": [{"name": "nobody"}]}, 404),
        (path, {"roles": [{"id": "a", "name": "b"}]}, 400),
        (path, {"roles": [{}]}, 400),
        (path, {}, 400),
        (other, reader, 401),
        (f"/v3/OS-OAUTH1/authorize/{MISSING}", reader, 404),
    ):
        assert (await admin.put(place, sent)).status_code == status
    borrowed = Session(
        identity.clients[0], (await printer.login(await lent(identity, printer, "admin"))).headers["X-Subject-Token"]
    )
    assert (await borrowed.put(path, reader)).status_code == 403
    identity.clock.advance(28_801)
    admin = await identity.session("admin", scope="admin")
    assert (await admin.put(path, reader)).status_code == 401


async def test_only_administrators_of_a_project_lend_and_see_what_is_lent(identity: World) -> None:
    """Keystone's rules; the same for what is there and what is not."""
    printer, user_id = await consumer(identity), await admin_id(identity)
    access = await lent(identity, printer, "reader")
    token = read(await printer.request(await admin_project(identity)))
    own = await identity.user("ada", "manager", await identity.project("own"))
    ada = await identity.session("ada", scope="own")
    for method, path, body in (
        ("PUT", f"/v3/OS-OAUTH1/authorize/{token['oauth_token']}", {"roles": [{"name": "reader"}]}),
        ("GET", f"/v3/users/{own}/OS-OAUTH1/access_tokens", None),
        ("GET", f"/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access['oauth_token']}", None),
        ("DELETE", f"/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access['oauth_token']}", None),
        ("GET", f"/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access['oauth_token']}/roles", None),
        ("GET", "/v3/OS-OAUTH1/consumers", None),
        ("POST", "/v3/OS-OAUTH1/consumers", {"consumer": {}}),
        ("DELETE", f"/v3/OS-OAUTH1/consumers/{printer.id}", None),
    ):
        assert (await ada.request(method, path, body)).status_code == 403


async def test_what_is_not_signed_is_refused(identity: World) -> None:
    project_id, printer = await admin_project(identity), await consumer(identity)
    other = await consumer(identity)
    request, verifier = await authorized(identity, printer, "reader")
    access = await lent(identity, printer, "reader")
    stranger = Consumer(identity, {"id": MISSING, "secret": "x"})
    for answer in (
        await printer.request(project_id, secret="wrong"),
        await stranger.request(project_id),
        await stranger.request(MISSING),  # who has not signed learns of no project
        await printer.request(project_id, resource_owner_key=MISSING),
        await printer.exchange(request, verifier, secret="wrong"),
        await printer.exchange({**request, "oauth_token_secret": "x"}, verifier),
        await printer.exchange({**request, "oauth_token": MISSING}, verifier),
        await printer.exchange({**request, "oauth_token": "\0"}, verifier),
        await other.exchange(request, verifier),
        await printer.exchange(request, "wrong"),
        await printer.login({**access, "oauth_token_secret": "x"}),
        await printer.login({**access, "oauth_token": MISSING}),
        await other.login(access),
    ):
        assert answer.status_code == 401, answer.text
    missing = await printer.request(MISSING)
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, f"Could not find project: {MISSING}.")
    assert (await printer.exchange(request, verifier)).status_code == 201


async def test_a_request_token_is_used_once_and_in_time(identity: World) -> None:
    printer = await consumer(identity)
    fresh = read(await printer.request(await admin_project(identity)))
    message = "Request Token does not have an authorizing user id."
    answer = await printer.exchange(fresh, "anything")
    assert (answer.status_code, answer.json()["error"]["message"]) == (401, message)
    late = await authorized(identity, printer, "reader")
    used = await authorized(identity, printer, "reader")
    answers = await asyncio.gather(*(printer.exchange(*used) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401]
    identity.clock.advance(28_801)
    assert (await printer.exchange(*late)).status_code == 401


async def test_what_is_lent_ends_and_so_do_its_tokens(identity: World) -> None:
    limits = Identity(bcrypt_rounds=4, token_ttl_s=3600, oauth_access_ttl_s=600, oauth_request_ttl_s=0)
    identity.processes[0].config = Config(identity=limits)
    printer = await consumer(identity)
    request, verifier = await authorized(identity, printer, "reader")
    assert "oauth_expires_at" not in request
    access = read(await printer.exchange(request, verifier))
    login = await printer.login(access)
    assert login.json()["token"]["expires_at"] <= access["oauth_expires_at"]
    bearer = Session(identity.clients[0], login.headers["X-Subject-Token"])
    identity.clock.advance(599)
    assert (await bearer.get("/v3/auth/projects")).status_code == 200
    identity.clock.advance(1)
    assert (await bearer.get("/v3/auth/projects")).status_code == 401
    answer = await printer.login(access)
    assert answer.status_code == 401
    await printer.request(await admin_project(identity))  # and sweeps
    rows = await identity.ctx.execute(sa.select(metadata.tables["identity_oauth_access_token"]))
    assert rows.all() == []
    identity.processes[0].config = Config(identity=Identity(bcrypt_rounds=4, oauth_access_ttl_s=0))
    access = await lent(identity, printer, "reader")
    user_id = await admin_id(identity)
    path = f"/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access['oauth_token']}"
    assert (await (await identity.admin()).get(path)).json()["access_token"]["expires_at"] is None
    identity.clock.advance(10 * 86_400)
    assert (await printer.login(access)).status_code == 201


async def test_a_signed_request_is_taken_once(identity: World) -> None:
    project_id, printer = await admin_project(identity), await consumer(identity)
    access = await lent(identity, printer, "reader")
    same = {"nonce": "the same", "timestamp": str(int(identity.clock.now()))}
    answers = await asyncio.gather(*(printer.login(access, **same) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401]
    assert (await printer.request(project_id, **same)).status_code == 201  # another request
    assert (await printer.request(project_id, **same)).status_code == 401
    identity.clock.advance(2000)
    await printer.request(project_id)
    nonces = await identity.ctx.execute(sa.select(metadata.tables["identity_oauth_nonce"]))
    assert len(nonces.all()) == 1


async def test_what_is_no_request_of_oauth(identity: World) -> None:
    project_id, printer = await admin_project(identity), await consumer(identity)
    good = printer.signed(REQUEST)["Authorization"]
    where = {"Requested-Project-Id": project_id}
    http = identity.clients[0]
    for headers in (
        where,
        {**where, "Authorization": "Bearer x"},
        {**where, "Authorization": "OAuth x"},
        {**where, "Authorization": good.replace("oauth_consumer_key", "oauth_other")},
        {**where, "Authorization": good.replace("HMAC-SHA1", "PLAINTEXT")},
        {**where, "Authorization": good.replace('version="1.0"', 'version="2.0"')},
        {"Authorization": good},
    ):
        assert (await http.post(REQUEST, headers=headers)).status_code == 400, headers
    for wrong in ("0", str(int(identity.clock.now()) + 700), "1e9"):
        assert (await printer.request(project_id, timestamp=wrong)).status_code == 400
    for said in ({}, {"resource_owner_key": MISSING}, {"verifier": "x"}):
        assert (await printer.post(ACCESS, **said)).status_code == 400
    assert (await printer.post("/v3/auth/tokens", LOGIN)).status_code == 400
    odd = await http.post(f"{REQUEST}?a=%ff%22%zz", headers={**where, "Authorization": good})
    assert odd.status_code == 400
    form = {**where, "Authorization": good, "Content-Type": rules.FORM}
    assert (await http.post(REQUEST, headers=form, content=b"\xff")).status_code == 400
    assert (await http.post(REQUEST, headers=form, content=b"a=b")).status_code == 201  # its header is signed


def test_the_example_of_the_standard() -> None:
    """RFC 5849, section 1.2: the printer asks for its access token."""
    said = (
        'OAuth realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03", oauth_token="hh5s93j4hdidpola", '
        'oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131201", oauth_nonce="walatlh", '
        'oauth_verifier="hfdp7dh39dks9884", oauth_signature="gKgrFCywp7rO0OXSjdot%2FIHF7IU%3D"'
    )
    signed = rules.read(rules.Message("https://photos.example.net/token", said), now=137131201)
    assert rules.is_signed(signed, "kd94hf93k423kf44", "hdhd0244k9j7ao03")
    assert not rules.is_signed(signed, "kd94hf93k423kf44", "hdhd0244k9j7ao04")


async def test_secrets_are_sealed_each_for_its_row(identity: World) -> None:
    printer = await consumer(identity)
    request = read(await printer.request(await admin_project(identity)))
    access = await lent(identity, printer, "reader")
    said = []
    for name in ("consumer", "request_token", "access_token"):
        said += [str(row) for row in await identity.ctx.execute(sa.select(metadata.tables[f"identity_oauth_{name}"]))]
    said += [
        str(row) for name in ("event", "audit") for row in await identity.ctx.execute(sa.select(metadata.tables[name]))
    ]
    for secret in (printer.secret, request["oauth_token_secret"], access["oauth_token_secret"]):
        assert not [each for each in said if secret in each]
    identity.processes[0].seal = Seal(bytes(range(32)))
    message = rules.Message(f"{ROOT}/OS-OAUTH1/request_token", printer.signed(REQUEST)["Authorization"])
    with pytest.raises(Unavailable, match="site key"):
        await service.create_request_token(identity.ctx, message, MISSING)
    assert PASSWORD not in str(said)
