"""Leases of hosts: who lives, by whose clock, and what a host must do before it may be used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from demo.world import DemoWorld
from pileus.engines.hypervisor import Domain
from pileus.engines.troubles import Trouble
from pileus.kernel import hosts
from pileus.kernel.clock import SteppingClock
from pileus.kernel.context import PILEUS, Ctx
from pileus.kernel.db import Database
from pileus.kernel.errors import Conflict, HostDown, NotFound, Unavailable
from pileus.kernel.hosts import Hosts
from pileus.kernel.operations.tables import debts

LEASE_S = 30.0
LOOK_S = LEASE_S / hosts.LOOKS_A_LEASE
ADDRESS = "10.0.0.1:8790"


@dataclass
class Site:
    """A database, and the control processes that look at it."""

    ctx: Ctx
    clock: SteppingClock
    world: DemoWorld
    processes: list[Hosts] = field(default_factory=list)

    def process(self, *, listening: bool = True) -> Hosts:
        """Another control process, beginning now."""
        self.processes.append(Hosts(self.clock, lease_s=LEASE_S, listening=listening))
        return self.processes[-1]

    async def pass_by(self, seconds: float, *lookers: Hosts) -> None:
        """Let time pass, in which these processes look as often as they do."""
        for _ in range(round(seconds / LOOK_S)):
            self.clock.advance(LOOK_S)
            for each in lookers:
                await each.look(self.ctx)

    async def join(self, name: str) -> None:
        async with self.ctx.transaction() as tx:
            await hosts.join(tx, name, serial=f"serial of {name}", address=ADDRESS)

    async def owe(self, name: str, subject: UUID, **more: Any) -> None:
        row = {"id": uuid4(), "host": name, "engine": "hypervisor", "verb": "ensure_gone", "subject_id": subject}
        async with self.ctx.transaction() as tx:
            row |= {"fence": 7, "operation_id": uuid4(), "at": tx.now(), **more}
            await tx.execute(debts.insert(), row)

    async def unpaid(self) -> int:
        query = sa.select(sa.func.count()).where(debts.c.paid_at.is_(None))
        return int((await self.ctx.execute(query)).scalar_one())

    async def usable(self, name: str) -> bool:
        return (await hosts.get(self.ctx, name)).usable

    async def renew(self, process: Hosts, name: str) -> None:
        await process.renew(self.ctx, name, address=ADDRESS, facts={"versions": {"hypervisor": 1}})


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    clock = SteppingClock()
    world = DemoWorld(database, tmp_path / "hosts", clock=clock)
    site = Site(world.ctx(PILEUS), clock, world)
    yield site
    for process in site.processes:
        await process.stop()


async def test_a_host_is_usable_from_its_first_renewal(site: Site) -> None:
    process = site.process()
    await site.join("one")
    assert not await site.usable("one")
    await site.renew(process, "one")
    host = await hosts.get(site.ctx, "one")
    assert (host.usable, host.beat, host.facts) == (True, 1, {"versions": {"hypervisor": 1}})
    assert process.address("one") == ADDRESS


async def test_a_host_that_was_not_seen_yet_is_not_down_but_unavailable(site: Site) -> None:
    process = site.process()
    await site.join("one")
    assert not process.is_down("one")
    with pytest.raises(Unavailable) as raised:
        process.address("one")
    assert not isinstance(raised.value, HostDown)
    await process.look(site.ctx)
    assert process.address("one") == ADDRESS


async def test_a_silent_host_goes_down_after_its_lease_and_not_before(site: Site) -> None:
    process = site.process()
    await site.join("one")
    await site.renew(process, "one")
    await site.pass_by(LEASE_S - LOOK_S, process)
    assert not process.is_down("one")
    await site.pass_by(3 * LOOK_S, process)
    assert process.is_down("one")
    assert not await site.usable("one")
    with pytest.raises(HostDown):
        process.address("one")


async def test_a_host_that_renews_stays_up(site: Site) -> None:
    process, other = site.process(), site.process(listening=False)
    await site.join("one")
    for _ in range(10):
        await site.renew(process, "one")
        await site.pass_by(2 * LOOK_S, process, other)
    assert not process.is_down("one")
    assert not other.is_down("one")


async def test_who_does_not_take_the_posts_judges_too(site: Site) -> None:
    listener, worker = site.process(), site.process(listening=False)
    await site.join("one")
    await site.renew(listener, "one")
    await site.pass_by(LEASE_S + 3 * LOOK_S, listener, worker)
    assert worker.is_down("one")


async def test_time_without_any_control_process_does_not_count(site: Site) -> None:
    before = site.process()
    await site.join("one")
    await site.renew(before, "one")
    await before.look(site.ctx)
    site.clock.advance(10 * LEASE_S)
    await before.look(site.ctx)  # stopped and continued
    after = site.process()  # killed and started
    await after.look(site.ctx)
    await site.pass_by(LEASE_S - 3 * LOOK_S, before, after)
    assert not before.is_down("one")
    assert not after.is_down("one")


async def test_time_in_which_nobody_listens_for_agents_does_not_count(site: Site) -> None:
    listener, worker = site.process(), site.process(listening=False)
    await site.join("one")
    await site.renew(listener, "one")
    await site.pass_by(2 * LOOK_S, listener, worker)
    await site.pass_by(10 * LEASE_S, worker)
    assert not worker.is_down("one")
    await site.pass_by(LEASE_S + 3 * LOOK_S, listener, worker)
    assert worker.is_down("one")


async def test_local_hosts_are_there_and_never_age(site: Site) -> None:
    process = site.process()
    for _ in range(2):
        await hosts.ensure_local(site.ctx, {"here": {}, "there": {}})
    await site.pass_by(10 * LEASE_S, process)
    assert [host.name for host in await hosts.list_all(site.ctx)] == ["here", "there"]
    assert await site.usable("here")
    assert not process.is_down("here")
    assert process.address("here") == hosts.LOCAL


async def test_a_cloud_without_agents_writes_nothing_when_it_looks(site: Site) -> None:
    process = site.process()
    await hosts.ensure_local(site.ctx, {"here": {}})
    statements: list[str] = []
    site.world.db.on_statement.append(statements.append)
    await site.pass_by(LEASE_S, process)
    assert statements
    assert all(statement.startswith("SELECT") for statement in statements)


async def test_a_returning_host_pays_before_it_is_usable(site: Site) -> None:
    process = site.process()
    await site.join("one")
    await site.renew(process, "one")
    sim, guest = site.world.hypervisor("one"), Domain(id=uuid4(), vcpus=1, memory_mib=64)
    await sim.ensure_defined(guest, fence=1)
    await site.pass_by(LEASE_S + 2 * LOOK_S, process)
    await site.owe("one", guest.id)
    await site.renew(process, "one")
    assert not process.is_down("one")  # it can be spoken to
    assert not await site.usable("one")  # but gets no guests
    await process.settled()
    assert await sim.observe() == {}
    assert await site.usable("one")
    assert await site.unpaid() == 0


async def test_a_host_that_cannot_pay_yet_is_asked_again(site: Site) -> None:
    process = site.process()
    await site.join("one")
    await site.owe("one", uuid4())
    site.world.hypervisor("one").troubles.add(Trouble(kind="deaf", once=True))
    for usable in (False, True):
        await site.renew(process, "one")
        await process.settled()
        assert await site.usable("one") is usable


async def test_a_host_whose_verb_fails_goes_on_owing(site: Site) -> None:
    process = site.process()
    await site.join("one")
    await site.owe("one", uuid4())
    site.world.hypervisor("one").troubles.add(Trouble(kind="fail"))
    await site.renew(process, "one")
    await process.settled()
    assert not await site.usable("one")
    assert await site.unpaid() == 1


async def test_a_debt_that_nobody_can_pay_is_told(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    process = site.process()
    await site.join("one")
    await site.owe("one", uuid4(), verb="ensure_nonsense")
    await site.renew(process, "one")
    await process.settled()
    assert not await site.usable("one")
    assert "AttributeError" in caplog.text


async def test_a_new_debt_while_it_pays_keeps_a_host_out_of_use(site: Site) -> None:
    process = site.process()
    await site.join("one")
    slow, late = uuid4(), uuid4()
    await site.owe("one", slow)
    sim = site.world.hypervisor("one")
    sim.troubles.add(Trouble(kind="slow", once=True, seconds=5.0), subject=str(slow))
    await site.renew(process, "one")
    await site.renew(process, "one")  # it is paying already
    await asyncio.sleep(0)
    site.world.hypervisor("one").troubles.add(Trouble(kind="fail"), subject=str(late))
    await site.owe("one", late)
    while await site.unpaid() == 2:
        site.clock.advance(5.0)
        await asyncio.sleep(0)
    await process.settled()
    assert not await site.usable("one")
    site.world.hypervisor("one").troubles.clear()
    await site.renew(process, "one")
    await process.settled()
    assert await site.usable("one")


async def test_a_host_that_is_stated_dead_while_it_pays_stays_out_of_use(site: Site) -> None:
    process = site.process()
    await site.join("one")
    await site.owe("one", uuid4())
    site.world.hypervisor("one").troubles.add(Trouble(kind="slow", once=True, seconds=5.0))
    await site.renew(process, "one")
    await asyncio.sleep(0)
    await hosts.fence(site.ctx, "one")
    while await site.unpaid():
        site.clock.advance(5.0)
        await asyncio.sleep(0)
    await process.settled()
    assert not await site.usable("one")


async def test_stopping_leaves_what_is_owed(site: Site) -> None:
    process = site.process()
    await site.join("one")
    await site.owe("one", uuid4())
    site.world.hypervisor("one").troubles.add(Trouble(kind="slow", seconds=1e6))
    await site.renew(process, "one")
    await process.stop()
    assert await site.unpaid() == 1
    assert not await site.usable("one")


async def test_a_fenced_host_is_down_and_pays_when_it_is_let_back(site: Site) -> None:
    """Whoever stated it dead may have been wrong: what was taken from it still runs there."""
    process = site.process()
    await site.join("one")
    sim, guest = site.world.hypervisor("one"), Domain(id=uuid4(), vcpus=1, memory_mib=64)
    await sim.ensure_defined(guest, fence=1)
    await hosts.fence(site.ctx, "one")
    await site.owe("one", guest.id)
    await site.renew(process, "one")
    await process.look(site.ctx)
    assert process.is_down("one")
    assert not await site.usable("one")
    assert await site.unpaid() == 1
    await hosts.lift_fence(site.ctx, "one")
    await site.renew(process, "one")
    assert not process.is_down("one")
    assert not await site.usable("one")
    await process.settled()
    assert await sim.observe() == {}
    assert await site.usable("one")


async def test_a_local_host_which_never_renews_pays_when_it_is_let_back(site: Site) -> None:
    sim, guest = site.world.hypervisor("one"), Domain(id=uuid4(), vcpus=1, memory_mib=64)
    await sim.ensure_defined(guest, fence=1)
    process = site.process()
    await hosts.ensure_local(site.ctx, {"one": {}})
    await site.owe("one", guest.id)
    await hosts.fence(site.ctx, "one")
    await process.look(site.ctx)
    assert (process.is_down("one"), await site.unpaid()) == (True, 1)
    await hosts.lift_fence(site.ctx, "one")
    await process.look(site.ctx)
    await process.settled()
    assert (await sim.observe(), await site.usable("one"), await site.unpaid()) == ({}, True, 0)


async def test_a_host_is_forgotten_once_it_is_stated_dead(site: Site) -> None:
    await site.join("one")
    with pytest.raises(Conflict, match="fence"):
        await hosts.delete(site.ctx, "one")
    await hosts.fence(site.ctx, "one")
    await hosts.delete(site.ctx, "one")
    assert await hosts.list_all(site.ctx) == []
    assert await hosts.by_serial(site.ctx, "serial of one") is None


async def test_a_deleted_host_is_down_at_once_and_owes_nothing(site: Site) -> None:
    process = site.process()
    await site.join("one")
    await process.look(site.ctx)
    await hosts.fence(site.ctx, "one")
    await hosts.delete(site.ctx, "one")
    await site.owe("one", uuid4())
    await process.look(site.ctx)
    with pytest.raises(HostDown):
        process.address("one")
    assert await site.unpaid() == 0
    await site.join("one")
    await process.look(site.ctx)
    assert process.address("one") == ADDRESS


async def test_a_host_that_never_comes_is_down_after_a_lease(site: Site) -> None:
    process = site.process()
    for _ in range(2):
        with pytest.raises(Unavailable, match="known"):
            process.address("nowhere")
    site.clock.advance(LEASE_S + 1)
    with pytest.raises(HostDown):
        process.address("nowhere")


async def test_only_the_newest_certificate_speaks_for_a_host(site: Site) -> None:
    await site.join("one")
    first = await hosts.by_serial(site.ctx, "serial of one")
    assert first is not None
    async with site.ctx.transaction() as tx:
        await hosts.join(tx, "one", serial="another", address=ADDRESS)
    assert await hosts.by_serial(site.ctx, "serial of one") is None
    again = await hosts.by_serial(site.ctx, "another")
    assert again is not None
    assert again.id == first.id


async def test_what_is_not_there_is_not_found(site: Site) -> None:
    process = site.process()
    with pytest.raises(NotFound):
        await site.renew(process, "none")
    for call in (hosts.get, hosts.fence, hosts.lift_fence, hosts.delete):
        with pytest.raises(NotFound):
            await call(site.ctx, "none")


async def test_looking_goes_on_while_the_database_is_away(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    process = site.process()
    await site.join("one")
    away = [True]

    def fail(statement: str) -> None:
        if away:
            away.clear()
            raise Unavailable("The database is away.")

    site.world.db.on_statement.append(fail)
    looking = asyncio.create_task(process.run(site.ctx))
    async with asyncio.timeout(5):
        while not known(process, "one"):
            site.clock.advance(LOOK_S)
            await asyncio.sleep(0)
    looking.cancel()
    await asyncio.wait({looking})
    assert "The database is away." in caplog.text


def known(process: Hosts, name: str) -> bool:
    try:
        return bool(process.address(name))
    except Unavailable:
        return False
