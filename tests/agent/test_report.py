"""What an agent tells by itself: that it lives, and what has ended."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from agent.control_plane import ControlPlane, agent, control_plane
from demo.machines import service as machines
from engines.hypervisor_contract import copied
from pileus.engines.hypervisor import Hypervisor
from pileus.engines.troubles import Trouble, Troubles
from pileus.engines.verbs import Change, Done, Going
from pileus.kernel.clock import SystemClock
from pileus.kernel.db import Database
from pileus.kernel.errors import TryAgain, Unavailable
from pileus.kernel.operations.tables import operations

pytestmark = pytest.mark.database("sqlite")


@pytest.mark.parametrize("why", [Unavailable("The database is away."), TryAgain("connection lost")])
async def test_what_could_not_be_told_is_told_later(
    plane: ControlPlane, tmp_path: Path, why: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    plane.why = why
    async with agent(plane, tmp_path, "one"):
        troubles = Troubles(tmp_path / "one" / "sim" / "hypervisor" / "troubles")
        troubles.add(Trouble(kind="delay", seconds=0.1), verb="ensure_disks")
        domain_id = uuid4()
        engine: Hypervisor = plane.world.engine("hypervisor", "one")
        plane.refuses = 1
        assert isinstance(await engine.ensure_disks(copied(domain_id), fence=1), Going)
        change = Change("hypervisor", "ensure_disks", str(domain_id), Done())
        await plane.until(lambda: change in plane.changes)
        assert plane.refuses == 0
    assert "the app failed" not in caplog.text


async def test_a_deaf_engine_does_not_end_the_lease(database: Database, tmp_path: Path) -> None:
    async with control_plane(database, tmp_path / "control", SystemClock(), lease_s=0.3) as plane:
        async with agent(plane, tmp_path, "one"):
            Troubles(tmp_path / "one" / "sim" / "hypervisor" / "troubles").add(Trouble(kind="deaf"), verb="observe")
            await plane.until(lambda: "hypervisor" not in plane.observed["one"])
            assert not plane.hosts.is_down("one")


async def test_an_engine_that_breaks_does_not_end_the_lease(database: Database, tmp_path: Path) -> None:
    async with control_plane(database, tmp_path / "control", SystemClock(), lease_s=0.3) as plane:
        async with agent(plane, tmp_path, "one"):
            domains = tmp_path / "one" / "sim" / "hypervisor" / "domains"
            domains.mkdir(parents=True)
            (domains / f"{uuid4()}.json").write_text("no JSON")
            await plane.until(lambda: "hypervisor" not in plane.observed["one"])
            assert not plane.hosts.is_down("one")


async def test_a_change_wakes_who_waits_for_it(plane: ControlPlane, tmp_path: Path) -> None:
    ctx = plane.world.ctx()
    machine = await machines.create(ctx, name="web", host="one")
    async with ctx.transaction() as tx:
        await tx.execute(operations.update().values(wake_at=1e12))
    async with agent(plane, tmp_path, "one"):
        troubles = Troubles(tmp_path / "one" / "sim" / "hypervisor" / "troubles")
        troubles.add(Trouble(kind="delay", seconds=0.1), verb="ensure_disks")
        engine: Hypervisor = plane.world.engine("hypervisor", "one")
        assert isinstance(await engine.ensure_disks(copied(machine.id), fence=1), Going)
        await plane.until(lambda: bool(plane.changes))
    assert (await ctx.execute(operations.select().with_only_columns(operations.c.wake_at))).scalar() == 0.0
