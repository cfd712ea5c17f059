from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from pileus.kernel.db import Database
from support.http_demo import World, served, widget_service


@pytest.fixture
def world(database: Database) -> World:
    """Give a test `@pytest.mark.database("sqlite")` unless the database matters to it."""
    return World(database)


@pytest.fixture
async def api(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the widgets."""
    async with served(world, widget_service()) as client:
        yield client
