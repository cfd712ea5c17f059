"""A connection of the server: bytes in, one request at a time, bytes out; every wait has a deadline."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import Any, cast
from urllib.parse import unquote

from pileus.kernel.errors import BadRequest, ClientGone, CloudError, RequestTimeout
from pileus.kernel.http import wire
from pileus.kernel.http.deadline import Deadline
from pileus.kernel.http.exchange import HIGH_WATER, Exchange
from pileus.kernel.http.sendfile import read_socket, send_file
from pileus.kernel.http.site import Site

PULL_BYTES = 524_288  # of a large body, read at once
LINGER_S = 2.0  # how long a client that was told off may take to read it
LINGER_BYTES = 8_388_608  # and how much it may still send meanwhile: no less than what socket buffers hold

log = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """Between two requests `exchange` is None. What came after the request at work waits in `_ahead`, unread."""

    def __init__(self, site: Site, prefix: str) -> None:
        self.site = site
        self.retiring = False  # no request after the one at work
        self._prefix = prefix
        self._loop = asyncio.get_running_loop()
        self._ahead = bytearray()
        self._exchange: Exchange | None = None
        self._reading, self._writing = Deadline(self._loop), Deadline(self._loop)
        self._paused = False
        self._lingered: int | None = None  # bytes thrown away since the last word was said
        self._writable: asyncio.Event | None = None  # there while the client does not keep up
        self._facts: dict[str, Any] | None = None

    @property
    def made(self) -> bool:
        """Whether it stands: made, and not lost."""
        return self in self.site.state.connections  # type: ignore[comparison-overlap]  # uvicorn's set

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.site.state.connections.add(self)  # type: ignore[arg-type]
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        self._reading.set(self.site.http.idle_timeout_s, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._reading.end()
        self._writing.end()
        self._leave("closed")
        self.resume_writing()
        self.site.state.connections.discard(self)
        self.site.left()

    def eof_received(self) -> None:
        self._leave("closed")  # the transport closes: who sends no more is taken to be gone

    def data_received(self, data: bytes) -> None:
        if self._lingered is not None:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self.abort()
        elif self._exchange is None:
            self._ahead += data
            self._read_head()
        elif self._ahead or self._exchange.body.ended:
            self._ahead += data
            self._pause_reading()
        else:
            self._feed(self._exchange, data)

    def pause_writing(self) -> None:
        self._writable = asyncio.Event()
        self._writing.set(self.site.http.idle_timeout_s, self.abort)

    def resume_writing(self) -> None:
        self._writing.clear()
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    # the way in

    def _read_head(self) -> None:
        if self._ahead.startswith(b"\r\n"):  # some clients end a body so; RFC 9112, 2.2
            del self._ahead[:2]
        end = self._ahead.find(wire.END)
        try:
            wire.check_size(self._ahead, end, self.site.http)
            if end < 0:
                self._await_head()
                return
            head = wire.read_head(bytes(self._ahead[:end]), self.site.http)
        except CloudError as e:
            self.refuse(e)
            return
        self._reading.clear()
        rest = bytes(self._ahead[end + len(wire.END) :])
        self._ahead.clear()
        self._resume()
        if head.wants_websocket:
            self._become_websocket(head, rest)
        else:
            self._begin(head, rest)

    def _await_head(self) -> None:
        """From its first byte on, a head has its time; a byte more does not buy more."""
        self._resume()
        if not self._reading.is_for(self._head_is_late):
            self._reading.set(self.site.http.header_timeout_s, self._head_is_late)

    def _begin(self, head: wire.Head, rest: bytes) -> None:
        exchange = self._exchange = Exchange(self, head, self._scope(head))
        if rest:
            self._feed(exchange, rest)
        if exchange.gone is None:
            task = self._loop.create_task(self._run(exchange))
            self.site.state.tasks.add(task)
            task.add_done_callback(self.site.state.tasks.discard)

    def _scope(self, head: wire.Head) -> dict[str, Any]:
        raw_path = self._prefix.encode() + head.raw_path
        facts = self._facts = self._facts or self._connection_facts()
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": head.http_version,
            "method": head.method,
            "root_path": "",
            "path": unquote(raw_path.decode("ascii")),
            "raw_path": raw_path,
            "query_string": head.query,
            "headers": head.headers,
            "state": {},
            **facts,
        }

    def _connection_facts(self) -> dict[str, Any]:
        tls = self.transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        return {
            "scheme": "http" if tls is None else "https",
            "client": _address(self.transport.get_extra_info("peername")),
            "server": _address(self.transport.get_extra_info("sockname")),
            "extensions": {"http.response.zerocopysend": {}}
            if tls is None
            else {"tls": {"client_certificate": certificate}},
        }

    def _become_websocket(self, head: wire.Head, rest: bytes) -> None:
        query = b"?" + head.query if head.query else b""
        lines = [b"GET ", self._prefix.encode(), head.raw_path, query, b" HTTP/1.1\r\n"]
        for name, value in head.headers:
            lines += name, b": ", value, b"\r\n"
        self._reading.end()
        self._writing.end()
        self.site.state.connections.discard(self)
        protocol = self.site.websocket()
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        protocol.data_received(b"".join((*lines, b"\r\n", rest)))

    def _feed(self, exchange: Exchange, data: bytes) -> None:
        try:
            rest = exchange.feed(data)
        except BadRequest as e:
            self.refuse(e)
            return
        self._reading.clear()
        if rest:
            self._ahead += rest
        if exchange.completed:
            self.exchange_over(exchange)
        elif rest or exchange.buffered > HIGH_WATER:
            self._pause_reading()
        if rest and not exchange.body.ended:
            self._loop.call_soon(self._feed_on, exchange)

    def _feed_on(self, exchange: Exchange) -> None:
        if self._exchange is exchange and exchange.gone is None:
            data = bytes(self._ahead)
            self._ahead.clear()
            self._feed(exchange, data)

    def await_body(self, exchange: Exchange) -> None:
        """The app waits for the next piece: it must come in time."""
        if not exchange.body.ended:
            self.resume_reading()
            self._reading.set(self.site.http.body_timeout_s, self._body_is_late)

    async def pull(self, exchange: Exchange) -> None:
        """Have a thread read what waits in the socket, if it is much; without TLS, which only the transport undoes.

        What there is not, or no more, the transport finds out: it reads on when the app waits.
        """
        if not self._paused or self._ahead or self.transport.get_extra_info("ssl_object") is not None:
            return
        left = exchange.body.left
        try:
            data = await read_socket(self, PULL_BYTES if left is None else min(left, PULL_BYTES), HIGH_WATER)
        except asyncio.CancelledError:
            exchange.keep_alive = False  # what was read is lost
            raise
        if data and self._exchange is exchange and exchange.gone is None:
            self._feed(exchange, data)

    def _pause_reading(self) -> None:
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on, unless what came is already more than the request at work."""
        if not self._ahead:
            self._resume()

    def _resume(self) -> None:
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()

    # the way out

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    async def drained(self) -> None:
        """Return once the client has taken what was written, but for the high water mark; or is gone."""
        while self._writable is not None:
            await self._writable.wait()

    async def send_file(self, file: Any, offset: int, count: int) -> None:
        """Send `count` bytes of an open file past all buffers. Raises ClientGone."""
        await send_file(self, file, offset, count)

    async def _run(self, exchange: Exchange) -> None:
        try:
            await self.site.app(exchange.scope, exchange.receive, exchange.send)
        except ClientGone:
            log.debug("a client left before its answer: %s", exchange.gone)
        except Exception:
            log.exception("the app failed: %s %r", exchange.scope["method"], exchange.scope["path"])
            self._fail(exchange, "The server failed; its log knows why.")
        else:
            self._fail(exchange, "The server gave no answer.")

    def _fail(self, exchange: Exchange, message: str) -> None:
        if not exchange.completed and exchange.gone is None:
            self.refuse(CloudError(message))

    def exchange_over(self, exchange: Exchange) -> None:
        """The response is written, and perhaps the rest of the body has come since."""
        unread = not exchange.body.ended
        if not exchange.keep_alive or self.retiring:
            self._last_word(b"", unread=unread or bool(self._ahead))
        elif unread:  # a little that nobody asked for
            self.resume_reading()
            self._reading.set(self.site.http.body_timeout_s, self._close)
        else:
            self._next()

    def _next(self) -> None:
        self._exchange = None
        self._reading.set(self.site.http.idle_timeout_s, self._close)
        if self._ahead:
            self._read_head()
        else:
            self._resume()

    # the end

    def refuse(self, error: CloudError) -> None:
        """Answer in the app's stead and close; if the app has begun an answer, break it off visibly."""
        self._leave(error.code)
        if self._exchange is not None and self._exchange.started:
            self._break_off()
        else:
            self._last_word(self.site.refusal(error), unread=True)

    def _last_word(self, data: bytes, *, unread: bool) -> None:
        """Write, and close. With bytes unread the kernel would reset the connection, and the client might never read
        why: so read on, into nothing, for a little while."""
        self.write(data)
        self._exchange = None
        self._ahead.clear()
        if not unread:
            self._close()
            return
        self._lingered = 0
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._resume()
        self._reading.set(LINGER_S, self.abort)

    def retire(self) -> None:
        """Finish the request at work, then close; at once if there is none."""
        self.retiring = True
        if self._exchange is None and self._lingered is None:
            self._close()

    shutdown = retire  # what a websocket of uvicorn calls it

    def _break_off(self) -> None:
        """Reset the connection: an end without a reset could pass for the end of a body whose length was not said."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort()

    def abort(self) -> None:
        self._leave("closed")
        self.transport.abort()

    def _close(self) -> None:
        """Close once all is written; a client that does not take it is not waited for."""
        self._leave("closed")
        self._reading.set(self.site.http.idle_timeout_s, self.abort)
        self.transport.close()

    def _leave(self, reason: str) -> None:
        """Tell the exchange before the transport closes: from then on it writes nothing (uvloop would raise)."""
        if self._exchange is not None:
            self._exchange.leave(reason)

    def _head_is_late(self) -> None:
        self.refuse(
            RequestTimeout(f"The head of the request did not come within {self.site.http.header_timeout_s:g} s.")
        )

    def _body_is_late(self) -> None:
        self.refuse(RequestTimeout(f"No piece of the body came for {self.site.http.body_timeout_s:g} s."))


def _address(info: Any) -> tuple[str, int] | None:
    """Host and port; None for a Unix socket."""
    return (str(info[0]), int(info[1])) if isinstance(info, tuple) else None
