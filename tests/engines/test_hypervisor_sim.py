from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engines.hypervisor_contract import HypervisorContract, Rig
from engines.sending_contract import SendingContract
from pileus.engines.hypervisor import Hypervisor
from pileus.engines.hypervisor.sim import SimHypervisor
from pileus.engines.rim import Rim
from pileus.kernel.clock import SteppingClock


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@asynccontextmanager
async def simulated(home: Path, clock: SteppingClock) -> AsyncIterator[Rig]:
    sim = SimHypervisor(home / "sim", clock)
    rig = Rig(None, sim.troubles, elapse=lambda seconds: elapse(clock, seconds), changes=[])  # type: ignore[arg-type]
    rim = Rim(Hypervisor, sim, home / "rim", clock, changed=rig.changes.append)
    rig.hypervisor = rim.engine
    yield rig
    await rim.stop()


@pytest.fixture
async def rig(tmp_path: Path, clock: SteppingClock) -> AsyncIterator[Rig]:
    async with simulated(tmp_path, clock) as rig:
        yield rig


@pytest.fixture
async def there(tmp_path: Path, clock: SteppingClock) -> AsyncIterator[Rig]:
    async with simulated(tmp_path / "there", clock) as rig:
        yield rig


async def elapse(clock: SteppingClock, seconds: float) -> None:
    clock.advance(seconds)
    for _ in range(10):
        await asyncio.sleep(0)


class TestSimulator(HypervisorContract, SendingContract):
    """The simulator behind its rim, in one process."""
