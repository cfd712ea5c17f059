"""The smallest app that shows what a server does: /hello, /download/<bytes>, /upload, /echo-path."""

from __future__ import annotations

import asyncio
import os
from typing import Any

BIG = os.environ.get("BENCH_FILE", "/tmp/pileus-bench.bin")
PIECE = b"\0" * 65_536


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"].removeprefix("lifespan.")
            await send({"type": f"lifespan.{kind}.complete"})
            if kind == "shutdown":
                return
    path = scope["path"]
    if path.startswith("/download"):
        await download(path, scope, send)
    elif path == "/upload":
        await upload(receive, send)
    elif path == "/early":
        await answer(send, b"too large", 413)
    else:
        raw = scope.get("raw_path") or scope["path"].encode()
        await answer(send, raw if path.startswith("/path") or "/.." in path else b'{"hello": "world"}')


async def answer(send: Any, body: bytes, status: int = 200) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def upload(receive: Any, send: Any) -> None:
    total, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        total += len(message.get("body", b""))
        more = message.get("more_body", False)
    await answer(send, str(total).encode())


async def download(path: str, scope: Any, send: Any) -> None:
    """/download/N: N bytes made by the app; /download-file/N: the first N bytes of a file, by the server if it can."""
    size = int(path.rpartition("/")[2])
    headers = [(b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if path.startswith("/download-file") and "http.response.zerocopysend" in scope.get("extensions", {}):
        with open(BIG, "rb") as file:
            await send({"type": "http.response.zerocopysend", "file": file, "offset": 0, "count": size})
        return
    if path.startswith("/download-file") and "http.response.pathsend" in scope.get("extensions", {}):
        await send({"type": "http.response.pathsend", "path": BIG})
        return
    if path.startswith("/download-file"):
        await read_in_threads(size, send)
        return
    left = size
    while left:
        piece = PIECE[:left]
        left -= len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": left > 0})


async def read_in_threads(size: int, send: Any) -> None:
    with open(BIG, "rb", buffering=0) as file:
        at = 0
        while at < size:
            piece = await asyncio.to_thread(os.pread, file.fileno(), min(262_144, size - at), at)
            at += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": at < size})
