"""Identity over HTTP on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pileus.kernel.db import Database
from pileus.services.identity.bootstrap import bootstrap, register_service
from support.beginning import begun
from support.identity import PASSWORD, World
from support.trusts import Pair


@asynccontextmanager
async def one_process(database: Database) -> AsyncIterator[World]:
    world = World(database)
    await world.process()
    yield world
    for client in world.clients:
        await client.aclose()


@pytest.fixture
async def empty(database: Database) -> AsyncIterator[World]:
    """Identity in one process, on a database without a row."""
    async with one_process(database) as world:
        yield world


@pytest.fixture
async def identity(database_url: str) -> AsyncIterator[World]:
    """Identity with its administrator, in one process."""

    async def make(database: Database) -> None:
        async with one_process(database) as world:
            await bootstrap(world.ctx, PASSWORD)
            await register_service(world.ctx, "volumev3", "cinder", "/volume/v3/$(project_id)s")

    async with begun("identity", database_url, make) as database, one_process(database) as world:
        yield world


@pytest.fixture
async def pair(identity: World) -> Pair:
    project_id = await identity.project("own")
    ada_id = await identity.user("ada", "manager", project_id)
    pair = Pair(identity, project_id, ada_id, await identity.user("bob"))
    pair.ada, pair.bob = await identity.session("ada", scope="own"), await identity.session("bob")
    return pair
