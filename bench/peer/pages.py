"""A page of users out of many costs what one out of few costs."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlalchemy as sa

from bench.machine import Use, watched
from bench.peer import ours
from bench.peer.client import Connection
from bench.peer.sides import Side
from conformance.installed import Failure
from pileus.kernel.db import metadata, open_database
from pileus.services.identity import routes

assert routes.api  # its import has made the tables known
USERS, PASSWORDS = metadata.tables["identity_user"], metadata.tables["identity_password"]

FEW, MANY = 1_000, 100_000
ASKS = 200
WARM_UP = 20
BATCH = 1_000


async def users_page(state: Path, seconds: float) -> tuple[dict[str, float], Use]:
    """`GET /users?limit=100` from the middle of the list, on two clouds in turn; on SQLite, then on PostgreSQL."""
    figures: dict[str, float] = {}
    uses: list[Use] = []
    for name, started in (("sqlite", ours.on_sqlite), ("postgresql", ours.on_postgresql)):
        with contextlib.ExitStack() as stack:
            few = stack.enter_context(started(state / f"{name}-few", seeding(FEW)))
            many = stack.enter_context(started(state / f"{name}-many", seeding(MANY)))
            with watched(*few.pids, *many.pids) as use:
                took = await in_turn(few, many)
        figures |= {f"{name}: page of {n} users: p50_ms": 1000 * t for n, t in zip((FEW, MANY), took, strict=True)}
        figures[f"users_page_{name}"] = took[1] / took[0]
        uses.append(use)
    return figures, max(uses, key=lambda use: use.others_cores)


async def in_turn(few: Side, many: Side) -> list[float]:
    """How long half of the pages took at most, seconds, on each."""
    took: list[list[float]] = [[], []]
    asked = [(Connection(side.url), await request(side)) for side in (few, many)]
    for _ in range(WARM_UP + ASKS):
        for (connection, wanted), times in zip(asked, took, strict=True):
            began = time.perf_counter()
            answer = await connection.ask(wanted)
            times.append(time.perf_counter() - began)
            if answer.status != 200 or answer.body.count(b'"password_expires_at"') != 100:
                raise Failure(f"no page of 100 users: {answer.status} {answer.body[:300]!r}")
    for connection, _ in asked:
        connection.close()
    return [statistics.median(times[WARM_UP:]) for times in took]


async def request(side: Side) -> bytes:
    """The page behind the user in the middle."""
    token = await side.token()
    return side.request("GET", f"/users?limit=100&marker={middle()}", X_Auth_Token=token)


def middle() -> str:
    """The id of a user that each seeding makes: half of all ids are before it."""
    return uuid.UUID(int=1 << 127).hex


def seeding(number: int) -> Callable[[str], None]:
    """Copies of the administrator, with their password, under names and ids of their own."""

    def seed(database: str) -> None:
        with ThreadPoolExecutor(1) as thread:  # a loop runs in this one
            thread.submit(asyncio.run, copied(database, number)).result()

    return seed


async def copied(database: str, number: int) -> None:
    db = open_database(database)
    await db.start()
    try:
        async with db.read() as connection:
            user = await connection.execute(sa.select(USERS).where(USERS.c.name == "admin"))
            password = await connection.execute(sa.select(PASSWORDS))
            user_model, password_model = dict(user.mappings().one()), dict(password.mappings().first() or {})
        for batch in batches(number):
            async with db.transaction() as connection:
                rows = [{**user_model, "id": each, "name": f"user-{each}"} for each in batch]
                await connection.execute(sa.insert(USERS), rows)
                await connection.execute(sa.insert(PASSWORDS), [{**password_model, "user_id": each} for each in batch])
        async with db.transaction() as connection:
            await connection.execute(sa.text("ANALYZE"))  # as the database does by itself, some time later
    finally:
        await db.close()


def batches(number: int) -> Iterator[list[str]]:
    """So many ids, spread evenly."""
    step = (1 << 128) // number
    ids = [uuid.UUID(int=n * step).hex for n in range(1, number)]
    ids[number // 2 - 1] = middle()
    yield from (ids[n : n + BATCH] for n in range(0, len(ids), BATCH))
