"""Streams: ranges, files by the kernel or by threads, and what is read from clients."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from kernel.http_server.conftest import CLOSE, HOST, Link, Serve, answer
from pileus.kernel.config import Http
from pileus.kernel.errors import ClientGone, CloudError, RangeNotSatisfiable, RequestTimeout, TooLarge
from pileus.kernel.http.answers import FilePart, Stream
from pileus.kernel.http.sendfile import send_file
from pileus.kernel.http.server import Listener, Server
from pileus.kernel.http.stream import receive_stream, send_stream, wanted_part

DATA = bytes(range(256)) * 4096  # 1 MiB
KEPT = {"ETag": '"v1"', "Last-Modified": "Fri, 20 Nov 2026 20:00:00 GMT"}


class Sender:
    """Sends `stream` to whoever asks; CloudErrors as their status."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.seen: list[BaseException] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await send_stream(scope, send, self.stream, headers=[(b"x-own", b"1")])
        except CloudError as e:
            await answer(send, b"", e.status, *((k.encode(), v.encode()) for k, v in e.headers.items()))
        except BaseException as e:
            self.seen.append(e)
            raise


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(b"before" + DATA + b"after")
    return path


def of(path: Path) -> Stream:
    return Stream(FilePart(path, 6, len(DATA)), headers=KEPT)


@pytest.mark.parametrize("secure", [False, True], ids=["by the kernel", "by threads"])
async def test_a_part_of_a_file(
    serve: Serve, contexts: tuple[ssl.SSLContext, ssl.SSLContext], file: Path, secure: bool
) -> None:
    server, client = contexts if secure else (None, None)
    served = await serve(Sender(of(file)), secure=server)
    head, _, body = (await served.ask(b"GET /" + HOST + CLOSE, client)).partition(b"\r\n\r\n")
    assert body == DATA
    for line in (b"HTTP/1.1 200", b"accept-ranges: bytes", b"content-length: 1048576", b'etag: "v1"', b"x-own: 1"):
        assert line in head
    ranged = b"GET /" + HOST + b"Range: bytes=1000-300999\r\n" + CLOSE
    head, _, body = (await served.ask(ranged, client)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 206")
    assert b"content-range: bytes 1000-300999/1048576" in head
    assert body == DATA[1000:301_000]
    head, _, body = (await served.ask(b"HEAD /" + HOST + CLOSE, client)).partition(b"\r\n\r\n")
    assert (body, b"content-length: 1048576" in head) == (b"", True)
    missed = await served.ask(b"GET /" + HOST + b"Range: bytes=1048576-\r\n" + CLOSE, client)
    assert missed.startswith(b"HTTP/1.1 416")
    assert b"Content-Range: bytes */1048576" in missed


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=5-", (5, 95)),
        ("Bytes = 90 - 200", (90, 10)),
        ("bytes=-10", (90, 10)),
        ("bytes=-1000", (0, 100)),
        ("bytes=1-2,4-5", None),
        ("bytes=-", None),
        ("bytes=9-1", None),
        ("items=1-2", None),
        ("bytes=a-b", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_ranges(header: str, part: tuple[int, int] | None) -> None:
    assert wanted_part({"method": "GET", "headers": [(b"range", header.encode())]}, [], 100) == part


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60) | st.none())
def test_a_part_lies_within_the_whole(size: int, first: int, last: int | None) -> None:
    scope = {"method": "GET", "headers": [(b"range", f"bytes={first}-{'' if last is None else last}".encode())]}
    data = bytes(range(size))
    try:
        part = wanted_part(scope, [], size)
    except RangeNotSatisfiable:
        assert first >= size
        return
    if part is None:
        assert last is not None
        assert last < first
        return
    begin, length = part
    assert data[begin : begin + length] == data[first : None if last is None else last + 1]
    assert length > 0


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0"])
def test_ranges_outside(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        wanted_part({"method": "GET", "headers": [(b"range", header.encode())]}, [], 100)


def test_the_last_bytes_of_nothing_are_nothing() -> None:
    assert wanted_part({"method": "GET", "headers": [(b"range", b"bytes=-5")]}, [], 0) is None


@pytest.mark.parametrize(
    ("condition", "counts"),
    [(b'"v1"', True), (b'"v2"', False), (b'W/"v1"', False), (b"Fri, 20 Nov 2026 20:00:00 GMT", True)],
)
def test_a_range_of_another_version_does_not_count(condition: bytes, counts: bool) -> None:
    own = [(name.lower().encode(), value.encode()) for name, value in KEPT.items()]
    scope = {"method": "GET", "headers": [(b"range", b"bytes=1-"), (b"if-range", condition)]}
    assert wanted_part(scope, own, 10) == ((1, 9) if counts else None)
    assert wanted_part({**scope, "method": "HEAD"}, own, 10) is None


async def test_an_empty_part_and_a_part_with_its_own_status(serve: Serve, file: Path) -> None:
    served = await serve(Sender(Stream(FilePart(file, 3, 0))))
    assert b"content-length: 0" in await served.ask(b"GET /" + HOST + CLOSE)
    served = await serve(Sender(Stream(FilePart(file, 0, 6), status=203)))
    said = await served.ask(b"GET /" + HOST + b"Range: bytes=1-2\r\n" + CLOSE)
    assert said.startswith(b"HTTP/1.1 203")
    assert said.endswith(b"before")


async def test_a_file_that_is_too_short_or_missing_is_found_out_in_time(serve: Serve, file: Path) -> None:
    for part in (FilePart(file, 0, 2 << 20), FilePart(file.with_name("none"), 0, 1)):
        assert (await (await serve(Sender(Stream(part)))).ask(b"GET /" + HOST + b"\r\n")).startswith(b"HTTP/1.1 500")


@pytest.mark.parametrize("secure", [False, True])
async def test_a_file_that_shrinks_meanwhile_breaks_the_answer(
    serve: Serve, contexts: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path, secure: bool
) -> None:
    server, client = contexts if secure else (None, None)
    path = tmp_path / "large"
    with path.open("wb") as large:
        large.truncate(64 << 20)
    app = Sender(Stream(FilePart(path, 0, 64 << 20)))
    served = await serve(app, secure=server)
    async with served.peer(b"GET /" + HOST + b"\r\n", client) as (reader, _):
        await reader.readuntil(b"\r\n\r\n")
        os.truncate(path, 1000)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(64 << 20)
    assert isinstance(app.seen[0], EOFError)


async def test_who_leaves_during_a_file_is_noticed(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as large:
        large.truncate(1 << 30)
    app = Sender(Stream(FilePart(path, 0, 1 << 30)))
    served = await serve(app)
    async with served.peer(b"GET /" + HOST + b"\r\n") as (reader, writer):
        await reader.readexactly(1 << 20)
        writer.transport.abort()
    await served.server.stop(grace_s=5)
    assert isinstance(app.seen[0], ClientGone)


async def test_a_descriptor_outlives_the_thread_that_sends_from_it(file: Path) -> None:
    """Closed too early, its number could be another file's: the client would get that one's bytes."""
    ours, theirs = socket.socketpair()
    released = threading.Event()
    with ours, theirs, file.open("rb") as handle, ThreadPoolExecutor(1) as threads:
        threads.submit(released.wait)
        sending = asyncio.create_task(send_file(cast("Any", Link(ours, threads)), handle, 0, 6))
        await asyncio.sleep(0)
        sending.cancel()
        await asyncio.sleep(0)
        assert not sending.done()
        released.set()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert theirs.recv(6) == b"before"


@pytest.mark.parametrize("closing", [False, True], ids=["the socket tells", "the transport knows"])
async def test_who_leaves_just_before_a_part_of_a_file_is_noticed(file: Path, closing: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, file.open("rb") as handle, ThreadPoolExecutor(1) as threads:
        theirs.close()
        with pytest.raises(ClientGone):
            await send_file(cast("Any", Link(ours, threads, closing)), handle, 0, 6)


async def test_a_client_that_takes_nothing_of_a_file_is_given_up(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as large:
        large.truncate(1 << 30)
    app = Sender(Stream(FilePart(path, 0, 1 << 30)))
    served = await serve(app, idle_timeout_s=0.1)
    with socket.create_connection(served.address) as client:
        client.sendall(b"GET /" + HOST + b"\r\n")
        while not app.seen:
            await asyncio.sleep(0)
    assert isinstance(app.seen[0], ClientGone)


async def test_a_file_keeps_its_place_behind_what_is_still_to_be_sent(file: Path) -> None:
    narrow = socket.create_server(("127.0.0.1", 0))
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        length = [(b"content-length", b"%d" % (60_000 + len(DATA)))]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": b"a" * 60_000, "more_body": True})
        with file.open("rb") as handle:
            await send({"type": "http.response.zerocopysend", "file": handle, "offset": 6, "count": len(DATA)})

    server = Server(app, Http(), [Listener(sock=narrow)])
    [address] = await server.start()
    reader, writer = await asyncio.open_connection(*address, limit=1024)
    writer.write(b"GET /" + HOST + CLOSE)
    assert (await reader.read()).partition(b"\r\n\r\n")[2] == b"a" * 60_000 + DATA
    writer.close()
    await server.stop()


async def test_who_left_before_a_file_is_noticed(serve: Serve, file: Path) -> None:
    raised: list[BaseException] = []
    done = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"10000000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        with file.open("rb") as handle:
            try:
                await send({"type": "http.response.body", "body": b"\0" * 9_000_000, "more_body": True})
                await send({"type": "http.response.zerocopysend", "file": handle, "count": 1_000_000})
            except ClientGone as e:
                raised.append(e)
        done.set()

    served = await serve(app)
    async with served.peer(b"GET /" + HOST + b"\r\n") as (reader, writer):
        await reader.readexactly(1000)
        writer.transport.abort()
    await done.wait()
    assert raised


class Pieces:
    def __init__(self) -> None:
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async def aclose(self) -> None:
        self.closed = True


async def test_pieces_of_known_and_unknown_size(serve: Serve) -> None:
    for size, end in ((6, b"\r\n\r\nonetwo"), (None, b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")):
        pieces = Pieces()
        served = await serve(Sender(Stream(pieces, size=size, media_type="text/plain")))  # type: ignore[arg-type]
        said = await served.ask(b"GET /" + HOST + b"Range: bytes=1-2\r\n" + CLOSE)
        assert said.startswith(b"HTTP/1.1 200")
        assert b"content-type: text/plain" in said
        assert said.endswith(end)
        assert pieces.closed


async def test_pieces_are_not_drawn_for_head_nor_need_closing(serve: Serve) -> None:
    class Untouched:
        def __aiter__(self) -> AsyncIterator[bytes]:
            raise AssertionError

    served = await serve(Sender(Stream(Untouched(), size=7)))  # type: ignore[arg-type]
    assert b"content-length: 7" in await served.ask(b"HEAD /" + HOST + CLOSE)


class Receiver:
    """Counts a body of at most 10 bytes."""

    def __init__(self, timeout_s: float = 5.0) -> None:
        self.timeout_s = timeout_s
        self.raised: list[BaseException] = []
        self.begun, self.done = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        whole = b""
        try:
            async for piece in receive_stream(Request(scope, receive), 10, self.timeout_s):
                whole += piece
                self.begun.set()
            await answer(send, whole)
        except CloudError as e:
            self.raised.append(e)
            await answer(send, b"", e.status)
        except ClientGone as e:
            self.raised.append(e)
        finally:
            self.done.set()


async def test_a_body_within_its_limit(serve: Serve) -> None:
    served = await serve(Receiver())
    chunked = b"PUT /" + HOST + b"Transfer-Encoding: chunked\r\n" + CLOSE + b"4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n"
    assert (await served.ask(chunked)).endswith(b"\r\n\r\n0123456789")
    assert (await served.ask(b"PUT /" + HOST + CLOSE)).endswith(b"\r\n\r\n")


async def test_a_body_over_its_limit(serve: Serve) -> None:
    app = Receiver()
    served = await serve(app)
    chunked = b"PUT /" + HOST + b"Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n"
    assert (await served.ask(chunked)).startswith(b"HTTP/1.1 413")
    assert (await served.ask(b"PUT /" + HOST + b"Content-Length: 11\r\n" + CLOSE)).startswith(b"HTTP/1.1 413")
    assert [type(e) for e in app.raised] == [TooLarge, TooLarge]


@pytest.mark.parametrize(("ours", "servers"), [(0.05, 5.0), (5.0, 0.05)])
async def test_a_body_that_stops_coming(serve: Serve, ours: float, servers: float) -> None:
    app = Receiver(ours)
    served = await serve(app, body_timeout_s=servers)
    assert (await served.ask(b"PUT /" + HOST + b"Content-Length: 9\r\n\r\nab")).startswith(b"HTTP/1.1 408")
    assert isinstance(app.raised[0], RequestTimeout)


async def test_a_client_that_leaves_in_the_middle(serve: Serve) -> None:
    app = Receiver()
    served = await serve(app)
    async with served.peer(b"PUT /" + HOST + b"Content-Length: 9\r\n\r\nab"):
        pass
    await app.done.wait()
    assert isinstance(app.raised[0], ClientGone)


async def test_a_malformed_chunk_in_the_middle(serve: Serve) -> None:
    app = Receiver()
    served = await serve(app)
    async with served.peer(b"PUT /" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n") as (reader, writer):
        await app.begun.wait()
        writer.write(b"nonsense\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
    await app.done.wait()
    assert isinstance(app.raised[0], ClientGone)
