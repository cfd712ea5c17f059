"""Identity over HTTP on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pileus.kernel.db import Database
from support.beginning import begun
from support.identity import World, bootstrapped, one_process
from support.trusts import Pair


@pytest.fixture
async def empty(database: Database) -> AsyncIterator[World]:
    """Identity in one process, on a database without a row."""
    async with one_process(database) as world:
        yield world


@pytest.fixture
async def identity(database_url: str) -> AsyncIterator[World]:
    """Identity with its administrator, in one process."""
    async with begun("identity", database_url, bootstrapped) as (database, _), one_process(database) as world:
        yield world


@pytest.fixture
async def pair(identity: World) -> Pair:
    project_id = await identity.project("own")
    ada_id = await identity.user("ada", "manager", project_id)
    pair = Pair(identity, project_id, ada_id, await identity.user("bob"))
    pair.ada, pair.bob = await identity.session("ada", scope="own"), await identity.session("bob")
    return pair
