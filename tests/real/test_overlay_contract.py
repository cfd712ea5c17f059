"""OVN keeps what every overlay promises, behind the rim of its agent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from engines.overlay_contract import OverlayContract, Rig
from pileus.engines.overlay import Overlay, Port
from pileus.engines.rim import Rim
from pileus.kernel.clock import SystemClock
from real.overlay_world import world
from support.waiting import pause

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real")]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with world() as made:
        rim = Rim(Overlay, made.overlay, made.home / "rim", SystemClock(), changed=made.changes.append)

        async def plug(port: Port) -> None:
            await made.guest(port)

        yield Rig(rim.engine, pause, made.changes, plug=plug)
        await rim.stop()


class TestOvn(OverlayContract):
    """The engine with OVN behind."""
