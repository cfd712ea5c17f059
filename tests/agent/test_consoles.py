"""Consoles of guests through an agent: behind a Unix socket and over TLS."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import websockets
from websockets.asyncio.client import connect

from agent.control_plane import ControlPlane, agent, identity
from engines.hypervisor_contract import guest
from pileus.agent.consoles import console
from pileus.agent.main import Options, RunningAgent
from pileus.engines.consoles import MOST_SAID, Console, SimConsole
from pileus.engines.hypervisor import Hypervisor, Power
from pileus.kernel.clock import SystemClock
from pileus.kernel.errors import Conflict, NotFound, Unavailable
from pileus.kernel.http.unix import bound_socket

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def short() -> Iterator[Path]:
    """A path that leaves room for the name of a socket."""
    with tempfile.TemporaryDirectory(prefix="p") as path:
        yield Path(path)


@asynccontextmanager
async def echo(path: Path) -> AsyncIterator[None]:
    """What stands for QEMU: it greets, gives everything back, and hangs up at `q`."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"login: ")
        while (data := await reader.read(100_000)) and data != b"q":
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(speak, sock=bound_socket(path))
    yield
    server.close()


async def running(engine: Hypervisor) -> UUID:
    domain = guest()
    await engine.ensure_defined(domain, fence=1)
    await engine.ensure_power(domain.id, Power.ON, fence=1)
    return domain.id


async def received(found: Console, size: int) -> bytes:
    back = b""
    while len(back) < size:
        back += await found.receive()
    return back


async def refused(opening: AbstractAsyncContextManager[Console], wrong: type[Exception]) -> None:
    with pytest.raises(wrong):
        async with opening:
            raise AssertionError("it was opened")


async def test_a_console_is_carried_both_ways_over_tls(plane: ControlPlane, short: Path) -> None:
    async with agent(plane, short, "one"):
        guest_id = await running(plane.world.engine("hypervisor", "one"))
        place = short / "one" / "sim" / "hypervisor" / "domains" / f"{guest_id}.serial"
        async with echo(place), plane.world.agents.console("one", guest_id, "serial") as found:
            assert await found.receive() == b"login: "
            for size in (1, 70_000):
                await found.send(b"x" * size)
                assert await received(found, size) == b"x" * size
            await found.send(b"q")
            assert await found.receive() == b""
            await found.send(b"lost")


async def test_a_console_that_there_is_not(plane: ControlPlane, short: Path) -> None:
    async with agent(plane, short, "one"):
        engine, agents = plane.world.engine("hypervisor", "one"), plane.world.agents
        guest_id = await running(engine)
        for asked, kind, wrong in ((uuid4(), "vnc", NotFound), (guest_id, "vnc", Unavailable)):
            await refused(agents.console("one", asked, kind), wrong)
        await engine.ensure_power(guest_id, Power.OFF, fence=2)
        await refused(agents.console("one", guest_id, "vnc"), Conflict)


async def test_only_the_control_plane_opens_consoles(plane: ControlPlane, short: Path) -> None:
    async with agent(plane, short, "one") as one:
        context = identity(short, "one").client_context()  # a host's, not the control plane's
        context.check_hostname = False
        with pytest.raises(websockets.InvalidStatus) as refused:
            await connect(f"wss://{one.address}/v1/consoles/{uuid4()}/vnc", ssl=context, proxy=None)
        assert refused.value.response.status_code == 403


async def test_consoles_behind_a_unix_socket(short: Path) -> None:
    listen = f"unix:{short}/a"
    options = Options(state=short / "one", control=f"unix:{short}/c", listen=listen, simulate=True)
    async with RunningAgent(options, SystemClock()) as one:
        guest_id = await running(one.rims["hypervisor"].engine)
        place = short / "one" / "sim" / "hypervisor" / "domains" / f"{guest_id}.vnc"
        async with echo(place), console("one", listen, None, guest_id, "vnc") as found:
            assert await found.receive() == b"login: "
    await refused(console("one", listen, None, guest_id, "vnc"), Unavailable)


async def test_a_simulated_guest_has_consoles() -> None:
    serial, vnc = SimConsole("serial", "it boots\n"), SimConsole("vnc", "it boots\n")
    assert await vnc.receive() == b"RFB 003.008\n"
    assert await serial.receive() == b"it boots\n"
    await serial.send(b"root")
    assert await serial.receive() == b"root"
    await serial.close()
    assert await serial.receive() == b""


async def test_who_types_and_does_not_listen_waits() -> None:
    """Else what is typed would be kept without end."""
    serial = SimConsole("serial", "it boots\n")
    typing = asyncio.create_task(typed(serial, MOST_SAID + 1))
    await asyncio.wait({typing}, timeout=0.05)
    assert not typing.done()
    assert [await serial.receive() for _ in range(2)] == [b"it boots\n", b"0"]
    await typing
    await serial.close()
    heard = [await serial.receive() for _ in range(MOST_SAID)]
    assert heard[-1] == b""


async def typed(serial: SimConsole, times: int) -> None:
    for n in range(times):
        await serial.send(b"%d" % n)
