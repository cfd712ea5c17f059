"""The bytes of a guest's console, whoever carries them: a socket of the host, an agent, a simulator."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from pileus.engines import rfb
from pileus.engines.hypervisor import Screen
from pileus.kernel.errors import Unavailable
from pileus.kernel.http.ws import Closed, WebSocket

PIECE_BYTES = 65_536
CONNECTS_WITHIN_S = 5.0
MOST_SAID = 16  # pieces that wait to be heard; a screen says fewer
SIMULATED, TEXT_MODE = "QEMU (simulated)", (720, 400)


class Console(Protocol):
    """An open console."""

    async def receive(self) -> bytes:
        """What the guest says next; empty when the console is closed."""
        ...

    async def send(self, data: bytes) -> None:
        """Say it to the guest; lost when the console is closed."""
        ...

    async def close(self) -> None:
        """It may be closed already."""
        ...


class SocketConsole:
    """A console behind a socket of this machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def receive(self) -> bytes:
        try:
            return await self._reader.read(PIECE_BYTES)
        except OSError:
            return b""

    async def send(self, data: bytes) -> None:
        with suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


async def connect(screen: Screen) -> Console:
    """Open what a hypervisor has named. Raises Unavailable."""
    try:
        async with asyncio.timeout(CONNECTS_WITHIN_S):
            if screen.path is not None:
                return SocketConsole(*await asyncio.open_unix_connection(screen.path))
            return SocketConsole(*await asyncio.open_connection(screen.host, screen.port))
    except (OSError, TimeoutError) as e:
        raise Unavailable(f"The console cannot be opened: {e or type(e).__name__}") from e


class SimConsole:
    """What a simulated guest has: a serial console that says what it was made with and what one types, a dark screen."""

    def __init__(self, kind: str, text: str) -> None:
        self._said: asyncio.Queue[bytes] = asyncio.Queue(MOST_SAID)
        self._screen: rfb.Peer | None = None
        if kind == "vnc":
            self._screen = rfb.Peer(rfb.handshake(self._said.put_nowait, SIMULATED, TEXT_MODE))
        else:
            self._said.put_nowait(text.encode() or b"\r\n")

    async def receive(self) -> bytes:
        return await self._said.get()

    async def send(self, data: bytes) -> None:
        if self._screen is None:
            if data:
                await self._said.put(data)  # who types on and does not listen waits
            return
        try:
            self._screen.hear(data)
        except rfb.Refused:
            await self.close()

    async def close(self) -> None:
        if self._said.full():
            self._said.get_nowait()  # nobody listens
        self._said.put_nowait(b"")


async def relay(socket: WebSocket, console: Console) -> None:
    """Carry bytes both ways until one of the two is closed; then both are."""
    ways = {asyncio.create_task(to_guest(socket, console)), asyncio.create_task(from_guest(socket, console))}
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
        await console.close()
        await socket.close()


async def to_guest(socket: WebSocket, console: Console) -> None:
    async for message in socket:
        await console.send(message.encode() if isinstance(message, str) else message)


async def from_guest(socket: WebSocket, console: Console) -> None:
    with suppress(Closed):
        while piece := await console.receive():
            await socket.send(piece)
