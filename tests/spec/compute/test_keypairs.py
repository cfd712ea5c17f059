"""Key pairs: public keys that users give to their servers."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_public_key
from cryptography.x509 import load_pem_x509_certificate

from support.cloud import RunningCloud
from support.computed import FINGERPRINT, PUBLIC_KEY, a_keypair, at

KEYPAIRS = "/compute/v2.1/os-keypairs"


async def made(cloud: Any, name: str = "mine", version: str = "2.92", **more: Any) -> Any:
    body = {"keypair": {"name": name, "public_key": PUBLIC_KEY, **more}}
    return await cloud.post(KEYPAIRS, json=body, headers=at(version))


async def test_a_public_key_is_kept_shown_and_deleted(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    answer = await made(member)
    expected = {
        "name": "mine",
        "public_key": PUBLIC_KEY,
        "fingerprint": FINGERPRINT,
        "type": "ssh",
        "user_id": member.user_id,
    }
    assert (answer.status_code, answer.json()) == (201, {"keypair": expected})
    shown = (await member.get("/compute/v2.1/os-keypairs/mine", headers=at("2.92"))).json()["keypair"]
    assert isinstance(shown.pop("id"), int)
    assert shown.pop("created_at").startswith("2100-01-01T00:0")
    assert shown == {**expected, "deleted": False, "deleted_at": None, "updated_at": None}
    listed = (await member.get(KEYPAIRS, headers=at("2.2"))).json()["keypairs"]
    del expected["user_id"]
    assert listed == [{"keypair": expected}]
    gone = await member.delete("/compute/v2.1/os-keypairs/mine", headers=at("2.2"))
    assert (gone.status_code, gone.content) == (204, b"")
    missing = await member.delete("/compute/v2.1/os-keypairs/mine", headers=at("2.2"))
    assert missing.json()["itemNotFound"]["message"] == f"Keypair mine not found for user {member.user_id}"


async def test_the_first_microversion_knows_no_types(cloud: RunningCloud) -> None:
    answer = await made(cloud, version="2.1")
    assert answer.status_code == 200
    assert "type" not in answer.json()["keypair"]
    assert "type" not in (await cloud.get("/compute/v2.1/os-keypairs/mine")).json()["keypair"]
    assert (await made(cloud, "other", "2.1", type="ssh")).status_code == 400
    assert (await cloud.delete("/compute/v2.1/os-keypairs/mine")).status_code == 202


async def test_a_key_is_made_for_who_has_none_until_2_91(cloud: RunningCloud) -> None:
    answer = await cloud.post("/compute/v2.1/os-keypairs", json={"keypair": {"name": "new"}}, headers=at("2.91"))
    keypair = answer.json()["keypair"]
    private = load_pem_private_key(keypair["private_key"].encode(), None)
    assert private.public_key() == load_ssh_public_key(keypair["public_key"].encode())
    shown = (await cloud.get("/compute/v2.1/os-keypairs/new")).text
    assert "PRIVATE" not in shown
    later = await cloud.post(KEYPAIRS, json={"keypair": {"name": "later"}}, headers=at("2.92"))
    assert later.status_code == 400


async def test_a_certificate_is_a_key_too(cloud: RunningCloud) -> None:
    body = {"keypair": {"name": "windows", "type": "x509"}}
    keypair = (await cloud.post(KEYPAIRS, json=body, headers=at("2.2"))).json()["keypair"]
    certificate = load_pem_x509_certificate(keypair["public_key"].encode())
    private = load_pem_private_key(keypair["private_key"].encode(), None)
    assert certificate.public_key() == private.public_key()
    assert cloud.user_id in certificate.subject.rfc4514_string()
    again = {"keypair": {"name": "imported", "type": "x509", "public_key": keypair["public_key"]}}
    imported = (await cloud.post(KEYPAIRS, json=again, headers=at("2.2"))).json()["keypair"]
    assert (imported["type"], imported["fingerprint"]) == ("x509", keypair["fingerprint"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"name": " x"},
        {"name": "key/"},
        {"name": "a.b"},
        {"name": "line\n"},
        {"public_key": ""},
        {"public_key": "ssh-rsa"},
        {"public_key": "ssh-rsa JUNK nova@ubuntu"},
        {"public_key": "ssh-ed25519 AAAA"},
        {"public_key": PUBLIC_KEY, "type": "x509"},
        {"type": "dsa"},
        {"unknown": 1},
    ],
    ids=str,
)
async def test_a_key_that_is_none_is_refused(cloud: RunningCloud, wrong: dict[str, Any]) -> None:
    answer = await made(cloud, **{"name": "mine", "version": "2.10", **wrong})
    assert (answer.status_code, answer.json()["badRequest"]["code"]) == (400, 400)


async def test_names_may_hold_more_from_2_92_on(cloud: RunningCloud) -> None:
    assert (await made(cloud, "me@home.example")).status_code == 201
    assert (await cloud.get("/compute/v2.1/os-keypairs/me@home.example")).status_code == 200


async def test_a_name_is_given_once_for_each_user(cloud: RunningCloud) -> None:
    assert (await made(cloud)).status_code == 201
    again = await made(cloud)
    assert again.json()["conflictingRequest"]["message"] == "Key pair 'mine' already exists."
    assert (await made(cloud.as_("member"))).status_code == 201


async def test_an_administrator_keeps_keys_for_others_from_2_10_on(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    assert (await made(cloud, version="2.9", user_id=member.user_id)).status_code == 400
    assert (await made(cloud, version="2.10", user_id=member.user_id)).status_code == 201
    of_member, early = f"{KEYPAIRS}/mine?user_id={member.user_id}", at("2.9")
    assert (await member.get("/compute/v2.1/os-keypairs/mine")).status_code == 200
    assert (await cloud.get(of_member, headers=early)).status_code == 404
    assert (await cloud.get(of_member, headers=at("2.10"))).status_code == 200
    listed = await cloud.get(f"{KEYPAIRS}?user_id={member.user_id}", headers=at("2.10"))
    assert len(listed.json()["keypairs"]) == 1
    assert (await cloud.delete(of_member, headers=at("2.10"))).status_code == 204
    assert (await made(cloud, user_id="nobody")).status_code == 400


async def test_nobody_else_looks_at_the_keys_of_others(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    name = await a_keypair(cloud)
    for method, path in (("GET", f"/{name}"), ("GET", ""), ("DELETE", f"/{name}")):
        url = f"{KEYPAIRS}{path}?user_id={cloud.user_id}"
        assert (await member.request(method, url, headers=at("2.10"))).status_code == 403
    assert (await made(member, user_id=cloud.user_id)).status_code == 403
    assert (await member.get(f"/compute/v2.1/os-keypairs/{name}")).status_code == 404


async def test_the_list_is_paged_from_2_35_on(cloud: RunningCloud) -> None:
    for name in ("c", "a", "b"):
        await made(cloud, name)
    first = (await cloud.get(f"{KEYPAIRS}?limit=2", headers=at("2.35"))).json()
    assert [each["keypair"]["name"] for each in first["keypairs"]] == ["a", "b"]
    rest = (await cloud.get(first["keypairs_links"][0]["href"], headers=at("2.35"))).json()
    assert [each["keypair"]["name"] for each in rest["keypairs"]] == ["c"]
    assert "keypairs_links" not in rest
    assert (await cloud.get(f"{KEYPAIRS}?marker=none", headers=at("2.35"))).status_code == 400
    assert len((await cloud.get(f"{KEYPAIRS}?limit=2", headers=at("2.34"))).json()["keypairs"]) == 3
    assert (await cloud.get(f"{KEYPAIRS}?colour=red", headers=at("2.75"))).status_code == 400


async def test_no_user_keeps_more_than_the_quota_says(cloud: RunningCloud) -> None:
    for number in range(100):
        assert (await made(cloud, f"k{number}")).status_code == 201
    one_more = await made(cloud, "one more")
    assert one_more.status_code == 403
    assert "key_pairs" in one_more.json()["forbidden"]["message"]
    assert (await made(cloud.as_("member"))).status_code == 201


async def test_keys_go_with_their_user(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    await made(member)
    assert (await cloud.delete(f"/identity/v3/users/{member.user_id}")).status_code == 204
    listed = await cloud.get(f"{KEYPAIRS}?user_id={member.user_id}", headers=at("2.10"))
    assert listed.json()["keypairs"] == []
