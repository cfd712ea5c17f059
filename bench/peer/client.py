"""HTTP/1.1 over one connection, as cheap as Python has it: the load shares the machine's cores with what it measures."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """Raises KeyError."""
        found = re.search(rb"\r\n" + name.encode() + rb": *([^\r]+)", self.head, re.IGNORECASE)
        if not found:
            raise KeyError(name)
        return found[1].decode()


class Connection(asyncio.Protocol):
    """Asks one thing at a time. It is made anew when the other side closes it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._data = b""

    async def ask(self, request: bytes) -> Answer:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        if self._transport is None:
            await loop.create_connection(lambda: self, self._host, self._port)
        assert self._transport is not None
        self._answer, self._data = loop.create_future(), b""
        self._transport.write(request)
        answer = await self._answer
        if CLOSE.search(answer.head):
            self.close()
        return answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        length = LENGTH.search(head) if end else None
        if length and len(body) >= int(length[1]) and self._answer and not self._answer.done():
            self._answer.set_result(Answer(int(head[9:12]), head, body))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("closed in the middle of an answer"))
