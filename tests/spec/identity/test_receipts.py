"""POST /v3/auth/tokens in more than one step: who must log in by several methods."""

from __future__ import annotations

from base64 import b32encode
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet, MultiFernet

from pileus.kernel.errors import Unauthorized
from pileus.services.identity.methods import Proof
from pileus.services.identity.receipts import rules, service
from pileus.services.identity.receipts.rules import Receipt
from pileus.services.identity.revision import service as revision
from pileus.services.identity.tokens import rules as tokens
from pileus.services.identity.totp import rules as totp
from support.identity import PASSWORD, Session, World, by_password, by_token

SECRET = b"12345678901234567890"
SCOPE = {"project": {"name": "own", "domain": {"id": "default"}}}
BOTH = [["password", "totp"]]


class Ada:
    """A member of the project `own` with a device that shows passcodes."""

    def __init__(self, world: World, user_id: str) -> None:
        self.world, self.id = world, user_id

    async def must(self, rules: Any, enabled: bool | None = True) -> None:
        options = {"multi_factor_auth_rules": rules, "multi_factor_auth_enabled": enabled}
        answer = await (await self.world.admin()).patch(f"/v3/users/{self.id}", {"user": {"options": options}})
        assert answer.status_code == 200, answer.text

    def by_passcode(self, scope: Any = SCOPE) -> dict[str, Any]:
        passcode = totp.passcode(SECRET, int(self.world.clock.now()) // 30)
        identity = {"methods": ["totp"], "totp": {"user": {"id": self.id, "passcode": passcode}}}
        return {"auth": {"identity": identity, "scope": scope}}

    async def login(self, body: dict[str, Any], receipt: str = "") -> httpx.Response:
        sent = {"Openstack_Auth_Receipt": receipt} if receipt else {}
        return await self.world.nobody.request("POST", "/v3/auth/tokens", body, **sent)

    async def receipt(self) -> str:
        answer = await self.login(by_password("ada"))
        assert answer.status_code == 401
        return str(answer.headers["Openstack-Auth-Receipt"])


@pytest.fixture
async def ada(identity: World) -> Ada:
    user_id = await identity.user("ada", "member", await identity.project("own"))
    credential = {"type": "totp", "blob": b32encode(SECRET).decode(), "user_id": user_id}
    answer = await (await identity.admin()).post("/v3/credentials", {"credential": credential})
    assert answer.status_code == 201, answer.text
    return Ada(identity, user_id)


async def test_who_brings_one_of_two_methods_gets_a_receipt(ada: Ada) -> None:
    await ada.must(BOTH)
    answer = await ada.login(by_password("ada", scope="own"))
    assert answer.status_code == 401
    assert answer.json() == {
        "receipt": {
            "methods": ["password"],
            "user": {"id": ada.id, "name": "ada", "domain": {"id": "default", "name": "Default"}},
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "expires_at": "2026-01-01T00:05:00.000000Z",
        },
        "required_auth_methods": BOTH,
    }
    assert "X-Subject-Token" not in answer.headers
    assert "WWW-Authenticate" not in answer.headers


async def test_the_other_method_and_the_receipt_give_the_token(ada: Ada) -> None:
    await ada.must(BOTH)
    answer = await ada.login(ada.by_passcode(), await ada.receipt())
    assert answer.status_code == 201, answer.text
    token = answer.json()["token"]
    assert set(token["methods"]) == {"password", "totp"}
    assert token["project"]["name"] == "own"
    session = Session(ada.world.clients[0], answer.headers["X-Subject-Token"])
    again = await ada.world.login(by_token(session.token))  # what was proven stays proven
    assert again.status_code == 201


async def test_both_methods_at_once_need_no_receipt(ada: Ada) -> None:
    await ada.must(BOTH)
    body = ada.by_passcode()
    body["auth"]["identity"] |= {
        "methods": ["password", "totp"],
        "password": {"user": {"id": ada.id, "password": PASSWORD}},
    }
    assert (await ada.login(body)).json()["token"]["methods"] == ["password", "totp"]


async def test_the_same_method_again_is_not_more(ada: Ada) -> None:
    await ada.must(BOTH)
    answer = await ada.login(by_password("ada"), await ada.receipt())
    assert (answer.status_code, answer.json()["receipt"]["methods"]) == (401, ["password"])


async def test_a_wrong_password_gives_no_receipt(ada: Ada) -> None:
    await ada.must(BOTH)
    answer = await ada.login(by_password("ada", "wrong"))
    assert answer.status_code == 401
    assert "error" in answer.json()
    assert "Openstack-Auth-Receipt" not in answer.headers


@pytest.mark.parametrize(
    ("wanted", "enabled", "status"),
    [
        (BOTH, None, 401),
        (BOTH, False, 201),
        ([], True, 201),
        (None, True, 201),
        ([["password"], ["totp"]], True, 201),
        ([["password", "mapped"]], True, 201),  # what is not known here asks for nothing
        ([["mapped"]], True, 201),
        ([["totp"]], True, 401),
    ],
)
async def test_which_rules_ask_for_more(ada: Ada, wanted: Any, enabled: bool | None, status: int) -> None:
    await ada.must(wanted, enabled)
    assert (await ada.login(by_password("ada"))).status_code == status


async def test_only_rules_that_one_is_at_are_shown(ada: Ada) -> None:
    await ada.must([["totp", "token"], ["password", "totp"]])
    assert (await ada.login(by_password("ada"))).json()["required_auth_methods"] == [["password", "totp"]]


async def test_a_receipt_ends(ada: Ada) -> None:
    await ada.must(BOTH)
    receipt = await ada.receipt()
    ada.world.clock.advance(301)
    answer = await ada.login(ada.by_passcode(), receipt)
    assert answer.status_code == 401
    assert "Could not find auth receipt" in answer.json()["error"]["message"]


@pytest.mark.parametrize("receipt", ["x", "gAAAAA", "x" * 5000])
async def test_what_is_no_receipt_is_told(ada: Ada, receipt: str) -> None:
    answer = await ada.login(by_password("ada"), receipt)
    assert answer.status_code == 401
    assert "Could not find auth receipt" in answer.json()["error"]["message"]


async def test_a_receipt_is_its_users(ada: Ada) -> None:
    await ada.must(BOTH)
    await ada.world.user("eve")
    assert (await ada.login(by_password("eve"), await ada.receipt())).status_code == 401


async def test_a_receipt_is_no_token_and_a_token_no_receipt(ada: Ada) -> None:
    token = await ada.world.session("ada")
    await ada.must(BOTH)
    receipt = await ada.receipt()
    for body in (by_token(receipt), by_token(receipt, SCOPE)):
        assert (await ada.world.login(body)).status_code == 404
    assert (await Session(ada.world.clients[0], receipt).get("/v3/auth/projects")).status_code == 401
    assert (await ada.login(ada.by_passcode(), token.token)).status_code == 401


async def test_a_password_changed_meanwhile_refuses_the_token(ada: Ada) -> None:
    await ada.must(BOTH)
    receipt = await ada.receipt()
    body = {"user": {"original_password": PASSWORD, "password": "another one, quite long"}}
    answer = await ada.world.nobody.post(f"/v3/users/{ada.id}/password", body)
    assert answer.status_code == 204, answer.text
    assert (await ada.login(ada.by_passcode(), receipt)).status_code == 401


async def test_what_a_method_narrows_stays_narrow(ada: Ada) -> None:
    """An application credential counts as a method; the token is still no more than that credential."""
    own = await ada.world.session("ada", scope="own")
    sent = {"application_credential": {"name": "robot", "roles": [{"name": "reader"}]}}
    made = (await own.post(f"/v3/users/{ada.id}/application_credentials", sent)).json()["application_credential"]
    await ada.must([["application_credential", "totp"]])
    named = {"id": made["id"], "secret": made["secret"]}
    body = {"auth": {"identity": {"methods": ["application_credential"], "application_credential": named}}}
    receipt = (await ada.login(body)).headers["Openstack-Auth-Receipt"]
    token = (await ada.login(ada.by_passcode(), receipt)).json()["token"]
    assert [role["name"] for role in token["roles"]] == ["reader"]
    assert token["application_credential"]["id"] == made["id"]


async def test_a_token_exchanged_for_a_receipt_gains_no_time(ada: Ada) -> None:
    first = await ada.world.login(by_password("ada"))
    await ada.must(BOTH)
    ada.world.clock.advance(60)
    receipt = (await ada.login(by_token(first.headers["X-Subject-Token"]))).headers["Openstack-Auth-Receipt"]
    token = (await ada.login(ada.by_passcode(), receipt)).json()["token"]
    assert token["expires_at"] == first.json()["token"]["expires_at"]
    assert token["audit_ids"][1] == first.json()["token"]["audit_ids"][0]


async def test_version_2_cannot_ask_for_more(ada: Ada) -> None:
    body = {"auth": {"passwordCredentials": {"username": "ada", "password": PASSWORD}}}
    assert (await ada.world.nobody.post("/v2.0/tokens", body)).status_code == 200
    await ada.must(BOTH)
    assert (await ada.world.nobody.post("/v2.0/tokens", body)).status_code == 401


async def test_a_receipt_of_nobody_is_none(identity: World) -> None:
    """Whoever was proven is deleted before it is looked at."""
    with pytest.raises(Unauthorized):
        await service.ask_for_more(identity.ctx, Proof(user_id="0" * 32), await revision.current(identity.ctx))


def test_what_is_signed_but_of_another_form_is_no_receipt() -> None:
    ring = MultiFernet([Fernet(Fernet.generate_key())])
    receipt = Receipt(Proof(user_id="u", methods=("password",)), 1, 2, 3)
    assert rules.decode(rules.encode(receipt, ring), ring) == receipt
    token = tokens.Token(
        user_id="u", methods=(), scope=tokens.Scope(), issued_at=1, expires_at=2, revision=3, audit_ids=()
    )
    assert rules.decode(tokens.encode(token, ring), ring) is None
    assert tokens.decode(rules.encode(receipt, ring), ring) is None
