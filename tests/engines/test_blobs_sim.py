from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engines.blobs_contract import DATA, BlobsContract, everything, kept
from pileus.engines.blobs import NoRoom
from pileus.engines.blobs.sim import SimBlobs
from pileus.engines.troubles import Trouble
from pileus.kernel.clock import SteppingClock
from pileus.kernel.errors import Unavailable


@pytest.fixture
def blobs(tmp_path: Path) -> SimBlobs:
    return SimBlobs(tmp_path / "sim", SteppingClock())


class TestSimulator(BlobsContract):
    """The simulator."""


async def test_it_fails_on_command(blobs: SimBlobs) -> None:
    for verb in ("writing", "keep"):
        blobs.troubles.add(Trouble(kind="fail", once=True), verb=verb)
        with pytest.raises(Unavailable):
            await kept(blobs, "one")
    assert await blobs.observe() == {}
    await kept(blobs, "one")
    for verb in ("look", "ensure_gone", "observe"):
        blobs.troubles.add(Trouble(kind="deaf", once=True), verb=verb)
    with pytest.raises(Unavailable):
        await blobs.look("one", everything)
    with pytest.raises(Unavailable):
        await blobs.ensure_gone("one")
    with pytest.raises(Unavailable):
        await blobs.observe()
    assert await blobs.look("one", everything) == DATA


async def test_it_is_full_on_command(blobs: SimBlobs) -> None:
    blobs.troubles.add(Trouble(kind="full"))
    with pytest.raises(NoRoom):
        await kept(blobs, "one")
    await blobs.ensure_gone("one")


async def test_an_answer_gets_lost_on_command(blobs: SimBlobs) -> None:
    blobs.troubles.add(Trouble(kind="mute", once=True), verb="keep")
    with pytest.raises(Unavailable):
        await kept(blobs, "one")
    assert list(await blobs.observe()) == ["one"]
    blobs.troubles.add(Trouble(kind="mute", once=True))
    with pytest.raises(Unavailable):
        await blobs.ensure_gone("one")
    assert await blobs.observe() == {}


async def test_it_is_slow_on_command(tmp_path: Path) -> None:
    clock = SteppingClock()
    blobs = SimBlobs(tmp_path / "sim", clock)
    blobs.troubles.add(Trouble(kind="slow", seconds=5), verb="writing")
    writing = asyncio.create_task(kept(blobs, "one"))
    await asyncio.wait([writing], timeout=0.05)
    assert not writing.done()
    clock.advance(5)
    assert (await writing).size == len(DATA)
