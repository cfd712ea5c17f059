"""A server in a process of its own, so that its memory is its own, and a client that knows no manners."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HOST = b" HTTP/1.1\r\nHost: victim\r\n"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Peer:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sent: int = 0
    early: asyncio.Task[Reply] | None = None  # a response that came, or will come, while we still send

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)

    async def pour(self, data: bytes, total: int) -> None:
        """Send `total` bytes made of repetitions of `data`, or what the server takes before it answers or hangs up."""
        early = self.early = self.early or asyncio.create_task(self._next_reply())
        try:
            while self.sent < total and not early.done():
                await self.send(data)
                await asyncio.sleep(0)  # `drain` alone does not let the reader look
        except ConnectionError:
            return

    async def reply(self) -> Reply:
        """The next response, whose length must be known."""
        early, self.early = self.early, None
        return await (early or self._next_reply())

    async def _next_reply(self) -> Reply:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = head.rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Reply(int(line.split()[1]), headers, body)

    async def drink(self) -> int:
        """Read to the end, keeping nothing; how many bytes there were."""
        total = 0
        while data := await self.reader.read(1 << 18):
            total += len(data)
        return total

    async def ended(self) -> bytes:
        """What came until the server closed the connection."""
        try:
            return await self.reader.read(1 << 20)
        except ConnectionError:
            return b""


@dataclass
class Victim:
    process: subprocess.Popen[bytes]
    port: int

    @asynccontextmanager
    async def peer(self, data: bytes = b"") -> AsyncIterator[Peer]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        peer = Peer(reader, writer)
        try:
            await peer.send(data)
            yield peer
        finally:
            if peer.early is not None:
                peer.early.cancel()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def get(self, path: str) -> Reply:
        async with self.peer(b"GET " + path.encode() + HOST + b"\r\n") as peer:
            return await peer.reply()

    async def vitals(self) -> dict[str, Any]:
        return (await self.get("/vitals")).json()

    async def is_well(self) -> bool:
        async with asyncio.timeout(5):
            return (await self.get("/hello")).json() == "hello"


@pytest.fixture
def start_victim(tmp_path: Path) -> Iterator[Callable[..., Victim]]:
    """Start a server with these options of `[http]`; 1 GiB of a sparse file stands behind /file."""
    file = tmp_path / "file"
    with file.open("wb") as handle:
        handle.truncate(1 << 30)
    started: list[subprocess.Popen[bytes]] = []

    def start(**http: float) -> Victim:
        script = Path(__file__).with_name("victim.py")
        command = [sys.executable, str(script), json.dumps(http)]
        environment = {**os.environ, "VICTIM_FILE": str(file)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        started.append(process)
        assert process.stdout is not None
        return Victim(process, int(process.stdout.readline()))

    yield start
    codes = []
    for process in started:
        process.terminate()
        codes.append(process.wait(20))
        assert process.stdout is not None
        process.stdout.close()
    assert codes == [0] * len(codes), "a server did not stop cleanly"


@pytest.fixture
def victim(start_victim: Callable[..., Victim]) -> Victim:
    return start_victim()
