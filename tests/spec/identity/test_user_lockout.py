"""Who guesses passwords is held off, who stays away too long is disabled, and neither tells anything."""

from __future__ import annotations

import asyncio

import httpx
import pytest
import sqlalchemy as sa

from pileus.kernel.audit import audits
from pileus.services.identity.users import service as users
from support.cloud import RunningCloud
from support.identity import PASSWORD, Session, World, by_password, same_answer

DAY_S = 86_400


async def login(site: Session, password: str = PASSWORD, name: str = "ada") -> httpx.Response:
    return await site.post("/v3/auth/tokens", by_password(name, password))


async def login_by_id(site: Session, user_id: str, password: str) -> httpx.Response:
    named = {"methods": ["password"], "password": {"user": {"id": user_id, "password": password}}}
    return await site.post("/v3/auth/tokens", {"auth": {"identity": named}})


# lockout


async def test_so_many_wrong_passwords_lock_a_user_for_so_long(identity: World) -> None:
    site = await identity.site(lockout_failure_attempts=3, lockout_duration_s=600)
    user_id = await identity.user("ada")
    for _ in range(2):
        assert (await login(site, "wrong")).status_code == 401
    assert (await login(site)).status_code == 201  # which forgets the two
    answers = [await login(site, "wrong") for _ in range(3)]
    answers += [await login(site), await login_by_id(site, user_id, PASSWORD)]
    assert {each.status_code for each in answers} == {401}
    assert all(same_answer(answers[0], each) for each in answers)
    identity.clock.advance(599)
    assert (await login(site)).status_code == 401  # a try while it is locked makes that no longer
    identity.clock.advance(1)
    assert (await login(site, "wrong")).status_code == 401  # the first of a new row
    identity.clock.advance(30)  # so many were wrong that who asks has to wait
    assert (await login(site)).status_code == 201


@pytest.mark.parametrize("duration_s", [0, 600])
async def test_an_administrator_unlocks_by_enabling(identity: World, duration_s: int) -> None:
    site = await identity.site(lockout_failure_attempts=1, lockout_duration_s=duration_s)
    path = f"/v3/users/{await identity.user('ada')}"
    await login(site, "wrong")
    admin = await identity.admin()
    assert (await admin.get(path)).json()["user"]["enabled"] is True
    await admin.patch(path, {"user": {"description": "locked"}})
    assert (await login(site)).status_code == 401
    await admin.patch(path, {"user": {"enabled": True}})
    assert (await login(site)).status_code == 201


async def test_without_a_duration_a_user_stays_locked(identity: World) -> None:
    site = await identity.site(lockout_failure_attempts=1, lockout_duration_s=0)
    await identity.user("ada")
    await login(site, "wrong")
    identity.clock.advance(100 * DAY_S)
    assert (await login(site)).status_code == 401
    assert (await login(site, "wrong")).status_code == 401
    assert (await login(site)).status_code == 401


async def test_who_is_exempt_is_not_locked(identity: World) -> None:
    site = await identity.site(lockout_failure_attempts=1)
    await identity.user("ada", options={"ignore_lockout_failure_attempts": True})
    for _ in range(3):
        await login(site, "wrong")
    assert (await login(site)).status_code == 201


async def test_a_disabled_user_is_refused_with_the_right_password(identity: World) -> None:
    site = await identity.site(lockout_failure_attempts=3)
    await identity.user("ada", enabled=False)
    assert same_answer(await login(site), await login(site, "wrong"))


async def test_of_many_wrong_passwords_at_once_each_counts(identity: World) -> None:
    """In several processes, from several places: none is lost, and none counts beyond the last."""
    sites = [await identity.site(lockout_failure_attempts=12, source=f"192.0.2.{n}") for n in range(4)]
    user_id = await identity.user("ada")
    for expected in (11, 12):
        missing = expected - await failures(identity, user_id)
        await asyncio.gather(*(login(sites[n % 4], "wrong") for n in range(missing)))
        assert await failures(identity, user_id) == expected
        identity.clock.advance(60)
    answers = await asyncio.gather(*(login(sites[n % 4], PASSWORD if n % 3 else "wrong") for n in range(12)))
    assert {each.status_code for each in answers} == {401}
    assert await failures(identity, user_id) == 12


async def failures(identity: World, user_id: str) -> int:
    async with identity.database.transaction() as connection:
        query = sa.text("SELECT failures FROM identity_user WHERE id = :id")
        return int((await connection.execute(query, {"id": user_id})).scalar_one())


async def test_of_many_who_change_one_password_at_once_one_does(identity: World) -> None:
    sites = [await identity.site(unique_last_password_count=2) for _ in range(2)]
    path = f"/v3/users/{await identity.user('ada')}/password"
    sent = [{"user": {"original_password": PASSWORD, "password": f"another {n % 4}"}} for n in range(8)]
    answers = await asyncio.gather(*(sites[n % 2].post(path, body) for n, body in enumerate(sent)))
    assert sorted(each.status_code for each in answers) == [204, *[401] * 7]


# away for too long


async def test_who_did_not_log_in_for_so_many_days_counts_as_disabled(identity: World) -> None:
    site = await identity.site(disable_user_account_days_inactive=3)
    user_id = await identity.user("ada")
    await identity.user("robot", options={"ignore_user_inactivity": True})
    identity.clock.advance(2 * DAY_S)
    assert (await login(site)).status_code == 201
    identity.clock.advance(3 * DAY_S)
    assert (await login(site)).status_code == 401
    assert (await login(site, name="robot")).status_code == 201
    await users.change(identity.ctx, await named(identity, "admin"), {"enabled": True})
    admin = Session(site.http, (await identity.admin()).token)
    shown = {user["name"]: user["enabled"] for user in (await admin.get("/v3/users")).json()["users"]}
    assert shown == {"admin": True, "ada": False, "robot": True}
    path = f"/v3/users/{user_id}"
    assert (await admin.get(path)).json()["user"]["enabled"] is False
    assert (await admin.patch(path, {"user": {"enabled": True}})).json()["user"]["enabled"] is True
    assert (await login(site)).status_code == 201


async def named(identity: World, name: str) -> str:
    found = await users.named(identity.ctx, name, "default")
    assert found is not None
    return found.id


# back-off, whatever the options


async def test_a_few_failures_are_free_then_each_makes_the_next_try_wait_longer(identity: World) -> None:
    await identity.user("ada")
    site = identity.nobody
    for _ in range(2):
        for _ in range(4):
            assert "retry-after" not in (await login(site, "wrong")).headers
        assert (await login(site)).status_code == 201  # at once, and with it all is forgotten
    for _ in range(5):
        assert "retry-after" not in (await login(site, "wrong")).headers
    for wait_s in (1, 2, 4, 8, 16, 30, 30):
        for password in ("wrong", PASSWORD):
            early = await login(site, password)
            assert (early.status_code, early.headers["retry-after"]) == (401, str(wait_s))
            assert f"try again in {wait_s} s" in early.json()["error"]["message"]
        identity.clock.advance(wait_s)
        assert "retry-after" not in (await login(site, "wrong")).headers
    identity.clock.advance(30)
    assert (await login(site)).status_code == 201


async def test_who_has_to_wait_learns_nothing_of_whom_there_is(identity: World) -> None:
    user_id = await identity.user("ada")
    site = identity.nobody
    for _ in range(8):
        answers = [await login(site, "wrong"), await login(site, "wrong", "nobody")]
        assert same_answer(*answers)
        assert [each.headers.get("retry-after") for each in answers].count(answers[0].headers.get("retry-after")) == 2
    for told in [False] * 5 + [True] * 3:  # counted by what was asked, not by whom it is
        answers = [await login_by_id(site, id_, "wrong") for id_ in (user_id, "0" * 32)]
        assert same_answer(*answers)
        assert told is ("retry-after" in answers[0].headers)


async def test_what_a_login_says_besides_gives_no_fresh_tries(identity: World) -> None:
    await identity.user("ada")
    for n in range(6):
        user = {"name": "ada", "id": str(n), "domain": {"name": "Default", "id": str(n)}, "password": "wrong"}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
        answer = await identity.nobody.post("/v3/auth/tokens", body)
    assert "retry-after" in answer.headers


async def test_one_address_waits_in_every_process_and_no_other_does(identity: World) -> None:
    """Of IPv6 the 64 bits that one customer has."""
    await identity.user("ada")
    six = [await identity.process(source=f"2001:db8::{n:x}") for n in range(6)]
    for site in six:
        await login(site, "wrong")
    assert (await login(six[0])).headers["retry-after"] == "1"
    for elsewhere in ("2001:db8:0:1::1", "192.0.2.1", "", "::ffff:192.0.2.2"):
        assert (await login(await identity.process(source=elsewhere))).status_code == 201


async def test_changing_ones_password_is_guessing_too(identity: World) -> None:
    user_id = await identity.user("ada")
    sent = {"user": {"original_password": "wrong", "password": "x"}}
    for _ in range(5):
        await identity.nobody.post(f"/v3/users/{user_id}/password", sent)
    early = await identity.nobody.post(f"/v3/users/{user_id}/password", sent)
    assert (early.status_code, early.headers["retry-after"]) == (401, "1")
    assert "retry-after" in (await login_by_id(identity.nobody, user_id, PASSWORD)).headers


async def test_of_many_guesses_at_once_the_first_few_count(identity: World) -> None:
    await identity.user("ada")
    sites = [await identity.process() for _ in range(2)]
    await asyncio.gather(*(login(sites[n % 2], "wrong") for n in range(16)))
    assert (await login(sites[0])).headers["retry-after"] == "1"
    identity.clock.advance(1)
    answers = await asyncio.gather(*(login(sites[n % 2]) for n in range(16)))
    assert {each.status_code for each in answers} == {201}


async def test_failures_are_forgotten_in_time(identity: World) -> None:
    await identity.user("ada")
    for n in range(8):
        await login(identity.nobody, "wrong", "ada" if n % 2 else "eve")
    identity.clock.advance(901)
    await login(identity.nobody, "wrong")
    async with identity.database.transaction() as connection:
        rows = (await connection.execute(sa.text("SELECT failures FROM identity_guess"))).all()
    assert [tuple(row) for row in rows] == [(1,)]


async def test_a_failed_login_leaves_no_record_of_a_change(cloud: RunningCloud) -> None:
    for _ in range(2):
        answer = await cloud.post("/identity/v3/auth/tokens", json=by_password("ada", "wrong"))
        assert answer.status_code == 401
    assert (await cloud.ctx().execute(sa.select(audits))).all() == []
