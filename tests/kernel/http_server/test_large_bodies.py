"""Bodies that threads read, beside the loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, cast

import pytest
from starlette.requests import Request

from kernel.http_server.conftest import CLOSE, HOST, Link, answer
from pileus.kernel.config import Http
from pileus.kernel.http.sendfile import read_socket
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


def pour(sock: socket.socket, data: bytes) -> bytes:
    """What is left of it once all buffers are full."""
    with suppress(BlockingIOError):
        while data:
            data = data[sock.send(data) :]
    return data


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

    wide = socket.create_server(("127.0.0.1", 0))
    wide.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    server = Server(app, Http(), [Listener(sock=wide)])
    [address] = await server.start()
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    said = b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(address) as client:
        client.setblocking(False)
        left = pour(client, b"PUT /" + HOST + said + framed + b"GET /" + HOST + CLOSE)
        await begun.wait()
        left = pour(client, left)
        full.set()
        await asyncio.get_running_loop().sock_sendall(client, left)
        replies = b""
        while piece := await asyncio.get_running_loop().sock_recv(client, 65_536):
            replies += piece
    await server.stop()
    assert seen == body
    assert replies.count(b"whole") == 2  # what came behind the body was no part of it
    assert any(name.startswith("pileus-file") for name in readers)
