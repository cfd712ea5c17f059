"""The road on which guests go from host to host: who gets through, and to where."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from pileus.agent import certificates
from pileus.engines.hypervisor.libvirt.daemon import Libvirtd
from pileus.engines.hypervisor.libvirt.road import CHANNELS, DISKS, MEMORY, Road, Way, client_context
from pileus.kernel import tls

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real")]

HostNamed = Callable[[str], Road]


@pytest.fixture
def host(workshop: Path) -> HostNamed:
    """One of a cloud. Its libvirtd is only a place for sockets."""
    home = workshop / uuid4().hex[:8]
    authority = tls.ensure_ca(home / "ca").path.parent

    def made(name: str) -> Road:
        folder = partial(certificates.ensure, home / name, name, None, authority)
        return Road(Libvirtd(home / name / "l", home / name), name, certificates=folder)

    return made


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(100):
        writer.write(piece)
    writer.close()


@asynccontextmanager
async def awaited(to: Road, guest_id: UUID) -> AsyncIterator[Way]:
    """From h1, with a QEMU that says everything again."""
    way = await to.open(guest_id, "h1")
    async with await asyncio.start_unix_server(echo, to.folder(guest_id) / MEMORY):
        yield way
        await to.stop()


async def answer(path: Path, said: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(said)
    heard = await reader.read(100)
    writer.close()
    return heard


async def test_only_the_host_that_it_comes_from_gets_through(host: HostNamed) -> None:
    guest_id, there = uuid4(), host("h2")
    async with awaited(there, guest_id) as way:
        assert way.name == "h2"
        for name, heard in (("h1", b"memory"), ("h3", b"")):
            road = host(name)
            async with road.leading(guest_id, way):
                assert await answer(road.folder(guest_id) / MEMORY, b"memory") == heard
                assert await answer(road.folder(guest_id) / DISKS, b"disks") == b"", "nobody is there"
            assert not road.folder(guest_id).exists()


async def test_who_is_no_host_or_says_no_channel_is_left_outside(host: HostNamed) -> None:
    guest_id, there, here = uuid4(), host("h2"), host("h1")
    assert here.certificates is not None
    async with awaited(there, guest_id) as way:
        for word in (b"?", b"/", b"\xff"):
            assert word.decode("latin-1") not in CHANNELS
            context = client_context(here.certificates())
            reader, writer = await asyncio.open_connection(way.address, way.port, ssl=context, server_hostname="h2")
            writer.write(word + b"../../libvirt-sock")
            assert await reader.read(100) == b""
            writer.close()
        stranger = ssl.create_default_context()
        stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
        assert await heard_by(way, stranger) == b""


async def heard_by(way: Way, context: ssl.SSLContext) -> bytes:
    """Nothing, of who is let in no further than to say who he is."""
    reader, writer = await asyncio.open_connection(way.address, way.port, ssl=context)
    try:
        writer.write(MEMORY.encode())
        return await reader.read(1)
    except (ssl.SSLError, ConnectionError):
        return b""
    finally:
        writer.close()


async def test_once_it_is_not_awaited_nobody_is_let_in(host: HostNamed) -> None:
    guest_id, there, here = uuid4(), host("h2"), host("h1")
    async with awaited(there, guest_id) as way:
        await there.close(guest_id)
        async with here.leading(guest_id, way):
            assert await answer(here.folder(guest_id) / MEMORY, b"memory") == b""
