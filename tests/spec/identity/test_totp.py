"""Logging in by passcodes of RFC 6238, each good once."""

from __future__ import annotations

import asyncio
from base64 import b32encode
from typing import Any

import pytest
import sqlalchemy as sa

from pileus.kernel.db import metadata
from pileus.services.identity.totp import rules
from support.identity import PASSWORD, Session, World, by_password

SECRET = b"12345678901234567890"
BLOB = b32encode(SECRET).decode()


async def device(identity: World, user_id: str, blob: str = BLOB, kind: str = "totp") -> None:
    """The user has a device with this secret."""
    sent = {"credential": {"type": kind, "blob": blob, "user_id": user_id}}
    answer = await (await identity.admin()).post("/v3/credentials", sent)
    assert answer.status_code == 201, answer.text


def by_passcode(passcode: Any, **named: Any) -> dict[str, Any]:
    user = {**(named or {"name": "ada", "domain": {"id": "default"}}), "passcode": passcode}
    return {"auth": {"identity": {"methods": ["totp"], "totp": {"user": user}}}}


def shown(identity: World, ago: int = 0) -> str:
    """What the device shows, or showed so many steps ago."""
    return rules.passcode(SECRET, int(identity.clock.now()) // 30 - ago)


@pytest.mark.parametrize(
    ("seconds", "passcode"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_examples_of_the_standard(seconds: int, passcode: str) -> None:
    """RFC 6238, appendix B, for SHA1; the last six of its eight digits."""
    assert rules.passcode(SECRET, seconds // 30) == passcode


async def test_who_has_the_device_logs_in(identity: World) -> None:
    user_id = await identity.user("ada", "member", await identity.project("own"))
    await device(identity, user_id)
    body = by_passcode(shown(identity))
    body["auth"]["scope"] = {"project": {"name": "own", "domain": {"id": "default"}}}
    answer = await identity.login(body)
    assert answer.status_code == 201, answer.text
    token = answer.json()["token"]
    assert (token["methods"], token["user"]["id"], token["project"]["name"]) == (["totp"], user_id, "own")
    identity.clock.advance(30)
    assert (await identity.login(by_passcode(shown(identity), id=user_id))).status_code == 201


async def test_a_passcode_is_good_once(identity: World) -> None:
    user_id = await identity.user("ada")
    await device(identity, user_id)
    await device(identity, user_id)  # the same secret again makes no difference
    body = by_passcode(shown(identity), id=user_id)
    answers = await asyncio.gather(*(identity.login(body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401]


async def test_a_passcode_is_good_for_its_window_and_the_one_after(identity: World) -> None:
    await device(identity, await identity.user("ada"))
    assert (await identity.login(by_passcode(shown(identity, 1)))).status_code == 201
    assert (await identity.login(by_passcode(shown(identity, 2)))).status_code == 401
    assert (await identity.login(by_passcode(shown(identity, -1)))).status_code == 401
    assert (await identity.login(by_passcode(shown(identity)))).status_code == 201
    identity.clock.advance(90)
    assert (await identity.login(by_passcode(shown(identity)))).status_code == 201
    kept = await identity.ctx.execute(sa.select(metadata.tables["identity_totp_use"]))
    assert len(kept.all()) == 1  # what is good no more need not be remembered


@pytest.mark.parametrize("blob", ["", b32encode(b"short").decode(), "0" * 32, "ä" * 32, BLOB[:-1] + "1"])
async def test_what_is_no_secret_lets_nobody_in(identity: World, blob: str) -> None:
    await device(identity, await identity.user("ada"), blob)
    for passcode in (rules.passcode(each, int(identity.clock.now()) // 30) for each in (b"", rules.NOBODY, SECRET)):
        assert (await identity.login(by_passcode(passcode))).status_code == 401


async def test_a_secret_may_be_written_as_people_do(identity: World) -> None:
    spaced = " ".join(BLOB[at : at + 4] for at in range(0, len(BLOB), 4)).lower()
    await device(identity, await identity.user("ada"), spaced)
    assert (await identity.login(by_passcode(shown(identity)))).status_code == 201


async def test_what_cannot_be_proven_gives_one_and_the_same_401(identity: World) -> None:
    user_id = await identity.user("ada")
    await device(identity, user_id)
    await device(identity, await identity.user("eve"), kind="cert")
    refused = [
        await identity.login(body)
        for body in (
            by_passcode("000000"),
            by_passcode(""),
            by_passcode("ä"),
            by_passcode(
                rules.passcode(rules.NOBODY, int(identity.clock.now()) // 30), name="nobody", domain={"id": "default"}
            ),
            by_passcode(shown(identity), name="eve", domain={"id": "default"}),
            by_passcode(shown(identity), id="0" * 32),
        )
    ]
    assert {answer.status_code for answer in refused} == {401}
    assert len({answer.json()["error"]["message"] for answer in refused}) == 1
    assert (await identity.login(by_passcode(123456))).status_code == 400
    admin = await identity.admin()
    await admin.patch(f"/v3/users/{user_id}", {"user": {"enabled": False}})
    assert (await identity.login(by_passcode(shown(identity)))).status_code == 401


async def test_who_guesses_has_to_wait(identity: World) -> None:
    await device(identity, await identity.user("ada"))
    for _ in range(6):
        last = await identity.login(by_passcode("000000"))
    assert (last.status_code, last.headers["Retry-After"]) == (401, "1")
    assert (await identity.login(by_passcode(shown(identity)))).status_code == 401
    assert (await identity.login(by_password("ada"))).status_code == 201
    identity.clock.advance(60)
    assert (await identity.login(by_passcode(shown(identity)))).status_code == 201


async def test_password_and_passcode_must_be_the_same_users(identity: World) -> None:
    await device(identity, await identity.user("ada"))
    await identity.user("eve")

    def both(name: str) -> dict[str, Any]:
        user = {"name": name, "domain": {"id": "default"}, "password": PASSWORD}
        code = by_passcode(shown(identity))["auth"]["identity"]["totp"]
        return {"auth": {"identity": {"methods": ["password", "totp"], "password": {"user": user}, "totp": code}}}

    assert (await identity.login(both("eve"))).status_code == 401
    identity.clock.advance(30)
    answer = await identity.login(both("ada"))
    assert answer.json()["token"]["methods"] == ["password", "totp"]
    assert (
        await Session(identity.clients[0], answer.headers["X-Subject-Token"]).get("/v3/auth/projects")
    ).status_code == 200
