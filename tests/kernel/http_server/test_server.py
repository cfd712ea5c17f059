"""Listening, room for connections, and the end."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import uvloop

from kernel.http_server.conftest import CLOSE, HOST, Serve, answer, echo
from pileus.kernel.config import Http
from pileus.kernel.http.deadline import Deadline
from pileus.kernel.http.server import Listener, Server


async def test_several_listeners_serve_one_app(tmp_path: Path) -> None:
    given = socket.socket(socket.AF_UNIX)
    given.bind(str(tmp_path / "socket"))
    listeners = [Listener(), Listener(host="::1", prefix="/image"), Listener(prefix="/unix", sock=given)]
    clients: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clients.append((scope["client"], scope["server"]))
        await echo(scope, receive, send)

    server = Server(app, Http(), listeners)
    first, second, third = await server.start()
    for address, path in ((first, b"/x"), (second, b"/image/x")):
        reader, writer = await asyncio.open_connection(*address[:2])
        writer.write(b"GET /x" + HOST + CLOSE)
        assert (await reader.read()).endswith(b"GET " + path + b" ")
        writer.close()
    reader, writer = await asyncio.open_unix_connection(third)
    writer.write(b"GET /x" + HOST + CLOSE)
    assert (await reader.read()).endswith(b"GET /unix/x ")
    writer.close()
    assert clients[0][0][0] == "127.0.0.1"
    assert clients[1][1] == ("::1", second[1])
    assert clients[2] == (None, None)
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*first)


async def test_a_taken_address_is_said_and_nothing_is_left_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = Server(echo, Http(), [Listener(), Listener(port=taken.getsockname()[1])])
        with pytest.raises(OSError, match="in use"):
            await server.start()
    await server.stop()


async def test_a_running_request_ends_before_the_server_does(serve: Serve) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await go.wait()
        await answer(send, b"done")

    served = await serve(app)
    async with served.peer() as (idle, _), served.peer(b"GET /" + HOST + b"\r\n") as (reader, _):
        await begun.wait()
        stopping = asyncio.create_task(served.server.stop(grace_s=5))
        assert await idle.read() == b""
        go.set()
        said = await reader.read()
        assert b"connection: close" in said
        assert said.endswith(b"done")
        await stopping
        assert served.server.connections == 0


async def test_a_request_that_does_not_end_is_broken_off(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    served = await serve(app)
    async with served.peer(b"GET /" + HOST + b"\r\n") as (reader, _):
        await begun.wait()
        with caplog.at_level(logging.WARNING):
            await served.server.stop(grace_s=0.05)
        assert cancelled.is_set()
        assert await reader.read() == b""


async def test_work_after_the_answer_is_waited_for(serve: Serve) -> None:
    answered, go, worked = asyncio.Event(), asyncio.Event(), []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"ok")
        answered.set()
        await go.wait()
        worked.append("so much")

    served = await serve(app)
    await served.ask(b"GET /" + HOST + CLOSE)
    stopping = asyncio.create_task(served.server.stop(grace_s=5))
    while served.server.connections:
        await asyncio.sleep(0)
    go.set()
    await stopping
    assert worked


async def test_a_request_that_was_answered_early_is_closed_at_the_end(serve: Serve) -> None:
    """The answer was sent while more of the body was to come; then the server stops."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"early")

    served = await serve(app)
    async with served.peer(b"PUT /" + HOST + b"Content-Length: 9\r\n\r\n") as (reader, writer):
        await reader.readuntil(b"early")
        stopping = asyncio.create_task(served.server.stop(grace_s=5))
        await asyncio.sleep(0)
        writer.write(b"123456789")
        assert await reader.read() == b""
        await stopping


async def test_a_handshake_that_is_under_way_does_not_hold_the_end(
    serve: Serve, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    served = await serve(echo, secure=contexts[0])
    async with served.peer():
        while not served.server.connections:
            await asyncio.sleep(0)
        await served.server.stop(grace_s=5)


async def test_one_accepted_in_the_last_moment_is_closed(serve: Serve) -> None:
    """Cancelled before its first step, nobody else would close the socket: a ResourceWarning is an error here."""
    served = await serve(echo)
    with socket.create_connection(served.address) as client:
        client.settimeout(5)
        while not served.server.connections:
            await asyncio.sleep(0)
        await served.server.stop(grace_s=5)
        assert client.recv(1) == b""


async def test_full_is_full(serve: Serve) -> None:
    served = await serve(echo, connections=16)
    held = [socket.create_connection(served.address) for _ in range(16)]
    while served.server.connections < 16:
        await asyncio.sleep(0)
    asking = asyncio.create_task(served.ask(b"GET /x" + HOST + CLOSE))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await asyncio.shield(asking)
    held.pop().close()
    assert (await asking).endswith(b"GET /x ")
    for each in held:
        each.close()


def free_descriptor() -> int | None:
    try:
        return os.dup(0)
    except OSError:
        return None


async def test_out_of_descriptors_is_a_pause_not_an_end(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    served = await serve(echo)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as client:
        client.setblocking(False)
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
        filling = []
        try:
            while (free := free_descriptor()) is not None:
                filling.append(free)
            await asyncio.get_running_loop().sock_connect(client, served.address)
            while "could not be accepted" not in caplog.text:
                await asyncio.sleep(0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for each in filling:
                os.close(each)
        client.setblocking(True)
        client.settimeout(5)
        await asyncio.to_thread(client.sendall, b"GET /x" + HOST + CLOSE)
        assert (await asyncio.to_thread(client.recv, 4096)).startswith(b"HTTP/1.1 200")


async def test_a_deadline_can_be_moved() -> None:
    loop = asyncio.get_running_loop()
    deadline, passed = Deadline(loop), asyncio.Event()
    deadline.set(60, passed.set)
    deadline.set(0.01, passed.set)  # earlier: a new timer
    deadline.set(0.02, passed.set)  # later: the timer finds out
    assert deadline.is_for(passed.set)
    await passed.wait()
    passed.clear()
    deadline.set(0.01, passed.set)
    deadline.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await passed.wait()
    deadline.end()
    deadline.set(60, passed.set)
    deadline.end()


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # uvloop drops what it accepts while cancelled
@pytest.mark.parametrize("rounds", range(8))
def test_a_connection_that_arrives_just_then_does_not_hold_up_the_end(rounds: int) -> None:
    """After so many rounds of the loop it is anything from not yet accepted to answered."""

    async def main() -> None:
        server = Server(echo, Http(), [Listener()])
        [address] = await server.start()
        with socket.create_connection(address[:2]) as client:
            client.sendall(b"GET /" + HOST + b"\r\n")
            for _ in range(rounds):
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                await server.stop(grace_s=0.1)
        assert server.connections == 0

    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())
