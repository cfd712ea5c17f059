"""Bodies too large to hold, in both directions, at the pace of the slower side."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import IO, Any, Protocol

from pileus.kernel.errors import ClientGone, RangeNotSatisfiable, RequestTimeout, TooLarge
from pileus.kernel.http.answers import FilePart, RawHeaders, Stream, raw_headers

PIECE_BYTES = 262_144  # read at once where a file cannot be sent by the kernel

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,18})[ \t]*-[ \t]*([0-9]{0,18})[ \t]*", re.IGNORECASE)


class Incoming(Protocol):
    """What is needed of a request to read its body."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def receive(self) -> Receive: ...


async def receive_stream(request: Incoming, limit_bytes: int, timeout_s: float) -> AsyncIterator[bytes]:
    """The pieces of a request's body, read from the client as fast as the caller asks for them.

    Raises TooLarge (at once if Content-Length says so), RequestTimeout when no piece comes for `timeout_s` seconds, and
    ClientGone when the client left before the end: what was received until then is then no body.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:19]) > limit_bytes:
        raise _too_large(limit_bytes)
    left, more = limit_bytes, True
    while more:
        message = await _next_message(request.receive, timeout_s)
        piece, more = message.get("body", b""), message.get("more_body", False)
        left -= len(piece)
        if left < 0:
            raise _too_large(limit_bytes)
        if piece:
            yield piece


async def _next_message(receive: Receive, timeout_s: float) -> Message:
    try:
        async with asyncio.timeout(timeout_s):
            message = await receive()
    except TimeoutError:
        raise _too_slow() from None
    if message["type"] == "http.request":
        return message
    reason = message.get("reason", "")
    raise _too_slow() if reason == RequestTimeout.code else ClientGone(reason)


def _too_slow() -> RequestTimeout:
    return RequestTimeout("The body did not come in time.")


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than the {limit_bytes} bytes that this takes.", limit=limit_bytes)


async def send_stream(
    scope: Mapping[str, Any],
    send: Send,
    stream: Stream,
    *,
    status: int = 200,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Send a stream as the answer to the request of `scope`; `headers` come on top of its own.

    A file's part of known size answers `Range` (one range; several are answered by the whole), `If-Range` by the ETag or
    Last-Modified among the stream's headers, and HEAD. Raises RangeNotSatisfiable, or OSError and EOFError for a file
    that is not what it should be, before anything is sent; ClientGone when the client has left.
    """
    own = raw_headers(stream.headers)
    source, status = stream.source, stream.status or status
    size = source.length if isinstance(source, FilePart) else stream.size
    framing: RawHeaders = [(b"content-type", stream.media_type.encode("ascii"))]
    if isinstance(source, FilePart) and status == 200:
        part = wanted_part(scope, own, source.length)
        framing.append((b"accept-ranges", b"bytes"))
        if part is not None:
            first, size = part
            status = 206
            framing.append((b"content-range", b"bytes %d-%d/%d" % (first, first + size - 1, source.length)))
            source = FilePart(source.path, source.offset + first, size)
    if size is not None:
        framing.append((b"content-length", b"%d" % size))
    start: Message = {"type": "http.response.start", "status": status, "headers": [*framing, *own, *headers]}
    if isinstance(source, FilePart):
        await _send_file(scope, send, source, start)
    else:
        await _send_pieces(scope, send, source, start)


def wanted_part(scope: Mapping[str, Any], own: RawHeaders, size: int) -> tuple[int, int] | None:
    """(first byte, how many) of what a request asks for of `size` bytes; None: all. Raises RangeNotSatisfiable.

    A Range that is malformed, of several parts, or for another version (If-Range) counts as none: RFC 9110, 14.2.
    """
    asked = dict(scope["headers"])
    wanted = _RANGE.fullmatch(asked.get(b"range", b"").decode("latin-1"))
    if scope["method"] != "GET" or wanted is None or not _same_version(asked.get(b"if-range"), own):
        return None
    first, last = wanted[1], wanted[2]
    if not first and not last:
        return None
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < begin:
            return None
    if not first and int(last) and not size:
        return None  # the last bytes of nothing: satisfiable, but no Content-Range can say so
    if begin >= end:
        raise RangeNotSatisfiable(
            f"The range lies outside of the {size} bytes there are.", headers={"Content-Range": f"bytes */{size}"}
        )
    return begin, end - begin


def _same_version(condition: bytes | None, own: RawHeaders) -> bool:
    """Whether If-Range, if there is one, names what we have: a strong ETag or the exact date."""
    if condition is None:
        return True
    return not condition.startswith(b"W/") and condition in [
        value for name, value in own if name in (b"etag", b"last-modified")
    ]


async def _send_file(scope: Mapping[str, Any], send: Send, part: FilePart, start: Message) -> None:
    if scope["method"] == "HEAD" or not part.length:
        await send(start)
        await send({"type": "http.response.body"})
        return
    with await asyncio.to_thread(_open, part) as file:
        await send(start)
        if "http.response.zerocopysend" in scope.get("extensions", ()):
            where = {"file": file, "offset": part.offset, "count": part.length}
            await send({"type": "http.response.zerocopysend", **where})
            return
        at, end = part.offset, part.offset + part.length
        while at < end:
            piece = await asyncio.to_thread(os.pread, file.fileno(), min(PIECE_BYTES, end - at), at)
            at += len(piece)
            if not piece:
                raise EOFError(f"{part.path} became shorter while it was sent")
            await send({"type": "http.response.body", "body": piece, "more_body": at < end})


def _open(part: FilePart) -> IO[bytes]:
    file = open(part.path, "rb", buffering=0)  # noqa: SIM115 (the caller's `with`)
    if os.fstat(file.fileno()).st_size < part.offset + part.length:
        file.close()
        raise EOFError(f"{part.path} is shorter than it should be")
    return file


async def _send_pieces(scope: Mapping[str, Any], send: Send, pieces: AsyncIterator[bytes], start: Message) -> None:
    try:
        await send(start)
        if scope["method"] != "HEAD":
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})
    finally:
        if (close := getattr(pieces, "aclose", None)) is not None:
            await close()
