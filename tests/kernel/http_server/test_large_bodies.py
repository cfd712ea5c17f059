"""Bodies that threads read, beside the loop."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request

from kernel.http_server.conftest import CLOSE, HOST, Link, answer
from pileus.kernel.config import Http
from pileus.kernel.http.sendfile import NEAR_BYTES, NEAR_US, _keep_near, read_socket
from pileus.kernel.http.server import Listener, Server
from pileus.kernel.http.stream import receive_stream

DATA = bytes(range(256)) * 4096  # 1 MiB


async def test_a_thread_reads_much_that_waits_in_a_socket_and_leaves_little_to_the_loop() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as threads:
        link = cast("Any", Link(ours, threads))
        theirs.sendall(DATA[:60_000])
        assert await read_socket(link, 40_000, 30_000) == DATA[:40_000]
        assert await read_socket(link, 40_000, 30_000) == b""
        assert ours.recv(60_000) == DATA[40_000:60_000]
        theirs.close()
        assert await read_socket(link, 40_000, 0) == b""


def test_who_is_near_gets_little_ahead_and_who_is_far_as_much_as_the_kernel_finds_right() -> None:
    def told(round_trip_us: int) -> list[tuple[int, ...]]:
        info = bytes(68) + round_trip_us.to_bytes(4, sys.byteorder)
        said: list[tuple[int, ...]] = []
        _keep_near(SimpleNamespace(getsockopt=lambda *_: info, setsockopt=lambda *words: said.append(words)))
        return said

    assert told(NEAR_US - 1) == [(socket.SOL_SOCKET, socket.SO_SNDBUF, NEAR_BYTES)]
    assert told(NEAR_US) == []


def pour(sock: socket.socket, data: bytes) -> bytes:
    """What is left of it once all buffers are full."""
    with suppress(BlockingIOError):
        while data:
            data = data[sock.send(data) :]
    return data


@asynccontextmanager
async def poured(
    app: Any, data: bytes, begun: asyncio.Event, full: asyncio.Event
) -> AsyncIterator[tuple[socket.socket, bytes]]:
    """A client that has sent as much as goes, twice: until the app has `begun`, and until it may go on; what it has left."""
    wide = socket.create_server(("127.0.0.1", 0))
    wide.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    server = Server(app, Http(), [Listener(sock=wide)])
    [address] = await server.start()
    with socket.create_connection(address) as client:
        client.setblocking(False)
        left = pour(client, data)
        await begun.wait()
        left = pour(client, left)
        full.set()
        yield client, left
    await server.stop()


async def whole_answer(client: socket.socket) -> bytes:
    replies = b""
    while piece := await asyncio.get_running_loop().sock_recv(client, 65_536):
        replies += piece
    return replies


async def test_whoever_gives_up_while_a_thread_reads_has_lost_that_and_the_connection_ends() -> None:
    begun, full = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        begun.set()
        await full.wait()
        await receive()
        reading = asyncio.create_task(receive())
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await answer(send, b"enough")

    head = b"PUT /" + HOST + b"Content-Length: %d\r\n\r\n" % (8 * len(DATA))
    async with poured(app, head + DATA * 8, begun, full) as (client, _):
        with suppress(ConnectionResetError):
            assert (await whole_answer(client)).lower().count(b"connection: close") == 1


@pytest.mark.parametrize("chunked", [False, True])
async def test_threads_read_for_an_app_whose_client_is_faster(chunked: bool) -> None:
    body, seen = DATA * 8, bytearray()
    readers: list[str] = []
    begun, full = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async for piece in receive_stream(Request(scope, receive), 1 << 30, 5.0):
            seen.extend(piece)
            begun.set()
            await full.wait()
        readers.extend(thread.name for thread in threading.enumerate())
        await answer(send, b"whole")

    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    said = b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % len(body)
    async with poured(app, b"PUT /" + HOST + said + framed + b"GET /" + HOST + CLOSE, begun, full) as (client, left):
        await asyncio.get_running_loop().sock_sendall(client, left)
        replies = await whole_answer(client)
    assert seen == body
    assert replies.count(b"whole") == 2  # what came behind the body was no part of it
    assert any(name.startswith("pileus-file") for name in readers)
