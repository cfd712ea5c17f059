"""Remote consoles: who may open one, where noVNC is, and the socket to the guest."""

from __future__ import annotations

import asyncio
import mimetypes
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit
from uuid import UUID

import msgspec
from starlette.requests import HTTPConnection

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http import Body, FilePart, Here, Stream
from pileus.kernel.http.ws import POLICY, WebSocket
from pileus.services.compute.http import api
from pileus.services.compute.servers import consoles, service

ACTION = "/v2.1/servers/{server_id}/action"
RULE = "os_compute_api:os-remote-consoles"
NOVNC = Path("/usr/share/novnc")
PAGE = "vnc_lite.html"
PROTOCOLS = {"novnc": "vnc", "xvpvnc": "vnc", "serial": "serial", "spice-html5": "spice", "rdp-html5": "rdp"}
SINCE = {"mks": "2.8", "webmks": "2.8", "spice-direct": "2.99"}


class VncConsole(Body, frozen=True):
    type: Literal["novnc", "xvpvnc"]


class SerialConsole(Body, frozen=True):
    type: Literal["serial"]


class SpiceConsole(Body, frozen=True):
    type: Literal["spice-html5"]


class RemoteConsole(Body, frozen=True):
    protocol: Literal["vnc", "spice", "serial", "rdp", "mks"]
    type: Literal["novnc", "xvpvnc", "spice-html5", "serial", "rdp-html5", "webmks", "spice-direct"]


class Opening(msgspec.Struct, frozen=True):
    token: str = ""


async def opened(ctx: Ctx, server_id: UUID, kind: str, here: Here) -> str:
    """The URL of a new console."""
    token = await consoles.issue(ctx, await service.get(ctx, server_id), kind)
    root = urlsplit(here.base)
    socket = f"{root.path.strip('/')}/console/socket?token={token}".lstrip("/")
    if kind == "serial":
        return f"{'wss' if root.scheme == 'https' else 'ws'}://{root.netloc}/{socket}"
    return f"{here.base}/console/{PAGE}?path={quote(socket, safe='')}"


@api.action(ACTION, "os-getVNCConsole", rule=RULE, until="2.5", status=200, atomic=False)
async def get_vnc_console(ctx: Ctx, server_id: UUID, body: VncConsole, here: Here) -> dict[str, Any]:
    return {"console": {"type": body.type, "url": await opened(ctx, server_id, body.type, here)}}


@api.action(ACTION, "os-getSPICEConsole", rule=RULE, until="2.5", status=200, atomic=False)
async def get_spice_console(ctx: Ctx, server_id: UUID, body: SpiceConsole, here: Here) -> dict[str, Any]:
    return {"console": {"type": body.type, "url": await opened(ctx, server_id, body.type, here)}}


@api.action(ACTION, "os-getSerialConsole", rule=RULE, until="2.5", status=200, atomic=False)
async def get_serial_console(ctx: Ctx, server_id: UUID, body: SerialConsole, here: Here) -> dict[str, Any]:
    return {"console": {"type": body.type, "url": await opened(ctx, server_id, body.type, here)}}


@api.post("/v2.1/servers/{server_id}/remote-consoles", rule=RULE, since="2.6", wrap="remote_console", atomic=False)
async def create_remote_console(ctx: Ctx, server_id: UUID, body: RemoteConsole, here: Here) -> dict[str, Any]:
    await service.get(ctx, server_id)
    for word in (body.protocol, body.type):
        if word in SINCE and not ctx.at(SINCE[word]):
            raise BadRequest(f"Invalid input for field/attribute remote_console. Value: {word}.")
    if PROTOCOLS.get(body.type, body.protocol) != body.protocol:
        raise BadRequest(f"A console of type {body.type} is not of the protocol {body.protocol}.")
    return {"protocol": body.protocol, "type": body.type, "url": await opened(ctx, server_id, body.type, here)}


@api.get(
    "/v2.1/os-console-auth-tokens/{console_token}",
    rule="os_compute_api:os-console-auth-tokens",
    wrap="console",
)
async def show_console_token(ctx: Ctx, console_token: str) -> dict[str, Any]:
    said = await consoles.read(ctx, console_token)
    if not ctx.at("2.31") and said.kind != "rdp":
        raise NotFound("Token not found")
    shown = {"instance_uuid": said.server_id, "host": said.host, "port": 0, "internal_access_path": None}
    return {**shown, "tls_port": None} if ctx.at("2.99") else shown


# what browsers fetch: no token of Identity is asked for, the console's own is


@api.websocket("/console/socket", anonymous=True)
async def carry_console(ctx: Ctx, query: Opening, request: HTTPConnection, socket: WebSocket) -> None:
    try:
        await consoles.read(ctx, query.token)
    except NotFound:
        await socket.close(POLICY)  # before it is there, and without a word: it would be taken for the guest's
        return
    await socket.accept(request.scope, subprotocols=("binary",))
    await consoles.carry(ctx, query.token, socket)


@api.get("/console/{file:path}", anonymous=True)
async def show_novnc(ctx: Ctx, file: str) -> Stream:
    """A file of noVNC, as the machine's package has it."""
    found = await asyncio.to_thread(novnc_file, file)
    kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
    return Stream(found, found.length, kind)


def novnc_file(name: str) -> FilePart:
    """Raises NotFound for what is not below noVNC's directory."""
    found = (NOVNC / name).resolve()
    if not found.is_relative_to(NOVNC) or not found.is_file():
        why = "" if NOVNC.is_dir() else " Install the package novnc on the machine that serves the API."
        raise NotFound(f"There is no {name[:80]} of noVNC here.{why}")
    return FilePart(found, 0, found.stat().st_size)
