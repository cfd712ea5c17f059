from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engines.hypervisor_contract import HypervisorContract, Rig
from pileus.engines.hypervisor import Hypervisor
from pileus.engines.hypervisor.sim import SimHypervisor
from pileus.engines.rim import Rim
from pileus.kernel.clock import SteppingClock


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    clock = SteppingClock()
    sim = SimHypervisor(tmp_path / "sim", clock)
    rig = Rig(None, sim.troubles, elapse=lambda seconds: elapse(clock, seconds), changes=[])  # type: ignore[arg-type]
    rim = Rim(Hypervisor, sim, tmp_path / "rim", clock, changed=rig.changes.append)
    rig.hypervisor = rim.engine
    yield rig
    await rim.stop()


async def elapse(clock: SteppingClock, seconds: float) -> None:
    clock.advance(seconds)
    for _ in range(10):
        await asyncio.sleep(0)


class TestSimulator(HypervisorContract):
    """The simulator behind its rim, in one process."""
