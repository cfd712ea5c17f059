"""Identity over HTTP on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pileus.kernel.db import Database
from pileus.services.identity.bootstrap import bootstrap, register_service
from support.identity import PASSWORD, World


@pytest.fixture
async def identity(database: Database) -> AsyncIterator[World]:
    """Identity with its administrator, in one process."""
    world = World(database)
    await world.process()
    await bootstrap(world.ctx, PASSWORD)
    await register_service(world.ctx, "volumev3", "cinder", "/volume/v3/$(project_id)s")
    yield world
    for client in world.clients:
        await client.aclose()
