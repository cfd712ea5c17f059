"""What images are fetched from."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.elsewhere import Elsewhere, elsewhere


@pytest.fixture
async def site() -> AsyncIterator[Elsewhere]:
    async with elsewhere() as site:
        yield site
