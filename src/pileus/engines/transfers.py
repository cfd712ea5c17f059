"""How the bytes of images come to a host and go from it: by a path on the control plane that is good for one transfer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Transfers(Protocol):
    """What an engine is given to fetch and send with. Both raise Unavailable, and NotFound for a token that is spent."""

    def get(self, path: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes that wait there."""
        ...

    async def put(self, path: str, pieces: AsyncIterator[bytes]) -> None:
        """Send these; whole when this returns."""
        ...
