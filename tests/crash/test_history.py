"""A random history of several tenants under kill -9: whatever was asked for ends stable, and nothing differs from its row."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from crash.history import History, Tenant
from crash.resting import differences, prepared, settled, unstable
from crash.site import Site, running_site
from support.people import add_tenant

SEED = "PILEUS_HISTORY_SEED"  # in the environment: the history to be repeated, as far as kills let it be
TENANTS, HANDS = 3, 2
SETTLED_WITHIN_S = 100.0


@pytest.fixture
async def site(database_kind: str, blank_database_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with running_site(database_kind, blank_database_url, tmp_path) as site:
        yield site


@pytest.mark.database("sqlite")
@pytest.mark.timeout(240)
async def test_a_hundred_operations_under_kill_9_leave_what_the_rows_say(site: Site) -> None:
    await lived_through(site, 100, lull_s=1.0)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_a_thousand_operations_under_kill_9_leave_what_the_rows_say(site: Site) -> None:
    await lived_through(site, 1000, lull_s=4.0)


async def lived_through(site: Site, operations: int, *, lull_s: float) -> None:
    seed = int(os.environ.get(SEED) or random.randrange(2**32))
    print(f"seed {seed}: {SEED}={seed} asks for the same")
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(await site.client())
        history = History(operations, site.up, *await prepared(admin))
        tenants = [await tenant(stack, site, admin, history, seed + n) for n in range(TENANTS)]
        lives = [asyncio.create_task(each.live()) for each in tenants for _ in range(HANDS)]
        kills = await kill_while(site, lives, random.Random(seed), lull_s)
        print(f"{kills} kills, {dict(history.counted)}")
        assert history.wrong == []
        await settled(admin, SETTLED_WITHIN_S)
        for each in tenants:
            assert await unstable(each) == []
        assert await differences(admin) == []


async def kill_while(site: Site, lives: list[asyncio.Task[None]], chance: random.Random, lull_s: float) -> int:
    """Kill one process after the other while the tenants live, with a lull of at most so long between; how many."""
    kills, living = 0, asyncio.gather(*lives)
    while not living.done():
        await asyncio.wait([living], timeout=chance.uniform(0.1, lull_s))
        await site.kill(chance.randrange(len(site.parts)))
        kills += 1
    await living
    return kills


async def tenant(stack: AsyncExitStack, site: Site, admin: httpx.AsyncClient, history: History, seed: int) -> Tenant:
    """A member of a project of its own."""
    name, password = f"t{seed}", uuid4().hex
    project = await add_tenant(admin, name, password)
    http = await stack.enter_async_context(await site.client(name, password, name))
    return Tenant(http, project, history, random.Random(seed))
