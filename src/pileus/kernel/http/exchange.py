"""One request and its response, as ASGI sees them."""

from __future__ import annotations

import asyncio
import http
import re
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pileus.kernel.errors import ClientGone

if TYPE_CHECKING:
    from pileus.kernel.http.connection import Connection
    from pileus.kernel.http.wire import Head

Message = MutableMapping[str, Any]
App = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

HIGH_WATER = 65_536  # bytes kept for an app that does not read, and for a client that does not
_BAD_NAME = re.compile(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]")
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_PHRASES = {status.value: status.phrase for status in http.HTTPStatus}


@lru_cache(maxsize=256)  # a handful of names stands in each answer
def _lower_name(name: bytes) -> bytes:
    """In lower case; empty for what is no name of a header."""
    return b"" if _BAD_NAME.search(name) else name.lower()


@lru_cache(maxsize=64)
def status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n".encode()


class Exchange:
    """Reads lazily: what the app does not ask for stays, but for `HIGH_WATER` bytes, with the client."""

    __slots__ = (
        "_chunked",
        "_expects_continue",
        "_fast",
        "_held_back",
        "_left",
        "_link",
        "_news",
        "_pieces",
        "_told_end",
        "bodiless",
        "body",
        "buffered",
        "completed",
        "gone",
        "http_version",
        "keep_alive",
        "scope",
        "started",
    )

    def __init__(self, link: Connection, head: Head, scope: dict[str, Any]) -> None:
        self._link = link
        self.scope = scope
        self.http_version = head.http_version
        self.keep_alive = head.keep_alive
        self.body = head.body
        self.bodiless = head.method == "HEAD"
        self.buffered = 0  # bytes of the body that came and were not asked for yet
        self.started = self.completed = False
        self.gone: str | None = None  # why nobody listens any more
        self._expects_continue = head.expects_continue
        self._pieces: list[bytes] = []
        self._told_end = False
        self._fast = False  # more came than is read ahead: the client waits for us, not we for it
        self._news: asyncio.Event = asyncio.Event()
        self._held_back = b""  # the head of the response, until its first piece goes with it
        self._chunked = False
        self._left: int | None = None  # bytes of the response to come, if its length was said

    # what the connection says

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the body, return what was not read. Raises BadRequest."""
        before = len(self._pieces)
        rest = self.body.feed(data, self._pieces)
        if self.completed:
            self._pieces.clear()
        else:
            self.buffered += sum(map(len, self._pieces[before:]))
            self._news.set()
        return rest

    def leave(self, reason: str) -> None:
        """The client is gone, or was told off."""
        self.gone = self.gone or reason
        self._news.set()

    @property
    def reusable(self) -> bool:
        """Whether another request can follow on the connection: little is left of this one, and it will be sent."""
        left = self.body.left
        little = self.body.ended or (left is not None and left <= HIGH_WATER and not self._expects_continue)
        return self.keep_alive and little

    # what the app says

    async def receive(self) -> Message:
        """The next piece of the body; `http.disconnect` (with a `reason`) when there is nobody to read from or answer to."""
        if self._expects_continue and not (self.started or self.gone):
            self._expects_continue = False
            if not (self._pieces or self.body.ended):
                self._link.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not (self.gone or self.completed or self._pieces or (self.body.ended and not self._told_end)):
            if self._fast:
                self._fast = False
                await self._link.pull(self)
            else:
                self._news.clear()
                self._link.await_body(self)
                await self._news.wait()
        if self.gone or self.completed:
            return {"type": "http.disconnect", "reason": self.gone or ""}
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._told_end = self.body.ended
        self._fast = self.buffered > HIGH_WATER and not self._told_end
        self.buffered = 0
        if not self._fast:
            self._link.resume_reading()
        return {"type": "http.request", "body": data, "more_body": not self._told_end}

    async def send(self, message: Message) -> None:
        """Write a part of the response; returns once the client has taken all but `HIGH_WATER` bytes. Raises ClientGone."""
        if self.gone is not None or self._link.transport.is_closing():
            raise ClientGone(self.gone or "closed")
        kind = message["type"]
        if kind == "http.response.start" and not self.started:
            self._start(message)
        elif kind == "http.response.body" and self.started and not self.completed:
            await self._send_piece(message.get("body", b""), bool(message.get("more_body", False)))
        elif kind == "http.response.zerocopysend" and self.started and not self.completed:
            await self._send_file(message)
        else:
            raise RuntimeError(f"{kind} has no place here")

    def _start(self, message: Message) -> None:
        status: int = message["status"]
        self.bodiless = self.bodiless or status in (204, 304)
        lines = [status_line(status)]
        for name, value in message.get("headers", ()):
            lower = _lower_name(name)
            if not lower or _BAD_VALUE.search(value):
                raise RuntimeError(f"the header {name!r} cannot be sent")
            if self._keeps(lower, value, status):
                lines += name, b": ", value, b"\r\n"
        if self._left is None and not self.bodiless:
            self._chunked = self.http_version == "1.1"
            self.keep_alive = self.keep_alive and self._chunked
            lines.append(b"transfer-encoding: chunked\r\n" if self._chunked else b"")
        self.keep_alive = self.reusable and not self._link.retiring
        lines += self._link.site.date_line(), self._connection_line(), b"\r\n"
        self.started = True
        self._held_back = b"".join(lines)
        if self._chunked:  # a stream: its first piece may be long in coming
            self._release()

    def _keeps(self, name: bytes, value: bytes, status: int) -> bool:
        """Whether a header of the app is sent; those that frame the message are understood, and said by us."""
        if name == b"connection":
            self.keep_alive = self.keep_alive and b"close" not in value.lower()
        elif name == b"content-length" and status != 204:
            self._left = int(value)
            return True
        return name not in (b"connection", b"content-length", b"transfer-encoding", b"date")

    def _connection_line(self) -> bytes:
        if not self.keep_alive:
            return b"connection: close\r\n"
        return b"connection: keep-alive\r\n" if self.http_version == "1.0" else b""

    def _release(self) -> None:
        held_back, self._held_back = self._held_back, b""
        self._link.write(held_back)

    async def _send_piece(self, data: bytes, more: bool) -> None:
        if self.bodiless:
            data = b""
        self._count(len(data), more)
        held_back, self._held_back = self._held_back, b""
        if self._chunked:
            framed = (b"%x\r\n" % len(data), data, b"\r\n") if data else ()
            self._link.write(b"".join((held_back, *framed, b"" if more else b"0\r\n\r\n")))
        elif held_back and len(data) <= HIGH_WATER:
            self._link.write(held_back + data)
        else:
            self._link.write(held_back)
            self._link.write(data)
        await self._piece_sent(more)

    async def _send_file(self, message: Message) -> None:
        """`http.response.zerocopysend`: `count` bytes of the open file `file` from `offset` on; the length must be known."""
        if self._left is None and not self.bodiless:
            raise RuntimeError("a file can only be sent in a response of known length")
        count, more = int(message["count"]), bool(message.get("more_body", False))
        self._count(0 if self.bodiless else count, more)
        self._release()
        if count and not self.bodiless:
            await self._link.send_file(message["file"], int(message.get("offset", 0)), count)
        await self._piece_sent(more)

    def _count(self, sent: int, more: bool) -> None:
        if self._left is None or self.bodiless:
            return
        self._left -= sent
        if self._left < 0 or (self._left and not more):
            raise RuntimeError("the response is longer or shorter than its Content-Length")

    async def _piece_sent(self, more: bool) -> None:
        if more:
            await asyncio.sleep(0)  # a client as fast as we are would never make us wait, and nobody else would run
            await self._link.drained()
        if self.gone is not None:
            raise ClientGone(self.gone)
        if not more:
            self.completed = True
            self._news.set()
            self._link.exchange_over(self)
