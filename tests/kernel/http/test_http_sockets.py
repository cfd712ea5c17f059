"""Websockets: found, authenticated and admitted like any request."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import HTTPConnection

from pileus.kernel.context import Ctx
from pileus.kernel.http import App, Service, build_app
from pileus.kernel.http.ws import WebSocket
from support.http_demo import World, authenticate, client_of, spoken

pytestmark = pytest.mark.database("sqlite")
CONNECT = {"type": "websocket.connect"}
DENIAL = {"websocket.http.response": {}}


def consoles() -> Service:
    api = Service("compute", "/compute")

    @api.websocket("/console/{name}", rule="widgets:show")
    async def console(ctx: Ctx, name: str, socket: WebSocket, request: HTTPConnection) -> None:
        await socket.accept(request.scope)
        if name == "broken":
            raise ZeroDivisionError
        if name == "polite":
            await socket.close(4000)
        if name == "echo":
            async for message in socket:
                await socket.send(f"{ctx.caller.user_id} {message!r}")

    @api.websocket("/both", anonymous=True)
    async def both(ctx: Ctx, socket: WebSocket, request: HTTPConnection) -> None:
        await socket.accept(request.scope, origins=lambda origin, host: False)

    @api.get("/both", anonymous=True)
    async def plain(ctx: Ctx) -> dict[str, Any]:
        return {}

    return api


@pytest.fixture
def app(world: World) -> App:
    return build_app(world, [consoles()], authenticate)


def scope(path: str, *headers: tuple[bytes, bytes], token: bytes = b"reader", **more: Any) -> dict[str, Any]:
    asked = {"type": "websocket", "path": path, "query_string": b"", "scheme": "ws", "subprotocols": []}
    return {**asked, "headers": [(b"x-auth-token", token), *headers], "client": None, "server": ("h", 1), **more}


async def test_a_socket_is_the_handlers_until_it_ends(app: App) -> None:
    received = [CONNECT, {"type": "websocket.receive", "text": "hi"}, {"type": "websocket.disconnect", "code": 1000}]
    accepted, echoed = (await spoken(app, scope("/compute/console/echo"), received))[:2]
    assert accepted["type"] == "websocket.accept"
    assert echoed["text"] == "u2 'hi'"


@pytest.mark.parametrize(("name", "code"), [("short", 1000), ("broken", 1011), ("polite", 4000)])
async def test_a_socket_that_is_left_open_is_closed(app: App, name: str, code: int) -> None:
    sent = await spoken(app, scope(f"/compute/console/{name}"), [CONNECT])
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[-1]["code"] == code


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/compute/console/x", b"", 401),
        ("/compute/console/x", b"forged", 401),
        ("/compute/nothing", b"reader", 404),
        ("/elsewhere", b"reader", 404),
    ],
)
async def test_who_is_refused_gets_the_fault(app: App, path: str, token: bytes, status: int) -> None:
    start, body = await spoken(app, scope(path, token=token, extensions=DENIAL), [CONNECT])
    assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
    assert dict(start["headers"])[b"x-openstack-request-id"].startswith(b"req-")
    assert body["body"]
    [closed] = await spoken(app, scope(path, token=token), [CONNECT])
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


async def test_a_page_of_another_origin_is_refused(app: App) -> None:
    [closed] = await spoken(app, scope("/compute/both", (b"origin", b"https://evil.example")), [CONNECT])
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


async def test_a_client_that_left_is_not_spoken_to(app: App) -> None:
    assert await spoken(app, scope("/compute/console/x"), [{"type": "websocket.disconnect", "code": 1006}]) == []


async def test_a_socket_is_no_method_of_plain_requests(app: App) -> None:
    async with client_of(app) as client:
        assert (await client.get("/compute/both")).status_code == 200
        wrong = await client.request("WEBSOCKET", "/compute/both")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    missing = await spoken(app, scope("/compute/both/x"), [CONNECT])
    assert missing[0]["type"] == "websocket.close"
