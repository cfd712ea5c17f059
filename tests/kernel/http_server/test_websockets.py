"""Websockets, spoken to by another implementation."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from kernel.http_server.conftest import HOST, Serve, Served
from pileus.kernel.errors import ClientGone, Forbidden
from pileus.kernel.http.ws import TOO_BIG, Closed, WebSocket, same_host


def dial(served: Served, path: str = "/", **options: Any) -> connect:
    host, port = served.address[:2]
    return connect(f"ws://{host}:{port}{path}", proxy=None, **options)


class Echo:
    """Says everything back, and how it ended."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.scopes: list[Any] = []
        self.ended: asyncio.Queue[Any] = asyncio.Queue()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        socket = WebSocket(receive, send)
        try:
            await socket.accept(scope, subprotocols=("binary", "base64"), **self.options)
            async for message in socket:
                if message == "leave":
                    await socket.close(4000, "as you wish")
                else:
                    await socket.send(message)
            with pytest.raises(Closed) as closed:
                await socket.receive()
            with pytest.raises(Closed):
                await socket.send("too late")
            await socket.close()
            self.ended.put_nowait((socket.subprotocol, closed.value.code))
        except (Forbidden, ClientGone) as e:
            self.ended.put_nowait(e)


async def test_messages_go_both_ways(serve: Serve) -> None:
    app = Echo()
    served = await serve(app, prefix="/console")
    async with dial(served, "/a%2Fb?token=x", subprotocols=[Subprotocol("base64"), Subprotocol("binary")]) as client:
        await client.send("text")
        assert await client.recv() == "text"
        await client.send(b"\0\1")
        assert await client.recv() == b"\0\1"
        await client.send("")
        assert await client.recv() == ""
        assert client.subprotocol == "binary"
        assert served.server.connections == 1
    assert await app.ended.get() == ("binary", 1000)
    assert app.scopes[0]["raw_path"] == b"/console/a%2Fb"
    assert app.scopes[0]["query_string"] == b"token=x"


async def test_the_server_may_close(serve: Serve) -> None:
    app = Echo()
    served = await serve(app)
    async with dial(served) as client:
        await client.send("leave")
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert (client.close_code, client.close_reason) == (4000, "as you wish")
    assert await app.ended.get() == (None, 4000)


async def test_a_message_over_the_limit_closes(serve: Serve) -> None:
    app = Echo(max_bytes=10)
    served = await serve(app)
    async with dial(served) as client:
        await client.send("0123456789")
        assert await client.recv() == "0123456789"
        await client.send("0123456789é")
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == TOO_BIG
    assert await app.ended.get() == (None, TOO_BIG)


async def refused(client: ClientConnection | connect) -> int:
    with pytest.raises(InvalidStatus) as answer:
        await client
    return answer.value.response.status_code


async def test_pages_of_other_origins_are_refused(serve: Serve) -> None:
    app = Echo()
    served = await serve(app)
    assert await refused(dial(served, origin=Origin("https://evil.example"))) == 403
    assert isinstance(await app.ended.get(), Forbidden)
    host, port = served.address[:2]
    async with dial(served, origin=Origin(f"http://{host}:{port}")) as client:
        await client.send("hello")
        assert await client.recv() == "hello"


async def test_another_check_may_decide_about_origins(serve: Serve) -> None:
    served = await serve(Echo(origins=lambda origin, host: origin == "https://dashboard.example"))
    async with dial(served, origin=Origin("https://dashboard.example")) as client:
        await client.send("hello")
        assert await client.recv() == "hello"


def test_the_same_host() -> None:
    assert same_host("https://Cloud.example", "cloud.example")
    assert not same_host("https://cloud.example:444", "cloud.example")
    assert not same_host("null", "")


async def test_who_leaves_is_noticed_when_written_to() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        if message["type"] != "websocket.accept":
            raise OSError

    socket = WebSocket(receive, send)
    await socket.accept({"headers": []})
    await socket.close()  # nobody there: no error
    with pytest.raises(Closed):
        await socket.send(b"x")


async def test_who_left_before_is_noticed() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "websocket.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError

    with pytest.raises(Closed):
        await WebSocket(receive, send).accept({"headers": []})


async def test_the_end_of_the_server_is_told(serve: Serve) -> None:
    app = Echo()
    served = await serve(app)
    async with dial(served) as client:
        await client.send("hello")
        await client.recv()
        await served.server.stop(grace_s=5)
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1012
    assert (await app.ended.get())[1] == 1012


async def test_tokens_in_targets_are_not_logged(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    served = await serve(Echo())
    with caplog.at_level(logging.INFO):
        async with dial(served, "/?token=secret"):
            pass
    said = [r.getMessage() for r in caplog.records if r.name.startswith("uvicorn")]
    assert not any("secret" in message for message in said)


async def test_a_broken_handshake_is_refused(serve: Serve) -> None:
    served = await serve(Echo())
    said = await served.ask(b"GET /" + HOST + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 400")
