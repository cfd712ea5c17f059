"""EC2 credentials, and tokens for who has signed a request with one. OpenStack's own client is the other signer."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest
from keystoneclient.contrib.ec2.utils import Ec2Signer

from pileus.kernel.clock import iso
from pileus.services.identity.credentials import service as credentials
from pileus.services.identity.ec2 import rules
from support.identity import Session, World
from support.trusts import Pair

MISSING = "0" * 32
ROOT = "http://cloud.example:8775/identity/v3"


async def owner(identity: World, name: str = "ada", role: str = "member") -> tuple[str, str, Session]:
    """Somebody with a role in a project of their own: ids of user and project, and the session."""
    project_id = await identity.project(f"of {name}")
    user_id = await identity.user(name, role, project_id)
    return user_id, project_id, await identity.session(name, scope=f"of {name}")


async def service_user(identity: World) -> Session:
    """Who asks whose a signature is: a service."""
    await identity.user("swift", "service", await identity.project("services"))
    return await identity.session("swift", scope="services")


async def keys_of(session: Session, user_id: str, project_id: str) -> dict[str, Any]:
    made = await session.post(f"/v3/users/{user_id}/credentials/OS-EC2", {"tenant_id": project_id})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()["credential"]
    return found


async def test_keys_are_made_shown_listed_and_deleted(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    base = f"/v3/users/{user_id}/credentials/OS-EC2"
    keys = (await ada.post(f"/v3/users/{user_id}/credentials/OS-EC2", {"tenant_id": project_id})).json()["credential"]
    assert keys == {
        "user_id": user_id,
        "tenant_id": project_id,
        "access": keys["access"],
        "secret": keys["secret"],
        "trust_id": None,
        "links": {"self": f"{ROOT}/users/{user_id}/credentials/OS-EC2/{keys['access']}"},
    }
    path = f"/v3/users/{user_id}/credentials/OS-EC2/{keys['access']}"
    assert (await ada.get(path)).json() == {"credential": keys}
    await ada.post("/v3/credentials", {"credential": {"blob": "b", "type": "cert", "user_id": user_id}})
    listed = (await ada.get(f"/v3/users/{user_id}/credentials/OS-EC2")).json()
    assert listed == {"credentials": [keys], "links": {"next": None, "previous": None, "self": f"{ROOT}{base[3:]}"}}
    same = (await ada.get(f"/v3/credentials/{credentials.id_of(keys['access'])}")).json()["credential"]
    assert (same["type"], json.loads(same["blob"])["secret"]) == ("ec2", keys["secret"])
    assert (await ada.delete(f"/v3/users/{user_id}/credentials/OS-EC2/{keys['access']}")).status_code == 204
    assert (await (await identity.admin()).get(path)).status_code == 404


async def test_keys_are_pages_of_a_list(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    made = {(await keys_of(ada, user_id, project_id))["access"] for _ in range(3)}
    page = (await ada.get(f"/v3/users/{user_id}/credentials/OS-EC2?limit=2")).json()
    rest = (await ada.get(page["links"]["next"].partition("/identity")[2])).json()
    assert {each["access"] for each in (*page["credentials"], *rest["credentials"])} == made


async def test_what_no_keys_are_made_for(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    admin = await identity.admin()
    base = f"/v3/users/{user_id}/credentials/OS-EC2"
    for session, path, body, status in (
        (ada, base, {}, 400),
        (ada, base, {"tenant_id": [project_id]}, 400),
        (ada, base, {"tenant_id": MISSING}, 404),
        (admin, f"/v3/users/{MISSING}/credentials/OS-EC2", {"tenant_id": project_id}, 404),
    ):
        assert (await session.post(path, body)).status_code == status
    assert (await admin.get(f"/v3/users/{MISSING}/credentials/OS-EC2")).status_code == 404


async def test_what_is_no_ec2_credential_is_none_here(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    keys = await keys_of(ada, user_id, project_id)
    await ada.patch(f"/v3/credentials/{credentials.id_of(keys['access'])}", {"credential": {"type": "cert"}})
    admin = await identity.admin()
    assert (await admin.get(f"/v3/users/{user_id}/credentials/OS-EC2/{keys['access']}")).status_code == 404
    assert (await ask(await service_user(identity), version_2(keys))).status_code == 404


async def test_keys_are_ones_own_and_strangers_have_nothing_to_do_with_them(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    eve_id, _, eve = await owner(identity, "eve")
    _, _, rob = await owner(identity, "rob", "reader")
    await identity.grant(eve_id, "admin", "domains/default")
    there = (await keys_of(ada, user_id, project_id))["access"]
    base = f"/v3/users/{user_id}/credentials/OS-EC2"
    for stranger in (eve, rob, await identity.session("eve", scope={"domain": {"id": "default"}})):
        assert (await stranger.get(base)).status_code == 403
        assert (await stranger.post(base, {"tenant_id": project_id})).status_code == 403
        for method in ("GET", "DELETE"):
            assert (await stranger.request(method, f"{base}/{there}")).status_code == 403
            assert (await stranger.request(method, f"{base}/{MISSING}")).status_code == 404  # Keystone's way
            own = f"/v3/users/{eve_id}/credentials/OS-EC2/{there}"  # whose keys they are counts, not the path
            assert (await eve.request(method, own)).status_code == 403
    assert (await (await identity.admin()).get(f"/v3/users/{eve_id}/credentials/OS-EC2/{there}")).status_code == 200
    assert (await ada.get(f"{base}/{there}")).status_code == 200


async def test_who_reads_only_makes_no_keys(identity: World) -> None:
    user_id, project_id, rob = await owner(identity, "rob", "reader")
    path = f"/v3/users/{user_id}/credentials/OS-EC2"
    assert (await rob.post(path, {"tenant_id": project_id})).status_code == 403
    keys = await keys_of(await identity.admin(), user_id, project_id)
    assert (await rob.get(f"{path}/{keys['access']}")).status_code == 200
    assert (await rob.delete(f"{path}/{keys['access']}")).status_code == 403


# Signatures


def signed(keys: dict[str, Any], **request: Any) -> dict[str, Any]:
    """A request as a service passes it on, signed by OpenStack's client."""
    sent = {"access": keys["access"], "host": "ec2.example", "verb": "GET", "path": "/", "params": {}, **request}
    return {**sent, "signature": Ec2Signer(keys["secret"]).generate(json.loads(json.dumps(sent)))}


def version_2(keys: dict[str, Any], **params: Any) -> dict[str, Any]:
    return signed(keys, params={"SignatureVersion": "2", "Action": "Run", "Name": "ä b/c~", "Count": 3, **params})


def version_4(keys: dict[str, Any], **request: Any) -> dict[str, Any]:
    scope = "20260101/RegionOne/ec2/aws4_request"
    said = f"AWS4-HMAC-SHA256 Credential={keys['access']}/{scope}, SignedHeaders=host;x-amz-date, Signature=no"
    headers = {"Authorization": said, "X-Amz-Date": "20260101T000000Z", "Host": "ec2.example", "Other": "x"}
    return signed(keys, **{"headers": headers, "body_hash": hashlib.sha256(b"").hexdigest(), **request})


def in_query(keys: dict[str, Any]) -> dict[str, Any]:
    params = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{keys['access']}/20260101/RegionOne/ec2/aws4_request",
        "X-Amz-Date": "20260101T000000Z",
        "X-Amz-SignedHeaders": "host",
    }
    request = signed(keys, params=params, headers={"Host": "ec2.example"}, body_hash="UNSIGNED-PAYLOAD")
    return {**request, "params": {**params, "X-Amz-Signature": request["signature"]}}


async def ask(session: Session, request: dict[str, Any], around: str = "credentials") -> Any:
    return await session.post("/v3/ec2tokens", {around: request})


async def test_who_signs_a_request_gets_a_token(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    swift, keys = await service_user(identity), await keys_of(ada, user_id, project_id)
    answer = await swift.post("/v3/ec2tokens", {"credentials": version_2(keys)})
    assert answer.status_code == 200
    token = answer.json()["token"]
    assert (token["methods"], token["user"]["id"], token["project"]["id"]) == (["ec2credential"], user_id, project_id)
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}
    assert token["catalog"]
    for around in ("credential", "ec2Credentials"):
        assert (await ask(swift, version_2(keys), around)).status_code == 200
    bearer = Session(identity.clients[0], answer.headers["X-Subject-Token"])
    assert (await bearer.get(f"/v3/users/{user_id}")).status_code == 200


@pytest.mark.parametrize(
    "sign",
    [
        lambda keys: signed(
            keys, params={"SignatureVersion": "0", "Action": "Run", "Timestamp": "2030-01-01T00:00:00Z"}
        ),
        lambda keys: signed(keys, params={"SignatureVersion": "1", "Action": "Run", "b": "1", "C": "2"}),
        version_2,
        lambda keys: with_params(version_2(keys), Signature="which is not part of what is signed"),
        lambda keys: {**version_2(keys), "host": "ec2.example:8773"},
        version_4,
        lambda keys: version_4(keys, verb="POST", params={"Action": "Run"}),
        lambda keys: version_4(keys, params={"Action": "Run", "Ä": "ö"}),
        in_query,
    ],
)
async def test_every_version_of_signatures(identity: World, sign: Any) -> None:
    user_id, project_id, ada = await owner(identity)
    swift, keys = await service_user(identity), await keys_of(ada, user_id, project_id)
    request = sign(keys)
    answer = await ask(swift, request)
    assert answer.status_code == 200, answer.text
    assert answer.json()["token"]["user"]["id"] == user_id
    for forged in (
        ("B" if request["signature"][0] == "A" else "A") + request["signature"][1:],
        "ä",
        request["signature"] + "=",
    ):
        refused = await ask(swift, {**request, "signature": forged})
        assert (refused.status_code, refused.json()["error"]["message"]) == (401, "Invalid EC2 signature.")


def with_params(request: dict[str, Any], **params: Any) -> dict[str, Any]:
    return {**request, "params": {**request["params"], **params}}


def test_the_example_of_amazons_test_suite() -> None:
    """`get-vanilla` of the published suite for Signature Version 4."""
    scope = "20150830/us-east-1/service/aws4_request"
    said = f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders=host;x-amz-date, Signature=x"
    headers = {"Host": "example.amazonaws.com", "X-Amz-Date": "20150830T123600Z", "Authorization": said}
    empty = hashlib.sha256(b"").hexdigest()
    request = rules.Signed(access="AKIDEXAMPLE", verb="GET", path="/", headers=headers, body_hash=empty)
    found = rules.signature("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", request)
    assert found.text == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"access": ""}, 401, "EC2 Signature not supplied"),
        ({"access": MISSING}, 404, "EC2 access key not found."),
        ({"signature": ""}, 401, "EC2 signature not supplied."),
        ({"signature": 1}, 400, "credentials.signature"),
        ({"params": {}}, 401, "Unknown signature version: None"),
        ({"params": {"SignatureVersion": "3"}}, 401, "Unknown signature version: 3"),
        ({"params": {"X-Amz-Algorithm": "AWS4-HMAC-SHA256"}}, 401, "Invalid EC2 signature."),
        ({"host": "[ec2"}, 401, "Invalid EC2 signature."),
        (
            {"params": {}, "headers": {"authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/d", "x-amz-date": "b"}},
            401,
            "Invalid EC2 signature.",
        ),
    ],
)
async def test_what_is_no_signature(identity: World, change: dict[str, Any], status: int, message: str) -> None:
    user_id, project_id, ada = await owner(identity)
    swift, keys = await service_user(identity), await keys_of(ada, user_id, project_id)
    answer = await ask(swift, {**version_2(keys), **change})
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]
    for body in ({}, {"credentials": {}}):
        assert (await swift.post("/v3/ec2tokens", body)).status_code in {400, 401}


async def test_a_request_that_was_signed_long_ago_is_refused(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    swift, keys = await service_user(identity), await keys_of(ada, user_id, project_id)
    now = iso(identity.clock.now())
    requests = [version_2(keys, Timestamp=now), version_4(keys), in_query(keys)]
    for request in requests:
        assert (await ask(swift, request)).status_code == 200
    identity.clock.advance(901)
    for request in requests:
        answer = await ask(swift, request)
        assert (answer.status_code, answer.json()["error"]["message"]) == (401, "Credential is expired")
    fresh = with_params(version_4(keys, verb="POST"), Timestamp=iso(identity.clock.now()))  # which nobody has signed
    assert (await ask(swift, fresh)).status_code == 401
    answer = await ask(swift, version_2(keys, Timestamp="yesterday"))
    assert "Credential timestamp is invalid" in answer.json()["error"]["message"]
    assert (await ask(swift, version_2(keys, Timestamp="2030-01-01T00:00:00"))).status_code == 200
    assert (await ask(swift, version_2(keys))).status_code == 200  # the signer has left it out


def s3(keys: dict[str, Any], text: bytes) -> dict[str, Any]:
    return {"access": keys["access"], "token": urlsafe_b64encode(text).decode()}


def s3_version_1(keys: dict[str, Any], text: bytes = b"GET\n\n\n1\n/bucket/\xff") -> dict[str, Any]:
    signature = b64encode(hmac.digest(keys["secret"].encode(), text, "sha1")).decode()
    return {**s3(keys, text), "signature": signature}


def s3_version_4(keys: dict[str, Any], scope: str = "20260101/RegionOne/s3/aws4_request") -> dict[str, Any]:
    key = b"AWS4" + keys["secret"].encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n20260101T000000Z\n{scope}\n{hashlib.sha256(b'').hexdigest()}".encode()
    return {**s3(keys, text), "signature": hmac.digest(key, text, "sha256").hex()}


async def test_who_signs_a_request_to_an_object_store_is_known(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    swift, keys = await service_user(identity), await keys_of(ada, user_id, project_id)
    for request in (s3_version_1(keys), s3_version_4(keys)):
        answer = await swift.post("/v3/s3tokens", {"credentials": request})
        assert answer.status_code == 200, answer.text
        assert "x-subject-token" not in answer.headers
        token = answer.json()["token"]
        assert (token["user"]["id"], token["project"]["id"]) == (user_id, project_id)
        for wrong in ({"signature": "x"}, {"token": ""}, {"token": "A"}, {"token": "\u00e4"}):
            assert (await swift.post("/v3/s3tokens", {"credentials": {**request, **wrong}})).status_code == 401
    for scope in ("20260101/RegionOne/ec2/aws4_request", "20260101/RegionOne/s3/other", "20260101/s3/aws4_request"):
        assert (await swift.post("/v3/s3tokens", {"credentials": s3_version_4(keys, scope)})).status_code == 401


async def test_only_services_and_administrators_ask_whose_a_signature_is(identity: World) -> None:
    """CVE-2025-65073: else whoever sees a signed link could make it a token."""
    user_id, project_id, ada = await owner(identity)
    keys = await keys_of(ada, user_id, project_id)
    for path, request in (("/v3/ec2tokens", version_2(keys)), ("/v3/s3tokens", s3_version_1(keys))):
        assert (await ada.post(path, {"credentials": request})).status_code == 403
        assert (await identity.nobody.post(path, {"credentials": request})).status_code == 401
        assert (await (await identity.admin()).post(path, {"credentials": request})).status_code == 200


async def test_keys_are_worth_what_their_user_may_do_in_their_project(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    swift, keys = await service_user(identity), await keys_of(ada, user_id, project_id)
    elsewhere = await keys_of(ada, user_id, await identity.project("of nobody"))
    admin = await identity.admin()
    assert (await ask(swift, version_2(elsewhere))).status_code == 401
    for place, body in ((f"/v3/users/{user_id}", "user"), (f"/v3/projects/{project_id}", "project")):
        for enabled in (False, True):
            await admin.patch(place, {body: {"enabled": enabled}})
            assert (await ask(swift, version_2(keys))).status_code == (200 if enabled else 401)
    await admin.delete(f"/v3/projects/{project_id}")
    assert (await ask(swift, version_2(keys))).status_code == 404


async def program(identity: World, ada: Session, user_id: str, **facts: Any) -> tuple[str, Session]:
    """An application credential of hers, by its path, and who has logged in by it."""
    path = f"/v3/users/{user_id}/application_credentials"
    made = (await ada.post(path, {"application_credential": {"name": str(facts), **facts}})).json()
    found = made["application_credential"]
    said = {"id": found["id"], "secret": found["secret"]}
    login = {"auth": {"identity": {"methods": ["application_credential"], "application_credential": said}}}
    token = (await identity.login(login)).headers["X-Subject-Token"]
    return f"{path}/{found['id']}", Session(identity.clients[0], token)


async def test_keys_made_by_an_application_credential_bring_no_more_than_it_does(identity: World) -> None:
    user_id, project_id, ada = await owner(identity, role="manager")
    swift, own = await service_user(identity), await keys_of(ada, user_id, project_id)
    facts = {"roles": [{"name": "member"}], "unrestricted": True}
    path, backup = await program(identity, ada, user_id, **facts)
    keys = await keys_of(backup, user_id, project_id)
    token = (await ask(swift, version_2(keys))).json()["token"]
    assert token["application_credential"]["id"] == path.rpartition("/")[2]
    assert "manager" not in {role["name"] for role in token["roles"]}
    base = f"/v3/users/{user_id}/credentials/OS-EC2"
    assert [each["access"] for each in (await backup.get(base)).json()["credentials"]] == [keys["access"]]
    for method in ("GET", "DELETE"):
        assert (await backup.request(method, f"{base}/{own['access']}")).status_code == 404
    assert len((await ada.get(base)).json()["credentials"]) == 2
    elsewhere = await identity.project("elsewhere")
    assert (await backup.post(base, {"tenant_id": elsewhere})).status_code == 403
    _, restricted = await program(identity, ada, user_id)
    assert (await restricted.post(base, {"tenant_id": project_id})).status_code == 403
    await ada.delete(path)
    assert (await ask(swift, version_2(keys))).status_code == 401
    assert (await ask(swift, version_2(own))).status_code == 200


@pytest.mark.parametrize("impersonation", [True, False])
async def test_keys_made_by_a_trust_act_as_the_trust_does(pair: Pair, impersonation: bool) -> None:
    """With impersonation the keys are the trustor's, but the trust remains the trustee's to use."""
    made = await pair.make(impersonation=impersonation)
    bob = await pair.login(made["id"])
    acting = pair.ada_id if impersonation else pair.bob_id
    keys, swift = await keys_of(bob, acting, pair.project_id), await service_user(pair.world)
    assert keys["trust_id"] == made["id"]
    token = (await ask(swift, version_2(keys))).json()["token"]
    assert (token["user"]["id"], token["OS-TRUST:trust"]["id"]) == (acting, made["id"])
    assert {role["name"] for role in token["roles"]} >= {"member"}
    await pair.ada.delete(f"/v3/OS-TRUST/trusts/{made['id']}")
    assert (await ask(swift, version_2(keys))).status_code == 401
