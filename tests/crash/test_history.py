"""A random history of several tenants under kill -9: whatever was asked for ends stable, and nothing differs from its row."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from crash.history import DEEDS
from crash.resting import LOOK_S, differences, prepared, settled, unstable
from crash.site import Site, running_site
from crash.tenants import History, Tenant
from support.people import add_tenant
from support.waiting import pause

SEED = "PILEUS_HISTORY_SEED"  # in the environment: the history to be repeated, as far as kills let it be
TENANTS, HANDS = 3, 2
SETTLED_WITHIN_S, TAKEN_BACK_WITHIN_S = 100.0, 240.0
ALL_KINDS = [f"POST {each}" for each in ("servers", "images", "networks", "ports", "routers", "floatingips", "volumes")]
ALL_KINDS += ["POST snapshots", "PUT ports", "PUT routers", "DELETE servers"]


@pytest.fixture
async def site(database_kind: str, blank_database_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with running_site(database_kind, blank_database_url, tmp_path) as site:
        yield site


@pytest.mark.database("sqlite")
@pytest.mark.timeout(480)
async def test_a_hundred_operations_under_kill_9_leave_what_the_rows_say(site: Site) -> None:
    history, kills = await lived_through(site, 100, lull_s=0.4)
    assert min(kills[number] for number in range(len(site.parts))) >= 1
    assert history.counted["2xx"] >= 30
    assert history.done["POST servers"] >= 1


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_a_thousand_operations_under_kill_9_leave_what_the_rows_say(site: Site) -> None:
    history, kills = await lived_through(site, 1000, lull_s=0.6)
    assert min(kills[number] for number in range(len(site.parts))) >= 3
    assert history.counted["2xx"] >= 300
    assert {kind: history.done[kind] for kind in ALL_KINDS if not history.done[kind]} == {}


async def lived_through(site: Site, operations: int, *, lull_s: float) -> tuple[History, Counter[int]]:
    """What was done, and how often each process was killed."""
    seed = int(os.environ.get(SEED) or random.randrange(2**32))
    print(f"seed {seed}: {SEED}={seed} asks for the same")
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(await site.client())
        history = History(operations, site.up, *await prepared(admin))
        tenants = [await tenant(stack, site, admin, history, seed + n) for n in range(TENANTS)]
        lives = [asyncio.create_task(each.live(DEEDS)) for each in tenants for _ in range(HANDS)]
        kills = await kill_while(site, lives, random.Random(seed), lull_s)
        print(f"kills: {dict(kills)}, {dict(history.counted)}, done: {dict(history.done)}")
        assert history.wrong == []
        await settled(admin, SETTLED_WITHIN_S)
        assert await left_unstable(tenants) == []
        assert await differences(admin) == []
    return history, kills


async def left_unstable(tenants: list[Tenant]) -> list[str]:
    """Also after an image that a killed process wrote was taken back from it."""
    try:
        async with asyncio.timeout(TAKEN_BACK_WITHIN_S):
            while found := [what for each in tenants for what in await unstable(each)]:
                await pause(LOOK_S)
    except TimeoutError:
        pass
    return found


async def kill_while(site: Site, lives: list[asyncio.Task[None]], chance: random.Random, lull_s: float) -> Counter[int]:
    """Kill one process after the other while the tenants live, in rounds of any order, with a lull of at most so long
    between; how often each."""
    kills: Counter[int] = Counter()
    living, left = asyncio.gather(*lives), list[int]()
    while not living.done():
        left = left or chance.sample(range(len(site.parts)), len(site.parts))
        await asyncio.wait([living], timeout=chance.uniform(0.1, lull_s))
        await site.kill(left[-1])
        kills[left.pop()] += 1
    await living
    return kills


async def tenant(stack: AsyncExitStack, site: Site, admin: httpx.AsyncClient, history: History, seed: int) -> Tenant:
    """A member of a project of its own."""
    name, password = f"t{seed}", uuid4().hex
    project = await add_tenant(admin, name, password)
    http = await stack.enter_async_context(await site.client(name, password, name))
    return Tenant(http, project, history, random.Random(seed))
