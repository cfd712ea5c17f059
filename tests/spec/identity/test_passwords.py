"""Passwords: the time a login takes tells nothing, and nothing of a password is lost or shown."""

from __future__ import annotations

import pytest

from pileus.services.identity.users.passwords import Hasher
from support.identity import PASSWORD, World, by_password


class CountingHasher(Hasher):
    """Notes the cost of every hash that is checked."""

    def __init__(self, rounds: int) -> None:
        super().__init__(rounds)
        self.checked: list[str] = []

    async def check(self, password: str, kept: str | None) -> bool:
        self.checked.append((kept or self.nobody).split("$")[2])
        return await super().check(password, kept)


@pytest.mark.parametrize(
    ("name", "password", "domain"),
    [
        ("ada", PASSWORD, "default"),
        ("ada", "wrong", "default"),
        ("ada", "", "default"),
        ("asleep", PASSWORD, "default"),  # disabled
        ("robot", PASSWORD, "default"),  # has no password
        ("nobody", PASSWORD, "default"),
        ("ada", PASSWORD, "nowhere"),
    ],
)
async def test_every_login_costs_one_hash_of_the_same_cost(
    identity: World, name: str, password: str, domain: str
) -> None:
    await identity.user("ada")
    await identity.user("asleep", enabled=False)
    await (await identity.admin()).post("/v3/users", {"user": {"name": "robot"}})
    hasher = CountingHasher(4)
    identity.processes[0].memory[Hasher] = hasher
    answer = await identity.login(by_password(name, password, domain=domain))
    assert answer.status_code == (201 if (name, password, domain) == ("ada", PASSWORD, "default") else 401)
    assert hasher.checked == ["04"]


async def test_a_locked_user_costs_one_hash_too(identity: World) -> None:
    site = await identity.site(lockout_failure_attempts=1)
    await identity.user("ada")
    hasher = CountingHasher(4)
    identity.processes[1].memory[Hasher] = hasher
    for password in ("wrong", "wrong", PASSWORD):
        assert (await site.post("/v3/auth/tokens", by_password("ada", password))).status_code == 401
    assert hasher.checked == ["04"] * 3


async def test_every_failed_login_runs_the_same_statements(identity: World) -> None:
    """So that the time tells no more than the answer."""
    site = await identity.site(lockout_failure_attempts=1)
    for name, facts in (("ada", {}), ("asleep", {"enabled": False}), ("robot", {"password": None})):
        await identity.user(name, **facts)
    locked = {"methods": ["password"], "password": {"user": {"id": await identity.user("locked"), "password": "wrong"}}}
    await site.post("/v3/auth/tokens", {"auth": {"identity": locked}})
    run = []
    for name, password in (
        ("ada", "wrong"),
        ("asleep", PASSWORD),
        ("robot", ""),
        ("locked", PASSWORD),
        ("nobody", "x"),
    ):
        login = site.post("/v3/auth/tokens", by_password(name, password))
        answer, statements = await identity.count_statements(login)
        assert answer.status_code == 401
        run.append(statements)
    assert run == [run[0]] * 5


async def test_an_unknown_user_id_costs_one_hash_too(identity: World) -> None:
    hasher = CountingHasher(4)
    identity.processes[0].memory[Hasher] = hasher
    named = {"methods": ["password"], "password": {"user": {"id": "0" * 32, "password": "x"}}}
    assert (await identity.login({"auth": {"identity": named}})).status_code == 401
    assert hasher.checked == ["04"]


@pytest.mark.parametrize("password", ["", "a", "ä" * 60, "x" * 300, "a b"])
async def test_a_password_of_any_length_counts_to_its_last_letter(password: str) -> None:
    hasher = Hasher(4)
    kept = await hasher.hash(password)
    assert await hasher.check(password, kept)
    assert not await hasher.check(password + "x", kept)
    assert not await hasher.check(password[:-1] if password else "x", kept)


async def test_two_hashes_of_one_password_differ_and_are_of_the_configured_cost() -> None:
    one, two = [await Hasher(5).hash(PASSWORD) for _ in range(2)]
    assert one != two
    assert "$05$" in one
    assert "$05$" in Hasher(5).nobody


async def test_what_no_user_has_is_no_password() -> None:
    assert not await Hasher(4).check("", None)


async def test_no_answer_shows_a_password_or_its_hash(identity: World) -> None:
    user_id = await identity.user("ada")
    admin = await identity.admin()
    for path in (f"/v3/users/{user_id}", "/v3/users"):
        text = (await admin.get(path)).text
        assert PASSWORD not in text
        assert "bcrypt" not in text


async def test_long_passwords_are_refused_at_the_rim(identity: World) -> None:
    answer = await (await identity.admin()).post("/v3/users", {"user": {"name": "ada", "password": "x" * 5000}})
    assert answer.status_code == 400
    assert "password" in answer.json()["error"]["message"]
