"""Two agents on two hosts, each a network namespace, joined by tokens: killed, restarted, cut off, and back."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest
import pytest_asyncio

from agent.control_plane import PATIENCE_S, ControlPlane, control_plane
from agent.namespaces import CONTROL_IP, Network, inside, network
from demo.machines import service as machines
from engines.hypervisor_contract import HypervisorContract, Rig, copied, guest
from pileus.agent.main import Options
from pileus.engines.hypervisor import DomainFacts, Hypervisor
from pileus.engines.troubles import Trouble, Troubles
from pileus.engines.verbs import Change, Done, Going, StaleFence
from pileus.kernel import hosts
from pileus.kernel.clock import SystemClock
from pileus.kernel.context import Ctx
from pileus.kernel.db import open_database
from pileus.kernel.errors import HostDown, NotFound, Unavailable
from pileus.kernel.operations import Worker, unpaid

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

LEASE_S = 6.0
JOB_S = 0.5
TESTS = Path(__file__).parent.parent


@dataclass
class Site:
    """The control plane in its namespace, and the agents in theirs."""

    plane: ControlPlane
    net: Network
    home: Path
    agents: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def start(self, name: str, token: str | None = None) -> None:
        """Start the agent of that host; it listens when this returns."""
        options = Options(
            state=self.home / name,
            control=self.plane.url,
            listen=f"0.0.0.0:{8790 if token is None else 8791}",  # another port after a restart: the lease tells
            join=token,
            simulate=True,
        )
        say = [sys.executable, "-m", "agent.agent_process", msgspec.json.encode(options, enc_hook=str).decode()]
        command = ["ip", "netns", "exec", self.net.hosts[name], *say]
        self.agents[name] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=TESTS)

    async def listening(self, name: str) -> str:
        """The address that the agent printed."""
        output = self.agents[name].stdout
        assert output is not None
        line = await asyncio.to_thread(output.readline)
        assert line, f"the agent of {name} ended with {self.agents[name].wait()}"
        return line.strip()

    def end(self, name: str, number: int) -> int:
        agent = self.agents.pop(name)
        agent.send_signal(number)
        code = agent.wait(30)
        assert agent.stdout is not None
        agent.stdout.close()
        return code

    async def join_all(self) -> None:
        for name in self.net.hosts:
            self.start(name, await self.plane.token(name))
            assert await self.listening(name) == f"{self.net.ip(name)}:8791"
            await self.renewed(name)

    async def end_all(self) -> None:
        await self.plane.world.agents.close()
        for name in list(self.agents):
            self.end(name, signal.SIGKILL)

    def engine(self, name: str) -> Hypervisor:
        engine: Hypervisor = self.plane.world.engine("hypervisor", name)
        return engine

    def troubles(self, name: str) -> Troubles:
        return Troubles(self.home / name / "sim" / "hypervisor" / "troubles")

    async def told(self, change: Change) -> None:
        await self.plane.until(lambda: change in self.plane.changes)

    async def shown(self, ctx: Ctx, machine_id: UUID, status: str | None) -> None:
        """Return once the machine has this status; None: once it is not there any more."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.status(ctx, machine_id) != status:
                await self.plane.heard(0.05)

    async def usable(self, name: str, expected: bool) -> None:
        """Return once the host's row says so."""
        async with asyncio.timeout(PATIENCE_S):
            while (await hosts.get(self.plane.ctx, name)).usable is not expected:
                await self.plane.heard(0.05)

    async def status(self, ctx: Ctx, machine_id: UUID) -> str | None:
        try:
            return (await machines.show(ctx, machine_id)).status
        except NotFound:
            return None

    async def renewed(self, name: str) -> None:
        """Return once the host has posted from now on."""
        self.plane.observed.pop(name, None)
        await self.plane.until(lambda: name in self.plane.observed)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    home = tmp_path_factory.mktemp("site")
    database = open_database(f"sqlite:///{home}/pileus.db")
    await database.start()
    await database.create_schema()
    with network("one", "two") as net, inside(net.control):
        async with control_plane(database, home / "control", SystemClock(), lease_s=LEASE_S, host=CONTROL_IP) as plane:
            site = Site(plane, net, home)
            looking = asyncio.create_task(plane.hosts.run(plane.ctx))
            try:
                await site.join_all()
                yield site
            finally:
                looking.cancel()
                await asyncio.wait({looking})
                await site.end_all()
    await database.close()


@pytest_asyncio.fixture(params=["one", "two"], loop_scope="module")
async def rig(site: Site, request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    engine, troubles = site.engine(request.param), site.troubles(request.param)
    yield Rig(engine, troubles, elapse=lambda seconds: site.plane.heard(0.05), changes=site.plane.changes, job_s=JOB_S)
    troubles.clear()
    for left in await engine.observe():
        assert await engine.ensure_gone(left, fence=10**6) == Done()


class TestTwoHosts(HypervisorContract):
    """The same promises, between machines."""


async def test_a_killed_agent_comes_back_with_its_fences_and_its_jobs(site: Site) -> None:
    engine, guest_id, filled = site.engine("one"), guest(), uuid4()
    assert await engine.ensure_defined(guest_id, fence=20) == Done()
    site.troubles("one").add(Trouble(kind="delay", seconds=3.0), verb="ensure_disks", subject=str(filled))
    assert isinstance(await engine.ensure_disks(copied(filled), fence=21), Going)
    assert site.end("one", signal.SIGKILL) == -signal.SIGKILL
    with pytest.raises(Unavailable):
        await engine.observe()

    site.start("one")
    assert await site.listening("one") == f"{site.net.ip('one')}:8790"
    await site.told(Change("hypervisor", "ensure_disks", str(filled), Done()))  # nobody has said it again
    engine = site.engine("one")
    assert await engine.observe() == {
        guest_id.id: DomainFacts(defined=True),
        filled: DomainFacts(disks=("root",)),
    }
    for subject, old in ((guest_id.id, 19), (filled, 20)):
        with pytest.raises(StaleFence):
            await engine.ensure_gone(subject, fence=old)
        assert await engine.ensure_gone(subject, fence=22) == Done()


async def test_a_host_that_was_cut_off_loses_its_lease_and_pays_when_it_is_back(site: Site) -> None:
    plane, ctx = site.plane, site.plane.world.ctx()
    worker = Worker(plane.ctx)
    working = asyncio.create_task(worker.run())
    machine = await machines.create(ctx, name="web", host="two")
    await site.shown(ctx, machine.id, "ACTIVE")
    assert set(await site.engine("two").observe()) == {machine.id}

    site.net.plug("two", into_the_switch=False)
    await plane.until(lambda: plane.hosts.is_down("two"))
    with pytest.raises(HostDown):
        site.engine("two")
    await site.usable("two", False)  # judged in memory first, written after
    assert not plane.hosts.is_down("one")
    assert (await hosts.get(plane.ctx, "one")).usable
    await machines.delete(ctx, machine.id)
    await site.shown(ctx, machine.id, None)  # the dead do not hold the living
    assert await unpaid(plane.ctx, machine.id)

    site.net.plug("two", into_the_switch=True)
    await plane.until(lambda: not plane.hosts.is_down("two"))
    await site.usable("two", True)
    assert not await unpaid(plane.ctx, machine.id)
    assert await site.engine("two").observe() == {}
    worker.stop()
    await working


async def test_an_agent_ends_on_sigterm_and_goes_on_where_it_was(site: Site) -> None:
    assert site.end("two", signal.SIGTERM) == 0
    site.start("two")
    await site.listening("two")
    await site.renewed("two")
    assert await site.engine("two").observe() == {}
