"""A server in this process, for any ASGI app, and raw bytes for a client."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pileus.kernel import tls
from pileus.kernel.config import Http
from pileus.kernel.http.server import Listener, Server

HOST = b" HTTP/1.1\r\nHost: test\r\n"
CLOSE = b"Connection: close\r\n\r\n"


@dataclass
class Served:
    server: Server
    address: tuple[str, int]

    @asynccontextmanager
    async def peer(
        self, data: bytes = b"", secure: ssl.SSLContext | None = None
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(*self.address[:2], ssl=secure)
        writer.write(data)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def ask(self, data: bytes, secure: ssl.SSLContext | None = None) -> bytes:
        """Send, and return all that comes until the server closes."""
        async with self.peer(data, secure) as (reader, _):
            return await reader.read()


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(app, prefix=..., secure=..., **options of [http])`."""
    servers: list[Server] = []

    async def start(app: Any, *, prefix: str = "", secure: ssl.SSLContext | None = None, **http: Any) -> Served:
        server = Server(app, Http(**http), [Listener(prefix=prefix, tls=secure)])
        [address] = await server.start()
        servers.append(server)
        return Served(server, address)

    yield start
    for server in servers:
        await server.stop(grace_s=0.2)


async def answer(send: Any, body: bytes = b"", status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    length = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Any) -> bytes:
    whole, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return b"gone: " + message.get("reason", "").encode()
        whole, more = whole + message["body"], message["more_body"]
    return whole


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, scope["method"].encode() + b" " + scope["raw_path"] + b" " + await body_of(receive))


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(server's, client's), of a CA made on the spot."""
    ca = tls.ensure_ca(tmp_path / "ca")
    certificate, key = tls.ensure_server(ca, tmp_path / "ca", ["127.0.0.1"])
    return tls.server_context(certificate, key), tls.client_context(tmp_path / "ca" / "ca.pem")


class Link:
    """What a thread that reads or sends needs of a connection: its socket, with nothing before a file, and the threads."""

    def __init__(self, sock: socket.socket, threads: ThreadPoolExecutor, closing: bool = False) -> None:
        self.transport = self
        self.site = SimpleNamespace(threads=threads)
        self._socket = sock
        self._closing = closing

    def get_extra_info(self, name: str) -> socket.socket:
        assert name == "socket"
        return self._socket

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return 0
