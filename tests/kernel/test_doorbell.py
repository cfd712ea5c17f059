"""Who wakes whom: in the process, and between processes over PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from pileus.kernel.doorbell import CHANNEL, LocalDoorbell, PostgresDoorbell

NEVER_S = 30.0  # longer than any test: who returns earlier was rung
OURS = "application_name = 'pileus doorbell' AND datname = current_database()"

on_postgres = pytest.mark.database("postgresql")
Ring = Callable[[], Awaitable[PostgresDoorbell]]


@pytest.fixture
async def bell(database_url: str) -> AsyncIterator[Ring]:
    """Makes doorbells that listen, each as in a process of its own."""
    made: list[PostgresDoorbell] = []

    async def make() -> PostgresDoorbell:
        made.append(PostgresDoorbell(database_url, alive_every_s=0.01))
        await made[-1].start()
        await made[-1].connected()
        await made[-1].wait(NEVER_S)  # it rings itself once, for what it may have missed
        return made[-1]

    yield make
    for one in made:
        await one.stop()


async def rung(bell: LocalDoorbell | PostgresDoorbell, within_s: float = NEVER_S) -> bool:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await bell.wait(within_s)
    return loop.time() - began < within_s


async def test_a_ring_wakes_who_waits_and_is_then_used_up() -> None:
    bell = LocalDoorbell()
    waiting = asyncio.create_task(rung(bell))
    await asyncio.sleep(0)
    bell.ring()
    assert await waiting
    assert not await rung(bell, within_s=0.01)


async def test_a_ring_before_the_wait_counts_and_many_count_once() -> None:
    bell = LocalDoorbell()
    bell.ring()
    bell.ring()
    assert await rung(bell)
    assert not await rung(bell, within_s=0.01)


@on_postgres
async def test_a_ring_wakes_the_ringer_and_the_others(bell: Ring) -> None:
    here, there = await bell(), await bell()
    here.ring()
    assert await rung(here)
    assert await rung(there)
    there.ring()
    assert await rung(here)


@on_postgres
async def test_many_rings_share_few_notifications_without_payload(bell: Ring, database_url: str) -> None:
    here = await bell()
    heard: list[str] = []
    over = asyncio.Event()
    listener = await asyncpg.connect(database_url)
    await listener.add_listener(CHANNEL, lambda *said: heard.append(str(said[-1])))
    await listener.add_listener("over", lambda *_: over.set())
    for _ in range(1000):
        here.ring()
    await here.settled()
    await listener.execute("NOTIFY over")
    await over.wait()
    await listener.close()
    assert heard in ([""], ["", ""])


@on_postgres
async def test_after_the_connection_was_lost_it_listens_again_and_says_what_is_owed(
    bell: Ring, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = await bell(), await bell()
    admin = await asyncpg.connect(database_url)
    with caplog.at_level(logging.WARNING, "pileus.kernel.doorbell"):
        await admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS}")
        assert await rung(here)  # it rings itself when it is back
        assert await rung(there)
    await admin.close()
    assert len(caplog.records) == 2
    here.ring()
    assert await rung(there)


@on_postgres
async def test_a_ring_while_the_connection_breaks_is_passed_on_later(bell: Ring, database_url: str) -> None:
    here, there = await bell(), await bell()
    admin = await asyncpg.connect(database_url)
    pid = await admin.fetchval(f"SELECT pid FROM pg_stat_activity WHERE {OURS} ORDER BY backend_start LIMIT 1")
    killing = asyncio.create_task(admin.fetchval("SELECT pg_terminate_backend($1, 5000)", pid))
    while not killing.done():
        here.ring()
        await there.wait(0.001)
    here.ring()
    await here.settled()
    assert await rung(there)
    await admin.close()


async def test_without_a_database_it_rings_here_and_keeps_trying(
    caplog: pytest.LogCaptureFixture, unused_tcp_port: int
) -> None:
    bell = PostgresDoorbell(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/none")
    with caplog.at_level(logging.WARNING, "pileus.kernel.doorbell"):
        await bell.start()
        assert not await rung(bell, within_s=0.3)
        bell.ring()
        assert await rung(bell)
    await bell.stop()
    await bell.stop()
    assert [record.getMessage() for record in caplog.records] == ["The doorbell has no database; workers poll."]
