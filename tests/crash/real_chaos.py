"""Fire on a cloud of real processes and hosts: PostgreSQL, API processes, workers, and three hosts with libvirt, QEMU and
OVN, each a network namespace, while tenants do at random what the APIs offer.

    script/chaos --real [--seed N] [--minutes M] [--tenants N] [--keep]

Whoever runs is killed, stands still for a while and goes on, is cut off; disks fill up. One tenant lives by openstacksdk. An
administrator moves servers about, empties hosts, and states those dead that are cut off, whose servers are had elsewhere. In
the end all is back, and the cloud comes to rest by itself, within a bounded time; then it is looked at as the simulated one
is. The seed decides what is tried, not when the machine comes to it: the same seed gives the same fire, not the same history.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx

from crash.by_sdk import Life
from crash.datacentre import HOST_LEASE_S, Datacentre, Host, comes_true, datacentre, frozen, send
from crash.diary import Diary, diary
from crash.history import DEEDS
from crash.operators import Operator
from crash.resting import differences, settled, unstable
from crash.tenants import COMPUTE, IMAGE, NETWORK, Deed, History
from crash.witness import Witness, broken_promises
from support.people import add_tenant
from support.sdk import connected
from support.tiny import tiny_image
from support.waiting import pause

HANDS = 2
SERVERS = 3  # of each tenant, at most: guests are emulated
TROUBLES_AT_ONCE = 3
LULL_S = 8.0  # at most, before the next trouble
RESTS_WITHIN_S = 420.0  # a guest that is paused clings for 300 to what is detached
LOOK_S = 10.0
Suffer = Callable[[], Awaitable[None]]
Look = Callable[[], list[int | None]]


class Resident(Witness):
    """A tenant of a cloud that may be away."""

    auth: dict[str, str]

    async def live(self, deeds: Sequence[Deed]) -> None:
        """One thing after the other, until all is over. Whoever gets no answer asks for something else later."""
        while self.history.left > 0:
            try:
                await self.chance.choice(deeds)(self)
            except (httpx.TransportError, httpx.HTTPStatusError):
                self.history.counted["not told"] += 1
            await pause(self.chance.uniform(0.0, 1.0))


@dataclass
class Fire:
    """One history."""

    cloud: Datacentre
    operator: Operator
    tenants: list[Resident]
    program: Life
    chance: random.Random
    diary: Diary
    counted: Counter[str] = field(default_factory=Counter)

    def victims(self) -> Iterator[tuple[str, Look]]:
        """Who may be killed or stand still, and by which ids; some oftener than others."""
        cloud = self.cloud
        for worker in [name for name in cloud.parts if name.startswith("worker")]:
            yield from [(worker, partial(cloud.of, worker))] * 2
        yield from [("an API process", self.api_process)] * 3
        yield "the API's supervisor", partial(cloud.of, "api")
        yield from [("PostgreSQL", partial(cloud.of, "database"))] * 2
        for host in cloud.hosts:
            yield from [(f"agent of {host.name}", lambda host=host: [host.agent()])] * 2
            yield f"libvirtd of {host.name}", lambda host=host: [host.libvirtd()]
            central = ("northd", "nb", "sb") if host.central else ()
            for daemon in ("controller", "vswitchd", "ovsdb", "metadata", *central):
                yield f"{daemon} of {host.name}", lambda host=host, daemon=daemon: [host.daemon(daemon)]

    def api_process(self) -> list[int | None]:
        found = self.cloud.of("api")[1:]
        return [self.chance.choice(found)] if found else []

    def trouble(self) -> tuple[str, Suffer]:
        seconds = self.chance.uniform(1.0, 2 * HOST_LEASE_S)
        host = self.chance.choice(self.cloud.hosts)
        if self.chance.random() < 0.05:
            return "PostgreSQL cut off", partial(self.cut_database_off, seconds)
        if self.chance.random() < 0.15:
            return f"{host.name} cut off", partial(self.cut_off, host, seconds)
        if self.chance.random() < 0.08 and not host.central:  # the place of the overlay's databases is nobody else's
            return f"{host.name} cut off and evacuated", partial(self.lose, host, seconds)
        if self.chance.random() < 0.1:
            return f"disk of {host.name} full", partial(self.fill, host, seconds)
        who, look = self.chance.choice(list(self.victims()))
        if self.chance.random() < 0.35:
            return f"{who} frozen", partial(self.freeze, look, seconds)
        return f"{who} killed", partial(self.kill, look)

    async def kill(self, look: Look) -> None:
        for pid in look()[:1]:
            if pid is not None:
                send(pid, signal.SIGKILL)

    async def freeze(self, look: Look, seconds: float) -> None:
        with frozen([pid for pid in look() if pid is not None]):
            await pause(seconds)

    async def cut_off(self, host: Host, seconds: float) -> None:
        self.cloud.net.plug(host.name, into_the_switch=False)
        try:
            await pause(seconds)
        finally:
            self.cloud.net.plug(host.name, into_the_switch=True)

    async def lose(self, host: Host, seconds: float) -> None:
        """It is stated dead, which it is not; and back once a tenant's servers run elsewhere, or mostly."""
        self.cloud.net.plug(host.name, into_the_switch=False)
        try:
            with suppress(httpx.TransportError, httpx.HTTPStatusError):
                await self.operator.evacuate(host.name)
            await pause(seconds)
        finally:
            self.cloud.net.plug(host.name, into_the_switch=True)

    async def operate(self) -> None:
        """As an administrator does, until all is over."""
        deeds = [self.operator.migrate] * 6 + [self.operator.drain] + [self.operator.let_in] * 2
        while self.tenants[0].history.left > 0:
            with suppress(httpx.TransportError, httpx.HTTPStatusError):
                await self.chance.choice(deeds)()
            await pause(self.chance.uniform(0.0, LULL_S / 2))

    async def cut_database_off(self, seconds: float) -> None:
        with self.cloud.without_database():
            await pause(seconds)

    async def fill(self, host: Host, seconds: float) -> None:
        with host.full():
            await pause(seconds)

    async def burn(self, seconds: float) -> None:
        """Until then tenants live and troubles come; return when the last trouble is over."""
        history, burning = self.tenants[0].history, asyncio.Semaphore(TROUBLES_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for tenant in self.tenants:
                for _ in range(HANDS):
                    group.create_task(tenant.live(DEEDS))
            group.create_task(asyncio.to_thread(self.program.live))
            group.create_task(self.operate())
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                await pause(self.chance.uniform(0.5, LULL_S))
                name, suffer = self.trouble()
                await burning.acquire()
                task = group.create_task(self.suffered(name, suffer))
                task.add_done_callback(lambda _: burning.release())
            history.left = 0

    async def suffered(self, name: str, suffer: Suffer) -> None:
        began = time.monotonic()
        await suffer()
        self.counted[name] += 1
        print(f"{time.strftime('%H:%M:%S')} {name} ({time.monotonic() - began:.1f} s)", flush=True)

    async def rest(self) -> list[str]:
        """What a cloud must not be found with, when it has had time to come to rest."""
        began = time.monotonic()
        with suppress(TimeoutError):
            await comes_true(self.all_let_in, within_s=RESTS_WITHIN_S)
            await comes_true(self.cloud.whole, within_s=RESTS_WITHIN_S)
        if lacking := await self.cloud.lacking():
            return [f"not whole after {RESTS_WITHIN_S:g} s: {each}" for each in lacking]
        while True:
            await settled(self.operator.http, RESTS_WITHIN_S)
            found, rested_s = await self.faults(), time.monotonic() - began
            if not found or rested_s > RESTS_WITHIN_S:
                print(f"{time.strftime('%H:%M:%S')} at rest after {rested_s:.0f} s", flush=True)
                return [*self.tenants[0].history.wrong, *found, *await self.diary.faults()]
            print(f"{time.strftime('%H:%M:%S')} not yet: {found[0][:300]}", flush=True)
            await pause(LOOK_S)

    async def all_let_in(self) -> bool:
        with suppress(httpx.TransportError, httpx.HTTPStatusError):
            await self.operator.let_in()
            return True
        return False

    async def faults(self) -> list[str]:
        """Those that time may mend."""
        found: list[str] = []
        witnesses = [*self.tenants, self.program.witness]
        for witness in witnesses:
            found += await unstable(witness)
        return found + await broken_promises(witnesses) + await differences(self.operator.http)


@asynccontextmanager
async def fire(home: Path, tiny: Path, seed: int, tenants: int) -> AsyncIterator[Fire]:
    """A cloud of its own, below `home`."""
    async with AsyncExitStack() as stack:
        cloud = await stack.enter_async_context(datacentre(home))
        admin = await stack.enter_async_context(await cloud.client())
        history = History(sys.maxsize, asyncio.Event(), *await furnished(admin, tiny))
        residents = [await resident(stack, cloud, admin, history, seed + n) for n in range(tenants)]
        chance = random.Random(seed)
        operator = Operator(admin, chance, history, spares="diary")
        alone = await resident(stack, cloud, admin, history, seed + tenants)
        program = Life(connected(f"{cloud.url}/identity/v3", **alone.auth), alone)
        yield Fire(cloud, operator, residents, program, chance, await diary(cloud, admin, history))


async def furnished(admin: httpx.AsyncClient, tiny: Path) -> tuple[str, str]:
    """The network outside, and an image for everybody: their ids."""
    (public,) = (await admin.get(f"{NETWORK}/networks?name=public")).json()["networks"]
    wanted = {"name": "tiny", "disk_format": "qcow2", "container_format": "bare", "visibility": "public"}
    image = (await admin.post(f"{IMAGE}/images", json=wanted)).json()["id"]
    headers = {"Content-Type": "application/octet-stream"}
    sent = await admin.put(f"{IMAGE}/images/{image}/file", content=tiny.read_bytes(), headers=headers)
    assert sent.status_code == 204, sent.text
    return public["id"], image


async def resident(
    stack: AsyncExitStack, cloud: Datacentre, admin: httpx.AsyncClient, history: History, seed: int
) -> Resident:
    """A member of a project of its own, which may have few servers."""
    name, password = f"t{seed}", uuid4().hex
    project = await add_tenant(admin, name, password)
    few = {"quota_set": {"instances": SERVERS}}
    assert (await admin.put(f"{COMPUTE}/os-quota-sets/{project}", json=few)).status_code == 200
    http = await stack.enter_async_context(await cloud.client(name, password, name))
    made = Resident(name, http, project, history, seed)
    made.auth = {"username": name, "password": password, "project_name": name}
    return made


async def main(asked: argparse.Namespace) -> int:
    print(f"seed {asked.seed}", flush=True)
    burning = asyncio.current_task()
    assert burning is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, burning.cancel)  # and clear away
    with tempfile.TemporaryDirectory(prefix="pc-", ignore_cleanup_errors=True) as name:
        async with fire(Path(name), asked.image or tiny_image(), asked.seed, asked.tenants) as fire_of:
            print(f"{time.strftime('%H:%M:%S')} the cloud serves {fire_of.cloud.url}, in {name}", flush=True)
            await fire_of.burn(asked.minutes * 60)
            history = fire_of.tenants[0].history
            print(f"{dict(history.counted)}, of these done: {dict(history.done)}, {dict(fire_of.counted)}", flush=True)
            found = await fire_of.rest()
            print("\n".join(found) or "nothing is under way, lost, seen by others, or other than its row")
            if found and asked.keep:
                print(f"{name} is as it is; SIGTERM ends it", flush=True)
                await asyncio.Event().wait()
            return 1 if found else 0


def parsed() -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="script/chaos", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--seed", type=int, default=random.randrange(2**32))
    p.add_argument("--minutes", type=float, default=5.0, help="of fire (5)")
    p.add_argument("--tenants", type=int, default=2, help="(2)")
    p.add_argument("--image", type=Path, help="by `pileus image build-tiny`, which is asked for one")
    p.add_argument("--keep", action="store_true", help="leave a cloud with faults as it is until SIGTERM")
    return p.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(parsed())))
