"""What the operator demands of passwords: their form, their age, their history, their first use."""

from __future__ import annotations

from typing import Any

import httpx

from pileus.kernel.context import Ctx
from pileus.services.identity.bootstrap import bootstrap
from pileus.services.identity.users import service as users
from support.identity import PASSWORD, Session, World, by_password

DAY_S = 86_400


async def admin_at(identity: World) -> Session:
    """The administrator, who speaks to the process with the options of the test."""
    return await identity.session("admin", process=1, scope="admin")


async def made(identity: World, name: str = "ada", password: str = PASSWORD, **facts: Any) -> str:
    answer = await (await admin_at(identity)).post("/v3/users", {"user": {"name": name, "password": password, **facts}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["user"]["id"])


async def choose(site: Session, user_id: str, original: str, password: str) -> httpx.Response:
    """The user's own change of password."""
    sent = {"user": {"original_password": original, "password": password}}
    return await site.post(f"/v3/users/{user_id}/password", sent)


async def login(site: Session, password: str = PASSWORD, name: str = "ada") -> httpx.Response:
    return await site.post("/v3/auth/tokens", by_password(name, password))


def message(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


async def test_a_password_expires_and_its_user_chooses_another(identity: World) -> None:
    site = await identity.site(password_expires_days=2)
    user_id = await made(identity)
    shown = (await login(site)).json()["token"]["user"]["password_expires_at"]
    assert shown == "2026-01-03T00:00:00.000000"
    identity.clock.advance(2 * DAY_S - 60)
    assert (await login(site)).status_code == 201
    identity.clock.advance(60)
    late = await login(site)
    assert (late.status_code, message(late)) == (
        401,
        f"The password is expired and needs to be changed for user: {user_id}.",
    )
    wrong = await login(site, "wrong")
    assert user_id not in message(wrong)
    assert (await choose(site, user_id, "wrong", "x")).status_code == 401
    assert (await choose(site, user_id, PASSWORD, "another one")).status_code == 204
    renewed = (await login(site, "another one")).json()["token"]["user"]["password_expires_at"]
    assert renewed == "2026-01-05T00:00:00.000000"


async def test_expiry_is_ignored_for_whom_the_option_says_so(identity: World) -> None:
    site = await identity.site(password_expires_days=1)
    user_id = await made(identity)
    await made(identity, "robot", options={"ignore_password_expiry": True})
    admin = await admin_at(identity)
    robot = (await admin.get("/v3/users?name=robot")).json()["users"][0]
    assert robot["password_expires_at"] is None
    identity.clock.advance(DAY_S)
    assert (await login(site)).status_code == 401
    assert (await login(site, name="robot")).status_code == 201
    await users.change(identity.ctx, user_id, {"options": {"ignore_password_expiry": True}})
    assert (await login(site)).status_code == 201


async def test_who_is_given_a_password_must_choose_another_before_logging_in(identity: World) -> None:
    site = await identity.site(change_password_upon_first_use=True)
    user_id = await made(identity)
    await made(identity, "robot", options={"ignore_change_password_upon_first_use": True})
    assert "needs to be changed" in message(await login(site))
    assert (await login(site, name="robot")).status_code == 201
    assert (await choose(site, user_id, PASSWORD, "own")).status_code == 204
    assert (await login(site, "own")).status_code == 201
    admin = await admin_at(identity)
    reset = await admin.patch(f"/v3/users/{user_id}", {"user": {"password": "reset"}})
    assert reset.json()["user"]["password_expires_at"] is not None
    assert "needs to be changed" in message(await login(site, "reset"))
    both = {"password": "again", "options": {"ignore_change_password_upon_first_use": True}}
    assert (await admin.patch(f"/v3/users/{user_id}", {"user": both})).json()["user"]["password_expires_at"] is None
    assert (await login(site, "again")).status_code == 201


async def test_a_password_of_before_is_refused_to_who_chooses_not_to_who_administers(identity: World) -> None:
    site = await identity.site(unique_last_password_count=3)
    user_id = await made(identity, password="one")
    assert (await choose(site, user_id, "one", "two")).status_code == 204
    assert (await choose(site, user_id, "two", "three")).status_code == 204
    for old in ("one", "two", "three"):
        again = await choose(site, user_id, "three", old)
        assert again.status_code == 400
        assert message(again) == (
            "The new password cannot be identical to a previous password. The total number which includes the new password "
            "must be unique is 3."
        )
    assert (await choose(site, user_id, "three", "four")).status_code == 204
    assert (await choose(site, user_id, "four", "one")).status_code == 204  # three others have been between
    admin = await admin_at(identity)
    assert (await admin.patch(f"/v3/users/{user_id}", {"user": {"password": "one"}})).status_code == 200
    assert (await login(site, "one")).status_code == 201


async def test_history_goes_past_times_without_a_password(identity: World) -> None:
    site = await identity.site(unique_last_password_count=3)
    user_id = await made(identity, password="one")
    admin = await admin_at(identity)
    assert (await admin.patch(f"/v3/users/{user_id}", {"user": {"password": None}})).status_code == 200
    assert (await login(site, "one")).status_code == 401
    await admin.patch(f"/v3/users/{user_id}", {"user": {"password": "two"}})
    assert (await choose(site, user_id, "two", "one")).status_code == 400
    assert (await choose(site, user_id, "two", "three")).status_code == 204


async def test_a_chosen_password_is_kept_for_some_days(identity: World) -> None:
    site = await identity.site(minimum_password_age_days=2)
    user_id = await made(identity, password="given")
    assert (await choose(site, user_id, "given", "own")).status_code == 204  # it was given: that may be at once
    early = await choose(site, user_id, "own", "other")
    assert early.status_code == 400
    assert "must be used for 2 day(s) before it can be changed. Please try again in 2 day(s)" in message(early)
    admin = await admin_at(identity)
    assert (await admin.patch(f"/v3/users/{user_id}", {"user": {"password": "reset"}})).status_code == 200
    assert (await choose(site, user_id, "reset", "own")).status_code == 204
    identity.clock.advance(2 * DAY_S)
    assert (await choose(site, user_id, "own", "other")).status_code == 204


async def test_who_has_a_locked_password_does_not_choose_another(identity: World) -> None:
    site = await identity.site()
    user_id = await made(identity, options={"lock_password": True})
    refused = await choose(site, user_id, PASSWORD, "own")
    assert refused.status_code == 400
    assert "password policy disallowing password changes" in message(refused)
    admin = await admin_at(identity)
    assert (await admin.patch(f"/v3/users/{user_id}", {"user": {"password": "given"}})).status_code == 200
    await admin.patch(f"/v3/users/{user_id}", {"user": {"options": {"lock_password": None}}})
    assert (await choose(site, user_id, "given", "own")).status_code == 204


LETTER_AND_DIGIT = r"^(?=.*\d)(?=.*[a-zA-Z]).{7,}$"


async def test_a_password_has_the_form_that_the_operator_wants(identity: World) -> None:
    site = await identity.site(
        password_regex=LETTER_AND_DIGIT, password_regex_description="a letter, a digit, 7 in all"
    )
    admin = await admin_at(identity)
    user_id = await made(identity, password="letters1")
    for answer in (
        await admin.post("/v3/users", {"user": {"name": "eve", "password": "letters"}}),
        await admin.patch(f"/v3/users/{user_id}", {"user": {"password": "l3tter"}}),
        await choose(site, user_id, "letters1", "1234567"),
    ):
        assert answer.status_code == 400
        assert message(answer) == "The password does not match the requirements: a letter, a digit, 7 in all."
    assert (await choose(site, user_id, "letters1", "ä1\nletters")).status_code == 400
    assert (await choose(site, user_id, "letters1", "ünd3rneath")).status_code == 204
    assert (await admin.post("/v3/users", {"user": {"name": "robot"}})).status_code == 201


async def test_a_pattern_that_takes_for_ever_refuses_and_holds_nobody_up(identity: World) -> None:
    await identity.site(password_regex="^(([a-z])+.)+[A-Z]([a-z])+$", password_regex_description="an old friend")
    admin = await admin_at(identity)
    answer = await admin.post("/v3/users", {"user": {"name": "eve", "password": "a" * 60}})
    assert answer.status_code == 400
    assert "an old friend" in message(answer)


async def test_the_first_administrator_needs_no_form_and_no_other_password(empty: World) -> None:
    """It is generated, and shown to nobody else; a cloud that refused it could not be started."""
    site = await empty.site(password_regex="^!$", change_password_upon_first_use=True)
    await bootstrap(Ctx(empty.processes[1]), "generated")
    assert (await login(site, "generated", "admin")).status_code == 201
