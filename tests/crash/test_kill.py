"""kill -9 at random under 16 writers: what was acknowledged is there, and nothing hangs."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from crash.ledger import Ledger, Writer
from demo.machines import sagas as machine_sagas
from demo.networks import sagas as network_sagas
from demo.volumes import sagas as volume_sagas
from pileus.kernel.operations import sagas
from support.demo_site import LEASE_S
from support.postgres import free_port
from support.processes import Processes
from support.waiting import pause

WRITERS = 16
SHORT_S, LONG_S = 15.0, 300.0
DEMO = (machine_sagas, network_sagas, volume_sagas)
LOOK_S = 0.25


@pytest.fixture
async def processes(database_kind: str, blank_database_url: str, tmp_path: Path) -> AsyncIterator[Processes]:
    """SQLite: all in one process, as `pileus up`. PostgreSQL: an API and a worker."""
    roles = [("api", "worker")] if database_kind == "sqlite" else [("api",), ("worker",)]
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    processes = Processes(state, blank_database_url, free_port(), roles)
    await processes.start()
    yield processes
    await processes.stop()


@pytest.mark.timeout(300)
async def test_acknowledged_writes_survive_kill_9(processes: Processes) -> None:
    await killed_all_the_time(processes, SHORT_S)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_acknowledged_writes_survive_five_minutes_of_kill_9(processes: Processes) -> None:
    await killed_all_the_time(processes, LONG_S)


async def killed_all_the_time(processes: Processes, seconds: float) -> None:
    ledger, stop = Ledger(), asyncio.Event()
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    async with AsyncExitStack() as stack:
        token = await processes.token()
        clients = [await stack.enter_async_context(processes.client(token)) for _ in range(WRITERS)]
        writers = [Writer(http, ledger, seed + n) for n, http in enumerate(clients)]
        writing = [asyncio.create_task(writer.write_until(stop, processes.up)) for writer in writers]
        kills = await kill_for(processes, seconds, random.Random(seed))
        stop.set()
        await asyncio.gather(*writing)
        print(f"{kills} kills, {dict(ledger.counted)}")
        await settled(clients[0])
        assert kills >= seconds / 10
        assert ledger.writes() >= 2 * seconds
        assert await lost(clients[0], ledger) == []


async def kill_for(processes: Processes, seconds: float, chance: random.Random) -> int:
    """Kill one after the other for that long; how many. Each gets at most two seconds of life undisturbed."""
    loop, kills = asyncio.get_running_loop(), 0
    until = loop.time() + seconds
    while loop.time() < until:
        await pause(chance.uniform(0.05, 2.0))
        await processes.kill(chance.randrange(len(processes.running)))
        kills += 1
    return kills


async def settled(http: httpx.AsyncClient) -> None:
    """Return when nothing is in a transitional state: within the lease and twice the longest deadline of a step."""
    longest_s = max(step.deadline_s for saga in sagas.values() if saga.name.startswith("demo.") for step in saga.steps)
    async with asyncio.timeout(LEASE_S + 2 * longest_s):
        while True:
            counts = (await http.get("/site/counts")).json()
            if not transitional(counts):
                return
            await pause(LOOK_S)


def transitional(counts: dict[str, dict[str, int]]) -> Counter[str]:
    """What is under way, and how often."""
    ends = {"machines": {"ACTIVE"}, "networks": {"ACTIVE"}, "operations": {"done", "undone", "superseded"}}
    return Counter({f"{kind} {s}": n for kind, by in counts.items() for s, n in by.items() if s not in ends[kind]})


async def lost(http: httpx.AsyncClient, ledger: Ledger) -> list[str]:
    """Each acknowledged write that is not there, each acknowledged deletion that did not happen."""
    found = []
    for machine_id, fate in ledger.machines.items():
        answer = await http.get(f"/demo/v1/machines/{machine_id}")
        if answer.status_code not in {"made": {200}, "deleted": {404}, "deleting": {200, 404}}[fate]:
            found.append(f"machine {machine_id} {fate}: {answer.status_code}")
    for network_id, sizes in ledger.networks.items():
        answer = await http.get(f"/demo/v1/networks/{network_id}")
        if answer.status_code != 200 or answer.json()["network"]["size"] not in sizes:
            found.append(f"network {network_id} {sizes}: {answer.text}")
    for project_id, texts in ledger.projects.items():
        answer = await http.get(f"/identity/v3/projects/{project_id}")
        if answer.status_code != 200 or answer.json()["project"]["description"] not in texts:
            found.append(f"project {project_id} {texts}: {answer.text}")
    return found
