"""Consoles of guests on other machines, or behind the agent of this one: a websocket between agent and control plane.

GET /v1/consoles/{guest}/{vnc | serial}
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import httpx
import msgspec
import websockets
from websockets.asyncio.client import ClientConnection, connect, unix_connect

from pileus.agent import wire
from pileus.engines.consoles import CONNECTS_WITHIN_S, Console
from pileus.kernel.errors import CloudError, Unavailable

MESSAGE_BYTES = 2**20


class AgentConsole:
    """A console that an agent relays."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def receive(self) -> bytes:
        try:
            data = await self._connection.recv()
        except websockets.ConnectionClosed:
            return b""
        return data.encode() if isinstance(data, str) else data

    async def send(self, data: bytes) -> None:
        with suppress(websockets.ConnectionClosed):
            await self._connection.send(data)

    async def close(self) -> None:
        await self._connection.close()


@asynccontextmanager
async def console(
    host: str, address: str, context: ssl.SSLContext | None, guest_id: UUID, kind: str
) -> AsyncIterator[Console]:
    """Open inside the block. Raises Unavailable, and what the engine raised: NotFound, Conflict."""
    path = f"/v1/consoles/{guest_id}/{kind}"
    options: dict[str, Any] = {
        "open_timeout": CONNECTS_WITHIN_S,
        "max_size": MESSAGE_BYTES,
        "compression": None,
        "proxy": None,
    }
    if address.startswith(wire.UNIX):
        opening = unix_connect(address.removeprefix(wire.UNIX), f"ws://agent{path}", **options)
    else:
        opening = connect(f"wss://{address}{path}", ssl=context, server_hostname=host, **options)
    try:
        connection = await opening
    except websockets.InvalidStatus as e:
        said = httpx.Response(e.response.status_code, content=bytes(e.response.body or b""))
        raise wire.error_of(said, f"The agent of {host}") from e
    except (OSError, TimeoutError, websockets.WebSocketException) as e:
        raise Unavailable(f"The agent of {host} does not answer: {e or type(e).__name__}.", host=host) from e
    found = AgentConsole(connection)
    try:
        yield found
    finally:
        await found.close()


async def refuse(receive: wire.Receive, send: wire.Send, error: CloudError) -> None:
    """Answer who asked for a websocket by an error."""
    await receive()
    body = msgspec.json.encode(wire.Error(error=error.code, message=error.message))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
