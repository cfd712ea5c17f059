"""Consoles of guests."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from pileus.kernel.clock import SteppingClock
from support.cloud import RunningCloud
from support.computed import at
from support.served import SERVERS, made


async def websocket(cloud: RunningCloud, path: str, *sent: bytes) -> list[dict[str, Any]]:
    """What the cloud says on a socket there, until it has said something or has closed it."""
    url = urlsplit(path)
    scope = {"type": "websocket", "path": url.path, "raw_path": url.path.encode(), "query_string": url.query.encode()}
    scope |= {"headers": [(b"host", b"cloud.test")], "subprotocols": [], "client": ("127.0.0.1", 1), "scheme": "ws"}
    heard: list[dict[str, Any]] = []
    enough = asyncio.Event()
    told = [{"type": "websocket.connect"}, *({"type": "websocket.receive", "bytes": data} for data in sent)]

    async def receive() -> dict[str, Any]:
        if told:
            return told.pop(0)
        await enough.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        heard.append(message)
        if message["type"] != "websocket.accept":
            enough.set()

    await cloud.world.app(scope, receive, send)
    return heard


async def test_a_console_is_opened_by_its_token(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    path = f"/compute/v2.1/servers/{server.id}/remote-consoles"
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    answer = await member.post(path, json=body, headers=at("2.6"))
    assert answer.status_code == 200, answer.text
    url = urlsplit(answer.json()["remote_console"]["url"])
    assert url.path == "/compute/console/vnc_lite.html"
    (socket,) = parse_qs(url.query)["path"]
    heard = await websocket(cloud, f"/{socket}")
    assert heard[0]["type"] == "websocket.accept"
    assert heard[1]["bytes"].startswith(b"RFB")
    token = socket.partition("token=")[2]
    shown = await cloud.get(f"/compute/v2.1/os-console-auth-tokens/{token}", headers=at("2.99"))
    assert (shown.json()["console"]["instance_uuid"], shown.json()["console"]["tls_port"]) == (str(server.id), None)
    assert (await cloud.get(f"/compute/v2.1/os-console-auth-tokens/{token}x", headers=at("2.31"))).status_code == 404
    assert isinstance(cloud.world.clock, SteppingClock)
    cloud.world.clock.advance(601)
    assert (await websocket(cloud, f"/{socket}"))[0]["type"] != "websocket.accept"


async def test_old_actions_open_consoles_too(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    path = f"/compute/v2.1/servers/{server.id}/action"
    shown = (await member.post(path, json={"os-getVNCConsole": {"type": "novnc"}})).json()["console"]
    assert (shown["type"], shown["url"].startswith("http://cloud.test/compute/console/")) == ("novnc", True)
    serial = (await member.post(path, json={"os-getSerialConsole": {"type": "serial"}})).json()["console"]["url"]
    assert serial.startswith("ws://cloud.test/compute/console/socket?token=")
    heard = await websocket(cloud, serial.removeprefix("ws://cloud.test"))
    assert b"login:" in heard[1]["bytes"]
    assert (await member.post(path, json={"os-getSPICEConsole": {"type": "spice-html5"}})).status_code == 400
    assert (await member.post(path, json={"os-getVNCConsole": {"type": "odd"}})).status_code == 400
    assert (await member.post(path, json={"os-getVNCConsole": {"type": "novnc"}}, headers=at("2.6"))).status_code == 404


async def test_what_opens_nothing(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    await member.post(f"{SERVERS}/{server.id}/action", json={"os-stop": None})
    await cloud.settle()
    path = f"{SERVERS}/{server.id}/remote-consoles"
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    assert (await member.post(path, json=body, headers=at("2.6"))).status_code == 409
    mixed = {"remote_console": {"protocol": "serial", "type": "novnc"}}
    assert (await member.post(path, json=mixed, headers=at("2.6"))).status_code == 400
    for token in ("", "x", "ä", uuid4().hex):
        heard = await websocket(cloud, f"/compute/console/socket?token={token}")
        assert [message["type"] for message in heard] == ["websocket.close"], "who has no token hears nothing"
    assert (await cloud.get("/compute/console/../../etc/passwd")).status_code in {401, 404}
    assert (await cloud.get("/compute/console/none.html")).status_code == 404
