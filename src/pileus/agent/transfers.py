"""Bytes of images, from the control plane and to it, over the connection by which the agent posts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from pileus.agent.wire import error_of
from pileus.kernel.errors import NotFound, Unavailable

PATH = re.compile(r"/[A-Za-z0-9_~-][\x21-\x7e]*")
OCTETS = "application/octet-stream"
PIECE_S = httpx.Timeout(30.0)  # for each piece, not for all


class HttpTransfers:
    """`pileus.engines.transfers.Transfers` of one control plane: a path is one of its own, and leads nowhere else."""

    def __init__(self, client: httpx.AsyncClient, extensions: Mapping[str, Any]) -> None:
        self._client, self._extensions = client, dict(extensions)

    @asynccontextmanager
    async def get(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        try:
            async with self._client.stream(
                "GET", checked(path), timeout=PIECE_S, extensions=self._extensions
            ) as answer:
                await require_done(answer)
                yield answer.aiter_raw()
        except httpx.TransportError as e:
            raise Unavailable(f"The transfer broke off: {e or type(e).__name__}") from e

    async def put(self, path: str, pieces: AsyncIterator[bytes]) -> None:
        headers = {"Content-Type": OCTETS}
        try:
            answer = await self._client.put(
                checked(path), content=pieces, headers=headers, timeout=PIECE_S, extensions=self._extensions
            )
            await require_done(answer)
        except httpx.TransportError as e:
            raise Unavailable(f"The transfer broke off: {e or type(e).__name__}") from e


def checked(path: str) -> str:
    if not PATH.fullmatch(path):
        raise NotFound(f"{path[:200]!r} is no path of the control plane.")
    return path


async def require_done(answer: httpx.Response) -> None:
    """Raises what a refusal means: NotFound for a token that is spent, Unavailable for what may pass."""
    if answer.is_success:
        return
    await answer.aread()
    if answer.status_code in (401, 403, 404, 410):
        raise NotFound(f"The transfer is over: the control plane answered {answer.status_code}.")
    if answer.status_code >= 500 or answer.status_code == 429:
        raise Unavailable(f"The control plane answered {answer.status_code} to a transfer.")
    raise error_of(answer, "The control plane")
