"""Where the metadata process of this host asks: a socket behind which the control plane answers.

One question a connection, as JSON; the answer is JSON, too. The process that asks has no rights at all; what it says of a
guest is believed, as the overlay told it the network and the address, and nothing else is taken from it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec

from pileus.engines.guests import Asked, Told
from pileus.kernel.errors import CloudError, Unavailable
from pileus.kernel.http.unix import bound_socket

logger = logging.getLogger("pileus.agent")

QUESTION_BYTES = 256 * 1024
PATIENCE_S = 10.0
AWAY = Told(status=503, body=b"Ask again.\n")

Ask = Callable[[Asked], Awaitable[Told]]


def asks_control(client: httpx.AsyncClient, extensions: Mapping[str, Any]) -> Ask:
    """By a post of this host's."""

    async def ask(asked: Asked) -> Told:
        content = msgspec.json.encode(asked)
        try:
            response = await client.post("/agent/v1/metadata", content=content, extensions=dict(extensions))
        except httpx.TransportError as e:
            raise Unavailable(str(e) or type(e).__name__) from e
        if response.status_code != 200:
            raise Unavailable(f"it answered {response.status_code}: {response.text[:300]}")
        return msgspec.json.decode(response.content, type=Told)

    return ask


class Relay:
    """Answers at `path` whoever is that user, by `ask`."""

    def __init__(self, path: Path, uid: int, ask: Ask) -> None:
        self._path, self._uid, self._ask = path, uid, ask
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        sock = bound_socket(self._path, self._uid if os.geteuid() == 0 else None)
        self._server = await asyncio.start_unix_server(self._speak, sock=sock)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, msgspec.DecodeError):
            async with asyncio.timeout(PATIENCE_S):
                question = await read_whole(reader)
            writer.write(msgspec.json.encode(await self._told(msgspec.json.decode(question, type=Asked))))
        writer.close()

    async def _told(self, asked: Asked) -> Told:
        try:
            return await self._ask(asked)
        except Unavailable as e:
            logger.warning("a guest's question was not answered: %s", e.message)
            return AWAY
        except CloudError as e:
            return Told(status=e.status, body=e.message.encode())


async def read_whole(reader: asyncio.StreamReader) -> bytes:
    """All there is; cut where no honest question is that long."""
    data = b""
    while len(data) < QUESTION_BYTES and (more := await reader.read(QUESTION_BYTES)):
        data += more
    return data
