from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from engines.overlay_contract import OverlayContract, Rig, port
from pileus.engines.overlay import Network, Overlay
from pileus.engines.overlay.sim import SimOverlay
from pileus.engines.rim import Rim
from pileus.engines.troubles import Trouble
from pileus.engines.verbs import Change, Done, Failed, Going
from pileus.kernel.clock import SteppingClock


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    clock, changes = SteppingClock(), list[Change]()

    async def elapse(seconds: float) -> None:
        clock.advance(seconds)
        for _ in range(10):
            await asyncio.sleep(0)

    sim = SimOverlay(tmp_path / "sim", clock, changed=changes.append)
    rim = Rim(Overlay, sim, tmp_path / "rim", clock, changed=changes.append)
    yield Rig(rim.engine, elapse, changes)
    await rim.stop()


class TestSimulator(OverlayContract):
    """The simulator behind its rim, in one process."""


async def test_it_is_kept_in_files(tmp_path: Path) -> None:
    network = Network(id=uuid4(), mtu=1442)
    await SimOverlay(tmp_path, SteppingClock()).ensure_network(network, fence=1)
    assert (await SimOverlay(tmp_path, SteppingClock()).observe()).networks == {network.id}


async def test_a_change_is_told_once(tmp_path: Path) -> None:
    told: list[Change] = []
    sim = SimOverlay(tmp_path, SteppingClock(), changed=told.append)
    one = port(uuid4(), host="h1")
    for _ in range(2):
        await sim.ensure_port(one, fence=1)
    await sim.ensure_port(port(one.network_id, id=one.id, host="h1", up=False), fence=1)
    assert [change.verb for change in told] == ["port_up", "port_down"]


async def test_it_can_be_told_to_fail_and_to_take_long(tmp_path: Path) -> None:
    sim = SimOverlay(tmp_path, SteppingClock())
    network = Network(id=uuid4(), mtu=1442)
    sim.troubles.add(Trouble(kind="full", once=True))
    assert isinstance(await sim.ensure_network(network, fence=1), Failed)
    sim.troubles.add(Trouble(kind="delay", seconds=10, once=True))
    assert isinstance(await sim.ensure_network(network, fence=1), Going)
    assert await sim.cancel(network.id, "ensure_network", fence=1) == Done()
    assert (await sim.observe()).networks == set()
