from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.control_plane import ControlPlane, control_plane
from engines.hypervisor_contract import HypervisorContract, Rig
from pileus.agent.main import Options, RunningAgent
from pileus.engines.troubles import Troubles
from pileus.kernel.clock import SteppingClock
from pileus.kernel.db import Database

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    clock = SteppingClock()
    async with control_plane(database, tmp_path / "control", clock) as plane:
        token = await plane.token("one")
        state = tmp_path / "one"
        options = Options(state=state, control=plane.url, listen="127.0.0.1:0", join=token, simulate=True)
        async with RunningAgent(options, clock):
            await plane.until(lambda: "one" in plane.observed)
            engine = plane.world.engine("hypervisor", "one")
            yield Rig(
                engine,
                Troubles(state / "sim" / "hypervisor" / "troubles"),
                elapse=lambda seconds: elapse(clock, plane, seconds),
                changes=plane.changes,
            )
            await plane.world.agents.close()  # else the agent waits for idle connections when it stops


async def elapse(clock: SteppingClock, plane: ControlPlane, seconds: float) -> None:
    clock.advance(seconds)
    await plane.heard(0.02)


class TestAgent(HypervisorContract):
    """The simulator behind an agent: the same promises over HTTPS."""
