"""The control plane that agents join."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.control_plane import ControlPlane, control_plane
from pileus.kernel.clock import SystemClock
from pileus.kernel.db import Database


@pytest.fixture
async def plane(database: Database, tmp_path: Path) -> AsyncIterator[ControlPlane]:
    async with control_plane(database, tmp_path / "control", SystemClock()) as plane:
        yield plane
