"""Transfers for simulated hosts in the control process itself: the same bytes by the same tokens, without a network between."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from pileus.kernel.context import Ctx
from pileus.services.image.image_data import service
from pileus.services.image.image_data.service import Incoming

PIECE_BYTES = 1_048_576


class OwnTransfers:
    """`pileus.engines.transfers.Transfers` of this process. `ctx` makes a new Ctx of nobody's."""

    def __init__(self, ctx: Callable[[], Ctx]) -> None:
        self._ctx = ctx

    @asynccontextmanager
    async def get(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        _, file = await service.fetch(self._ctx(), path.rpartition("/")[2])
        yield pieces_of(file)

    async def put(self, path: str, pieces: AsyncIterator[bytes]) -> None:
        await service.put(self._ctx(), path.rpartition("/")[2], lambda: Incoming(pieces, 0))


async def pieces_of(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(os.open, path, os.O_RDONLY)
    try:
        at = 0
        while piece := await asyncio.to_thread(os.pread, file, PIECE_BYTES, at):
            at += len(piece)
            yield piece
    finally:
        os.close(file)
