from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from engines.blocks_contract import BlocksContract, Rig
from pileus.engines.blocks import Blocks, Volume
from pileus.engines.blocks.sim import SimBlocks
from pileus.engines.rim import Rim
from pileus.engines.troubles import Trouble
from pileus.engines.verbs import Done, Failed, Going
from pileus.kernel.clock import SteppingClock


@pytest.fixture
async def sim(tmp_path: Path) -> SimBlocks:
    return SimBlocks(tmp_path / "sim", SteppingClock(), total_gib=10)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    clock = SteppingClock()

    async def elapse(seconds: float) -> None:
        clock.advance(seconds)
        for _ in range(10):
            await asyncio.sleep(0)

    rim = Rim(Blocks, SimBlocks(tmp_path / "sim", clock), tmp_path / "rim", clock)
    yield Rig(rim.engine, elapse)
    await rim.stop()


class TestSimulator(BlocksContract):
    """The simulator behind its rim, in one process."""


async def test_a_host_that_is_full_refuses_to_hold_more(sim: SimBlocks) -> None:
    assert await sim.ensure_volume(Volume(id=uuid4(), size_gib=8), fence=1) == Done()
    assert isinstance(await sim.ensure_volume(Volume(id=uuid4(), size_gib=3), fence=1), Failed)
    sim.troubles.add(Trouble(kind="full"))
    assert isinstance(await sim.ensure_volume(Volume(id=uuid4(), size_gib=1), fence=1), Failed)


async def test_a_delay_makes_a_job_of_it_which_can_be_cancelled(sim: SimBlocks) -> None:
    sim.troubles.add(Trouble(kind="delay", seconds=10, once=True), verb="ensure_volume")
    volume = Volume(id=uuid4(), size_gib=1)
    assert isinstance(await sim.ensure_volume(volume, fence=1), Going)
    assert await sim.cancel(volume.id, "ensure_volume", fence=1) == Done()
    assert (await sim.observe()).volumes == {}


async def test_it_is_kept_in_files(tmp_path: Path) -> None:
    volume = Volume(id=uuid4(), size_gib=1)
    await SimBlocks(tmp_path, SteppingClock()).ensure_volume(volume, fence=1)
    assert volume.id in (await SimBlocks(tmp_path, SteppingClock()).observe()).volumes


async def test_an_upload_is_sent_once_to_each_place(tmp_path: Path) -> None:
    class Sent:
        def __init__(self) -> None:
            self.urls: list[str] = []

        async def put(self, url: str, pieces: object) -> None:
            self.urls.append(url)

    sent = Sent()
    sim = SimBlocks(tmp_path, SteppingClock(), transfers=sent)  # type: ignore[arg-type]
    volume = Volume(id=uuid4(), size_gib=1)
    await sim.ensure_volume(volume, fence=1)
    for url in ("/one", "/one", "/two"):
        assert await sim.ensure_uploaded(volume.id, url, fence=1) == Done()
    assert sent.urls == ["/one", "/two"]


async def test_what_a_power_cut_left_empty_is_not_there(sim: SimBlocks, tmp_path: Path) -> None:
    """Nothing is written through to the disk of a simulated host: what was just made has a name, and no bytes."""
    lost, whole = (Volume(id=uuid4(), size_gib=1) for _ in range(2))
    for volume in (lost, whole):
        await sim.ensure_volume(volume, fence=1)
    next((tmp_path / "sim").rglob(f"{lost.id}.json")).write_bytes(b"")
    assert list((await sim.observe()).volumes) == [whole.id]
    assert await sim.ensure_volume(lost, fence=2) == Done()
    assert set((await sim.observe()).volumes) == {lost.id, whole.id}
