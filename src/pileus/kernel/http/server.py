"""The HTTP server: sockets, limits and connections for one ASGI app. Why it is ours: docs/adr/0002-http-server.md.

It promises the app: a request whose head is well formed and small enough, its path as sent (`raw_path`), a body that is
read from the client only as fast as the app asks, `http.disconnect` when the client is gone, and `ClientGone` from a
`send` that nobody would read. It promises the client: an answer, or a closed connection, in bounded time.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from pileus.kernel.config import Http
from pileus.kernel.http.connection import Connection
from pileus.kernel.http.exchange import App
from pileus.kernel.http.site import Site
from pileus.kernel.http.unix import peer_uid
from pileus.kernel.ids import Ids

BACKLOG = 4096
ACCEPT_PAUSE_S = 0.1  # when the process is out of descriptors
FILE_THREADS = 8
WEBSOCKET_BYTES = 1_048_576  # largest message from a client
WEBSOCKET_PING_S = 20.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listener:
    """Where a server listens: an address (port 0 takes a free one), or a bound socket that it is given.

    `prefix` is put before the path of each request, so that a classic port can lead to one service.
    """

    host: str = "127.0.0.1"
    port: int = 0
    prefix: str = ""
    tls: ssl.SSLContext | None = None
    sock: socket.socket | None = None
    peers: frozenset[int] | None = None  # whose processes may connect to a Unix socket (uids); None: who can open it

    def open(self) -> socket.socket:
        """The listening socket. Raises OSError if the address is taken or not ours."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        sock = self.sock or socket.create_server((self.host, self.port), family=family, backlog=BACKLOG)
        sock.listen(BACKLOG)
        sock.setblocking(False)
        return sock


class Server:
    """Serves `app` on all its listeners, in the running event loop, until stopped."""

    def __init__(self, app: App, http: Http, listeners: Sequence[Listener], *, ids: Ids | None = None) -> None:
        self._http = http
        self._listeners = listeners
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._arriving: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._changed = asyncio.Event()
        threads = ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="pileus-file")
        self._site = Site(app, http, ids or Ids(), threads, self._websocket, self._count)
        self._websocket_config = websocket_config(app)

    async def start(self) -> list[Any]:
        """Listen, and return the addresses, one per listener, as `getsockname` gives them. Raises OSError."""
        self._room.set()
        try:
            self._sockets += (listener.open() for listener in self._listeners)
        except OSError:
            self._close_sockets()
            raise
        pairs = zip(self._sockets, self._listeners, strict=True)
        self._accepting = [asyncio.create_task(self._accept(sock, listener)) for sock, listener in pairs]
        return [sock.getsockname() for sock in self._sockets]

    async def stop(self, grace_s: float = 10.0) -> None:
        """Refuse new connections, let running requests end for at most `grace_s` seconds, then break them off."""
        for task in (*self._accepting, *self._arriving):
            task.cancel()
        await asyncio.gather(*self._accepting, *self._arriving, return_exceptions=True)
        self._close_sockets()
        for connection in list(self._site.state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(grace_s):
                await self._empty()
        except TimeoutError:
            await self._break_off()
        self._site.threads.shutdown()

    @property
    def connections(self) -> int:
        """How many there are, those that still shake hands included."""
        return len(self._site.state.connections) + len(self._arriving)

    async def _empty(self) -> None:
        while self._site.state.connections or self._site.state.tasks:
            self._changed.clear()
            if self._site.state.connections:
                await self._changed.wait()
            else:
                await asyncio.wait(self._site.state.tasks)

    async def _break_off(self) -> None:
        log.warning("%d connections are broken off", len(self._site.state.connections))
        for connection in list(self._site.state.connections):
            connection.transport.abort()
        for task in list(self._site.state.tasks):
            task.cancel()
        await self._empty()

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()

    async def _accept(self, sock: socket.socket, listener: Listener) -> None:
        """Accept while there is room; what does not find room waits in the kernel's backlog."""
        loop = asyncio.get_running_loop()
        while True:
            await self._room.wait()
            try:
                client, _ = await loop.sock_accept(sock)
            except OSError as e:  # out of descriptors, or the client left again: neither is an end
                log.warning("a connection could not be accepted: %s", e)
                self._room.clear()
                loop.call_later(ACCEPT_PAUSE_S, self._count)
                continue
            task = loop.create_task(self._welcome(client, listener))
            self._arriving.add(task)
            task.add_done_callback(partial(self._arrived, client))
            self._count()

    async def _welcome(self, client: socket.socket, listener: Listener) -> None:
        loop = asyncio.get_running_loop()
        if listener.peers is not None and peer_uid(client) not in listener.peers:
            log.warning("a stranger was sent away from a socket", extra={"facts": {"uid": peer_uid(client)}})
            client.close()
            return
        patience = None if listener.tls is None else self._http.header_timeout_s
        connection = Connection(self._site, listener.prefix)
        try:
            await loop.connect_accepted_socket(
                lambda: connection, client, ssl=listener.tls, ssl_handshake_timeout=patience
            )
        except OSError as e:  # ssl.SSLError is one
            log.debug("a connection did not come about: %s", e)
            client.close()
        except asyncio.CancelledError:
            if connection.made:  # uvloop closes it without a word
                connection.connection_lost(None)
            raise

    def _arrived(self, client: socket.socket, task: asyncio.Task[None]) -> None:
        if task.cancelled():  # perhaps before its first step
            client.close()
        self._arriving.discard(task)
        self._count()

    def _count(self) -> None:
        """A connection came or went."""
        if self.connections < self._http.connections:
            self._room.set()
        else:
            self._room.clear()
        self._changed.set()

    def _websocket(self) -> asyncio.Protocol:
        return _WebSocket(self._websocket_config, self._site)


def websocket_config(app: App) -> Config:
    config = Config(
        app,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        ws="websockets-sansio",
        ws_max_size=WEBSOCKET_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=WEBSOCKET_PING_S,
        ws_ping_timeout=WEBSOCKET_PING_S,
    )
    config.load()
    # It logs the target of each websocket, whose query may hold the token of a console.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    return config


class _WebSocket(WebSocketsSansIOProtocol):
    """uvicorn's, which counts as a connection of ours."""

    def __init__(self, config: Config, site: Site) -> None:
        super().__init__(config, site.state, {})
        self._left = site.left

    async def run_asgi(self) -> None:
        """With who is at the other end, as TLS has verified it."""
        tls = self.transport.get_extra_info("ssl_object")
        if tls is not None:
            self.scope["extensions"]["tls"] = {"client_certificate": tls.getpeercert(binary_form=True)}
        await super().run_asgi()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._left()
