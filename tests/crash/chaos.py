"""Fire on a simulated cloud: tenants do at random what the APIs offer while its workers die between any two steps or stand
still until others have taken over, its API dies in the middle of requests, its hosts fail, fall silent, fill up, are stated
dead and come back, an administrator empties hosts and moves servers about, and its clock jumps.

    script/chaos [--seed N] [--deeds N | --minutes M] [--hosts N]

Everything happens in one process, one thing after the other, on a clock that moves when it is told: the same seed and number
of deeds give the same history, to the last answer. In the end the troubles are over, the cloud comes to rest, and it is
looked at: whether anything is under way or differs from its row, anything acknowledged is lost, anybody sees what is not theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from crash.history import DEEDS
from crash.operators import Operator
from crash.resting import differences, prepared, unstable
from crash.site import VERSIONS
from crash.tenants import History
from crash.witness import Witness, broken_promises
from pileus.engines.troubles import Trouble, Troubles
from pileus.kernel.clock import SteppingClock
from pileus.kernel.http import App
from pileus.kernel.http.calls import Receive, Scope, Send
from pileus.kernel.operations import Op, Seam, SeamHook, Worker
from pileus.kernel.operations.views import retry_parked
from pileus.world import CHORES
from support.cloud import PASSWORD, RunningCloud, running_cloud
from support.databases import sqlite_database
from support.people import Login, add_tenant
from support.workers import successor

TENANTS = 3
KINDS = ("hypervisor", "blocks", "overlay")
JUMPS_S = (0.5, 30.0, 3600.0)
TROUBLES: tuple[Trouble, ...] = (
    Trouble(kind="fail", once=True, cause="chaos"),
    Trouble(kind="deaf", once=True),
    Trouble(kind="mute", once=True),
    Trouble(kind="full", once=True),
    Trouble(kind="delay", once=True, seconds=5.0),
)


PARKED_FOR_EACH_OTHER = 3  # an operation may be parked for another one that is


class Died(BaseException):
    """What a process does when it is killed: nothing any more."""


class Mortal:
    """The API, in processes that can die: `dies_after` so many commits of the next request that writes, with 0 before any."""

    def __init__(self, cloud: RunningCloud) -> None:
        self.app = cloud.world.app
        self.dies_after: int | None = None
        self.left: int | None = None  # while it is at that request
        cloud.world.db.on_commit.append(self.committed)

    def committed(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Died

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ReadError when it dies; if the request has fewer commits, then before its answer is there."""
        if self.dies_after is None or scope["method"] == "GET":
            await self.app(scope, receive, send)
            return
        self.left, self.dies_after = self.dies_after, None
        try:
            if self.left:
                await self.app(scope, receive, send)
        except Died:
            pass
        finally:
            self.left = None
        raise httpx.ReadError("The API process has died.")


@dataclass
class Chaos:
    """One history."""

    cloud: RunningCloud
    operator: Operator
    tenants: list[Witness]
    chance: random.Random
    hosts: list[str]
    api: Mortal
    counted: Counter[str] = field(default_factory=Counter)
    silent: set[str] = field(default_factory=set)
    worker: Worker | None = None

    @property
    def clock(self) -> SteppingClock:
        clock = self.cloud.world.clock
        assert isinstance(clock, SteppingClock)
        return clock

    async def step(self) -> None:
        """A tenant does something; then the cloud works a little, or suffers."""
        tenant = self.chance.choice(self.tenants)
        try:
            await self.chance.choice(DEEDS)(tenant)
        except (httpx.HTTPStatusError, httpx.TransportError):
            self.counted["not told"] += 1
        await self.work(self.chance.randrange(4))
        if self.chance.random() < 0.3:
            name, suffer = self.chance.choice(list(self.troubles()))
            self.counted[name] += 1
            await suffer()

    def troubles(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        yield "a worker died", self.kill
        yield "a worker died", self.kill
        yield "a worker stood still", self.freeze
        yield "an API process died", self.kill_api
        yield "an engine had a trouble", self.trouble
        yield "an engine had a trouble", self.trouble
        yield "a host fell silent or came back", self.silence
        yield "a host was lost and evacuated", self.lose
        yield "a host was drained", self.operator.drain
        yield "hosts were let in", self.let_in
        yield "hosts were let in", self.let_in
        yield "a server was migrated", self.operator.migrate
        yield "the clock jumped", self.jump

    async def work(self, operations: int, seam: SeamHook | None = None) -> None:
        """Carry so many operations on, each until it waits or ends."""
        if self.worker is None:
            await self.begin()
        assert self.worker is not None
        self.worker.seam = seam
        worker = self.worker
        for _ in range(operations):
            for row in await worker.take(1):
                await worker.carry(row)

    async def begin(self) -> None:
        """Another worker, once it is seen that those before are dead."""
        self.worker = await successor(self.cloud.ctx())

    async def kill(self) -> None:
        """At one of the next seams."""

        async def die() -> None:
            raise Died

        try:
            await self.work(4, self.at_a_seam(die))
        except Died:
            self.counted["in the middle of something"] += 1
        self.worker = None

    async def freeze(self) -> None:
        """At one of the next steps that act, until it is taken for dead and another one has worked; then it goes on."""

        async def stand_still() -> None:
            self.counted["taken for dead"] += 1
            await self.begin()
            await self.work(self.chance.randrange(1, 8))

        await self.work(4, self.at_a_seam(stand_still, acting=True))

    def at_a_seam(self, suffer: Callable[[], Awaitable[None]], *, acting: bool = False) -> SeamHook:
        """`acting`: none inside a transaction."""
        left = self.chance.randrange(1, 12)

        async def look_on(seam: Seam, op: Op) -> None:
            nonlocal left
            left -= not acting or not op.saga.steps[op.saga.index(seam.step)].rows
            if not left:
                left = -1
                await suffer()

        return look_on

    async def kill_api(self) -> None:
        """While it is at the next request that writes."""
        self.api.dies_after = self.chance.randrange(3)

    async def trouble(self) -> None:
        kind = self.chance.choice(KINDS)
        self.of(self.chance.choice(self.hosts), kind).add(self.chance.choice(TROUBLES))

    async def silence(self) -> None:
        host = self.chance.choice(self.hosts)
        if host in self.silent or self.few_answer():
            host = host if host in self.silent else min(self.silent)
            self.silent.discard(host)
            for kind in KINDS:
                self.of(host, kind).clear()
            return
        self.fall_silent(host)

    def few_answer(self) -> bool:
        """At most half of the hosts are silent."""
        return len(self.silent) >= len(self.hosts) / 2

    def fall_silent(self, host: str) -> None:
        self.silent.add(host)
        for kind in KINDS:
            self.of(host, kind).add(Trouble(kind="deaf"))

    async def lose(self) -> None:
        """Its servers are had elsewhere. The first one has the overlay, whose place no other takes."""
        host = await self.operator.busy(but=self.hosts[0])
        if not host or self.few_answer():
            await self.silence()
            return
        self.fall_silent(host)
        await self.operator.evacuate(host)
        await self.cloud.world.hosts.look(self.cloud.ctx())

    async def let_in(self) -> None:
        """Those, too, that were stated dead; once they have paid what they owe, if they answer."""
        known = self.cloud.world.hosts
        await self.operator.let_in()
        await known.look(self.cloud.ctx())
        await known.settled()

    async def jump(self) -> None:
        self.clock.advance(self.chance.choice(JUMPS_S))
        await retry_parked(self.cloud.ctx())

    def of(self, host: str, kind: str) -> Troubles:
        found: Troubles = self.cloud.world.rims[kind, host]._behind.troubles  # type: ignore[attr-defined]
        return found

    async def rest(self) -> None:
        """Every trouble is over, and all that is under way comes to its end."""
        self.api.dies_after = None
        for host in self.hosts:
            for kind in KINDS:
                self.of(host, kind).clear()
        await self.let_in()
        await self.begin()
        for _ in range(PARKED_FOR_EACH_OTHER):
            await self.cloud.settle()
            self.clock.advance(self.cloud.world.config.operations.retry_parked_s)
            for chore in CHORES:  # what parked is tried again, for one; an upload whose process died is given up
                await chore(self.cloud.ctx())
        await self.cloud.settle()

    async def faults(self) -> list[str]:
        """What a cloud must not be found with."""
        found = list(self.tenants[0].history.wrong)
        for tenant in self.tenants:
            found += await unstable(tenant)
        return found + await broken_promises(self.tenants) + await differences(self.operator.http)

    def digest(self) -> str:
        """Of all that was asked and answered."""
        told = "\n".join(line for tenant in self.tenants for line in tenant.told)
        return hashlib.sha256(told.encode()).hexdigest()[:16]


@asynccontextmanager
async def fire(home: Path, run: Path, seed: int, hosts: int) -> AsyncIterator[Chaos]:
    """A cloud of its own, below `home`."""
    with sqlite_database(run, home) as url:
        async with running_cloud(url, home / "state", hosts=hosts) as cloud:
            history = History(sys.maxsize, asyncio.Event(), *await prepared(cloud))
            await cloud.settle()
            api = Mortal(cloud)
            tenants = [await tenant(cloud, api, history, seed + n, f"tenant-{n}") for n in range(TENANTS)]
            chance = random.Random(seed)
            operator = Operator(who(cloud, cloud.world.app, "admin"), chance, history)
            yield Chaos(cloud, operator, tenants, chance, [f"h{n + 1}" for n in range(hosts)], api)
            for http in (operator.http, *(each.http for each in tenants)):
                await http.aclose()


async def tenant(cloud: RunningCloud, api: Mortal, history: History, seed: int, name: str) -> Witness:
    """A member of a project of its own."""
    project = await add_tenant(cloud, name, PASSWORD)
    return Witness(name, who(cloud, api, name), project, history, seed)


def who(cloud: RunningCloud, api: Mortal | App, name: str) -> httpx.AsyncClient:
    """The user of that name in the project of that name. Clocks that jump end their tokens."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=api),
        base_url=cloud.http.base_url,
        headers={"OpenStack-API-Version": VERSIONS},
        auth=Login(name, PASSWORD, name),
        timeout=60,
    )


async def burn(chaos: Chaos, deeds: int, until: float) -> int:
    """How many deeds it came to."""
    done = 0
    while done < deeds and time.monotonic() < until:
        await chaos.step()
        done += 1
    await chaos.rest()
    return done


async def main(asked: argparse.Namespace) -> int:
    logging.disable(logging.WARNING)  # all that is expected of a fire
    with tempfile.TemporaryDirectory(prefix="pileus-chaos-") as name:
        home = Path(name)
        async with fire(home, home, asked.seed, asked.hosts) as chaos:
            print(f"seed {asked.seed}", flush=True)
            until = time.monotonic() + (asked.minutes * 60 if asked.minutes else float("inf"))
            done = await burn(chaos, sys.maxsize if asked.minutes else asked.deeds, until)
            found = await chaos.faults()
            history = chaos.tenants[0].history
            print(f"{done} deeds, {dict(history.counted)}, of these done: {dict(history.done)}")
            print(f"{dict(chaos.counted)}; history {chaos.digest()}")
            print("\n".join(found) or "nothing is under way, lost, seen by others, or other than its row")
            print(f"again: script/chaos --seed {asked.seed} --deeds {done} --hosts {asked.hosts}")
            return 1 if found else 0


def parsed() -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="script/chaos", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--seed", type=int, default=random.randrange(2**32))
    p.add_argument("--deeds", type=int, default=2000, help="of tenants (2000)")
    p.add_argument("--minutes", type=float, help="so long, instead of a number of deeds")
    p.add_argument("--hosts", type=int, default=20, help="simulated ones (20)")
    return p.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(parsed())))
