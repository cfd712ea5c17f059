"""Websockets: accept, send, receive, and nothing of ASGI in sight.

The server answers pings and sends its own when a connection is idle (`WEBSOCKET_PING_S`); a peer that does not answer
is gone. It also holds the largest message any socket may send; `max_bytes` is a smaller one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pileus.kernel.errors import ClientGone, Forbidden

NORMAL, GOING_AWAY, NOT_TAKEN, POLICY, TOO_BIG, FAILED = 1000, 1001, 1003, 1008, 1009, 1011

Message = MutableMapping[str, Any]
Origins = Callable[[str, str], bool]


class Closed(ClientGone):
    """The socket is closed; `code` says why, as RFC 6455 numbers it."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code


def same_host(origin: str, host: str) -> bool:
    """Whether a page of `origin` comes from the host that it now speaks to."""
    return bool(host) and urlsplit(origin).netloc.lower() == host.lower()


class WebSocket:
    """An accepted socket. Iterate over it for the messages, until it is closed."""

    def __init__(self, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
        self._receive, self._send = receive, send
        self._closed: Closed | None = None
        self.max_bytes = 0
        self.subprotocol: str | None = None

    async def accept(
        self,
        scope: Mapping[str, Any],
        *,
        subprotocols: Sequence[str] = (),
        origins: Origins = same_host,
        max_bytes: int = 65_536,
    ) -> None:
        """Open the socket, with the first of `subprotocols` that the client offers too.

        A browser says where the page comes from; `origins(origin, host)` decides. Who sends no Origin is no browser, and
        has no cookies to abuse. Raises Forbidden (answered by a 403), or Closed if the client has left.
        """
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if (await self._receive())["type"] != "websocket.connect":
            raise self._ended(GOING_AWAY)
        origin = headers.get(b"origin")
        if origin is not None and not origins(origin, headers.get(b"host", "")):
            await self.close(POLICY)
            raise Forbidden("Pages of this origin may not open a websocket here.", origin=origin)
        offered = scope.get("subprotocols", ())
        self.subprotocol = next((name for name in subprotocols if name in offered), None)
        self.max_bytes = max_bytes
        await self._say({"type": "websocket.accept", "subprotocol": self.subprotocol})

    async def receive(self) -> bytes | str:
        """The next message. Raises Closed; a message over the limit closes the socket with 1009."""
        if self._closed is not None:
            raise self._closed
        message = await self._receive()
        if message["type"] != "websocket.receive":
            raise self._ended(message.get("code", GOING_AWAY), message.get("reason") or "")
        data, text = message.get("bytes"), message.get("text")
        received: bytes | str = data if data is not None else text or ""
        if len(received.encode() if isinstance(received, str) else received) > self.max_bytes:
            await self.close(TOO_BIG, f"a message may have {self.max_bytes} bytes")
            raise self._ended(TOO_BIG)
        return received

    async def send(self, data: bytes | str) -> None:
        """Send a message; returns when the peer keeps up. Raises Closed."""
        await self._say({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close; may be said again, and to a peer that has left."""
        if self._closed is None:
            try:
                await self._say({"type": "websocket.close", "code": code, "reason": reason})
            except Closed:
                return
            self._ended(code, reason)

    async def __aiter__(self) -> AsyncIterator[bytes | str]:
        while True:
            try:
                message = await self.receive()
            except Closed:
                return
            yield message

    async def _say(self, message: Message) -> None:
        if self._closed is not None:
            raise self._closed
        try:
            await self._send(message)
        except OSError:
            raise self._ended(GOING_AWAY) from None

    def _ended(self, code: int, reason: str = "") -> Closed:
        self._closed = self._closed or Closed(code, reason)
        return self._closed
