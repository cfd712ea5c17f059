"""Block Storage over HTTP on each database."""

from __future__ import annotations

import pytest

from support.block_storage import BlockStorage, running_block_storage
from support.cloud import RunningCloud


@pytest.fixture
async def volume(cloud: RunningCloud) -> BlockStorage:
    """Block Storage in a whole cloud; itself the client of a member."""
    return await running_block_storage(cloud)
