"""The road from host to host on which guests go: one port, while one is awaited, for the host that it comes from alone.

libvirt and QEMU know sockets of their own machine only, in a folder of the guest's that has one path in the rooms of every
libvirtd (`daemon.ROOMS`). What is said to one of them here is carried over, under the certificates of the cloud, to the socket
of the same name there.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import msgspec

from pileus.engines.hypervisor.libvirt.daemon import Libvirtd, qemu_user
from pileus.kernel.tls import peer_name

CONTROL, MEMORY, DISKS = "c", "m", "d"
CHANNELS = (CONTROL, MEMORY, DISKS)
INSIDE = "/run/libvirt/go"
PIECE_BYTES = 1 << 18
GREETS_WITHIN_S = 10.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Way(msgspec.Struct, frozen=True):
    """Where a guest is awaited. `name`: what the host's certificate says; None: in the clear, for tests."""

    address: str
    port: int
    name: str | None = None


@dataclass
class Road:
    """The ends of the ways that lead to this host and from it. `certificates` raises Unavailable while there are none."""

    daemon: Libvirtd
    name: str = ""
    address: str = "127.0.0.1"
    certificates: Callable[[], Path] | None = None
    _ends: dict[UUID, asyncio.Server] = field(default_factory=dict)
    _carried: set[asyncio.Task[None]] = field(default_factory=set)

    def folder(self, guest_id: UUID) -> Path:
        return self.daemon.home / "run" / "go" / str(guest_id)

    def furnish(self, guest_id: UUID) -> Path:
        """The folder is there, empty, and QEMU may make sockets in it."""
        folder = self.folder(guest_id)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        folder.parent.chmod(0o711)
        folder.chmod(0o700)
        shutil.chown(folder, qemu_user().pw_uid)
        return folder

    async def open(self, guest_id: UUID, source: str) -> Way:
        """From now on that host may come, for this guest."""
        await self.close(guest_id)
        folder = self.furnish(guest_id)

        async def came(*streams: *Streams) -> None:
            await self._carry(self._received(folder, source, streams))

        context = None if self.certificates is None else server_context(self.certificates())
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET  # one port, so one family
        server = await asyncio.start_server(came, sock=socket.create_server(("", 0), family=family), ssl=context)
        self._ends[guest_id] = server
        return Way(self.address, server.sockets[0].getsockname()[1], None if context is None else self.name)

    async def close(self, guest_id: UUID) -> None:
        """Nobody comes any more. Who is under way goes on."""
        server = self._ends.pop(guest_id, None)
        if server is not None:
            server.close()

    async def _received(self, folder: Path, source: str, streams: Streams) -> None:
        reader, writer = streams
        try:
            tls = writer.get_extra_info("ssl_object")
            if tls is not None and peer_name(tls.getpeercert(binary_form=True)) != source:
                return
            async with asyncio.timeout(GREETS_WITHIN_S):
                channel = (await reader.readexactly(1)).decode("ascii", "replace")
            if channel in CHANNELS:
                path = self.daemon.socket if channel == CONTROL else folder / channel
                await joined(streams, await asyncio.open_unix_connection(path))
        finally:
            writer.close()

    @asynccontextmanager
    async def leading(self, guest_id: UUID, way: Way) -> AsyncIterator[None]:
        """Inside the block the sockets of this guest lead there."""
        folder = self.furnish(guest_id)
        context = None if way.name is None or self.certificates is None else client_context(self.certificates())

        async def there(channel: str) -> Streams:
            reader, writer = await asyncio.open_connection(
                way.address, way.port, ssl=context, server_hostname=way.name if context else None
            )
            writer.write(channel.encode())
            return reader, writer

        def goes(channel: str) -> Callable[..., Awaitable[None]]:
            async def came(*streams: *Streams) -> None:
                await self._carry(sent(streams, there(channel)))

            return came

        servers = []
        try:
            for channel in CHANNELS:
                servers.append(await asyncio.start_unix_server(goes(channel), folder / channel))
                shutil.chown(folder / channel, qemu_user().pw_uid)
            yield
        finally:
            for server in servers:
                server.close()
            shutil.rmtree(folder, ignore_errors=True)

    async def _carry(self, work: Awaitable[None]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carried.add(task)
        try:
            with suppress(OSError, TimeoutError, EOFError, ssl.SSLError):
                await work
        finally:
            self._carried.discard(task)

    async def stop(self) -> None:
        """Nobody comes or goes any more."""
        for guest_id in list(self._ends):
            await self.close(guest_id)
        for task in self._carried:
            task.cancel()


async def sent(here: Streams, opening: Awaitable[Streams]) -> None:
    try:
        await joined(here, await opening)
    finally:
        here[1].close()


async def joined(one: Streams, other: Streams) -> None:
    """Bytes go both ways until one of the two has nothing more to say."""
    ways = {asyncio.create_task(poured(one[0], other[1])), asyncio.create_task(poured(other[0], one[1]))}
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for _, writer in (one, other):
            writer.close()


async def poured(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
    await writer.drain()


def server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return armed(context, folder, "server")


def client_context(folder: Path) -> ssl.SSLContext:
    return armed(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), folder, "client")


def armed(context: ssl.SSLContext, folder: Path, end: str) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(folder / "ca-cert.pem")
    context.load_cert_chain(folder / f"{end}-cert.pem", folder / f"{end}-key.pem")
    return context
