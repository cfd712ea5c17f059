"""Passwords: the time a login takes tells nothing, and nothing of a password is lost or shown."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest
import sqlalchemy as sa

from pileus.kernel.config import Config, Identity
from pileus.kernel.db import metadata
from pileus.services.identity.users.passwords import Hasher
from support.identity import PASSWORD, Session, World, by_password


class CountingHasher(Hasher):
    """Notes the cost of every hash that bcrypt is asked for."""

    def __init__(self, rounds: int, *, dearest: int = 0) -> None:
        super().__init__(rounds, dearest=dearest)
        self.costs: list[int] = []

    def _bcrypt(self, sent: bytes, salt: bytes) -> bytes:
        self.costs.append(int(salt[4:6]))
        return super()._bcrypt(sent, salt)

    def work(self) -> int:
        """The rounds since it was asked last."""
        rounds = sum(2**cost for cost in self.costs)
        self.costs.clear()
        return rounds


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
    assert hasher.costs == [4]


async def test_a_locked_user_costs_one_hash_too(identity: World) -> None:
    site = await identity.site(lockout_failure_attempts=1)
    await identity.user("ada")
    hasher = CountingHasher(4)
    identity.processes[1].memory[Hasher] = hasher
    for password in ("wrong", "wrong", PASSWORD):
        assert (await site.post("/v3/auth/tokens", by_password("ada", password))).status_code == 401
    assert hasher.costs == [4] * 3


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
    assert hasher.costs == [4]


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


@pytest.mark.parametrize(("then", "now"), [(5, 4), (4, 6), (6, 4), (4, 4)])
@pytest.mark.parametrize("told", [True, False])
async def test_after_a_change_of_the_cost_who_exists_costs_as_much_as_who_does_not(
    then: int, now: int, told: bool
) -> None:
    """Also to a process that has found out by itself, at the first check, that another one makes dearer hashes."""
    kept = await Hasher(then).hash(PASSWORD)
    hasher = CountingHasher(now, dearest=then if told else 0)
    if not told:
        await hasher.check("x", kept)
        hasher.work()
    work = []
    for password, known in (("wrong", kept), (PASSWORD, kept), ("x", None), ("x", await Hasher(now).hash("y"))):
        assert await hasher.check(password, known) is (password == PASSWORD)
        work.append(hasher.work())
    assert work == [2 ** max(then, now)] * 4


async def test_a_login_after_a_change_of_the_cost_keeps_a_hash_of_the_new_one(identity: World) -> None:
    """Only one that succeeds; and that refuses no token of before."""
    user_id, token = await identity.user("ada"), (await identity.session("ada")).token
    site = await rounds(identity, 5)
    for password, cost, status in (("wrong", 4, 401), (PASSWORD, 5, 201), (PASSWORD, 5, 201)):
        assert (await site.post("/v3/auth/tokens", by_password("ada", password))).status_code == status
        assert await cost_of(identity, user_id) == cost
    assert (await Session(site.http, token).get(f"/v3/users/{user_id}")).status_code == 200


@pytest.mark.parametrize("dear", ["user", "application credential"])
async def test_a_process_takes_as_long_as_the_dearest_hash_there_is_from_its_first_login_on(
    identity: World, dear: str
) -> None:
    await rounds(identity, 5)
    made = Session(identity.clients[-1], (await identity.admin()).token)
    if dear == "user":
        await made.post("/v3/users", {"user": {"name": "ada", "password": PASSWORD}})
    else:
        admin_id = (await made.get("/v3/users?name=admin")).json()["users"][0]["id"]
        path = f"/v3/users/{admin_id}/application_credentials"
        answer = await made.post(path, {"application_credential": {"name": "script"}})
        assert answer.status_code == 201
    site = await rounds(identity, 4)
    assert (await site.post("/v3/auth/tokens", by_password("nobody"))).status_code == 401
    hasher: Hasher = identity.processes[-1].memory[Hasher]
    assert hasher.dearest == 5


async def rounds(identity: World, cost: int) -> Session:
    """A process with this cost configured."""
    return await identity.process(Config(identity=Identity(bcrypt_rounds=cost)))


async def cost_of(identity: World, user_id: str) -> int:
    """Of the hash that is kept."""
    kept = metadata.tables["identity_password"].c
    found = await identity.ctx.execute(sa.select(kept.hash).where(kept.user_id == user_id))
    return int(found.scalar_one().split("$")[2])


async def test_a_hash_takes_12_rounds_unless_the_operator_says_otherwise(identity: World) -> None:
    site = Session((await identity.process(Config())).http, (await identity.admin()).token)
    made = await site.post("/v3/users", {"user": {"name": "ada", "password": PASSWORD}})
    assert await cost_of(identity, made.json()["user"]["id"]) == 12


class HeldHasher(Hasher):
    """Whose hashes last until they are let go."""

    def __init__(self) -> None:
        super().__init__(4)
        self.loop, self.begun, self.let_go = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def _bcrypt(self, sent: bytes, salt: bytes) -> bytes:
        self.loop.call_soon_threadsafe(self.begun.set)
        assert self.let_go.wait(30)
        return super()._bcrypt(sent, salt)


async def test_others_are_answered_while_hashes_are_made(identity: World) -> None:
    """However many of them: more logins than there are cores, and a new user."""
    admin = await identity.admin()
    await identity.user("ada")
    hasher = identity.processes[0].memory[Hasher] = HeldHasher()
    new = {"user": {"name": "eve", "password": PASSWORD}}
    asked = [identity.login(by_password("ada")) for _ in range((os.cpu_count() or 1) + 1)]
    held = [asyncio.ensure_future(each) for each in (admin.post("/v3/users", new), *asked)]
    await hasher.begun.wait()
    for _ in range(3):
        assert (await admin.get("/v3/projects")).status_code == 200
    assert not any(each.done() for each in held)
    hasher.let_go.set()
    assert {answer.status_code for answer in await asyncio.gather(*held)} == {201}


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
