"""Placement over HTTP on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pileus.kernel.db import Database
from support.placement import Placement, running_placement


@pytest.fixture
async def placement(database: Database) -> AsyncIterator[Placement]:
    """Placement alone; itself the client of an admin, at the newest microversion."""
    async with running_placement(database) as placement:
        yield placement
