"""Bytes of images on their way between a host and the control plane."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from agent.control_plane import ControlPlane
from pileus.agent import wire
from pileus.agent.control import TRANSFERS, listen_to_local
from pileus.agent.main import posts_to
from pileus.agent.transfers import HttpTransfers
from pileus.kernel.errors import BadRequest, NotFound, Unavailable

pytestmark = pytest.mark.database("sqlite")


class Api:
    """What stands for the API: it keeps what is sent, and answers by the last word of the path."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def __call__(self, scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        request = Request(scope, receive)
        word = request.url.path.removeprefix(TRANSFERS)
        if request.method == "PUT":
            assert request.headers["content-type"] == "application/octet-stream"
            self.kept[word] = await request.body()
        status = int(word) if word.isdigit() else 200 if request.method == "GET" else 204
        await Response(self.kept.get(word, b""), status)(scope, receive, send)


@asynccontextmanager
async def transfers(plane: ControlPlane, home: Path, api: Any) -> AsyncIterator[HttpTransfers]:
    path = home / "control.sock"
    server = await listen_to_local(plane.ctx, plane.hosts, path, "local", agent=os.geteuid(), api=api)
    client, extensions = posts_to(f"unix:{path}", None)
    async with client:
        yield HttpTransfers(client, extensions)
    await server.stop(0.1)


async def pieces() -> AsyncIterator[bytes]:
    for n in range(3):
        yield bytes([n]) * 70_000


async def test_bytes_go_there_and_come_back(plane: ControlPlane, tmp_path: Path) -> None:
    async with transfers(plane, tmp_path, Api()) as host:
        await host.put(f"{TRANSFERS}token", pieces())
        async with host.get(f"{TRANSFERS}token") as found:
            assert b"".join([piece async for piece in found]) == b"".join([piece async for piece in pieces()])


@pytest.mark.parametrize(("status", "wrong"), [(404, NotFound), (403, NotFound), (503, Unavailable), (400, BadRequest)])
async def test_a_refusal_says_whether_it_may_pass(
    plane: ControlPlane, tmp_path: Path, status: int, wrong: type[Exception]
) -> None:
    api = Api()
    api.kept[str(status)] = b'{"error": "no", "message": "no"}'
    async with transfers(plane, tmp_path, api) as host:
        with pytest.raises(wrong):
            async with host.get(f"{TRANSFERS}{status}"):
                raise AssertionError("it was answered")


@pytest.mark.parametrize("path", ["http://elsewhere/x", "//elsewhere/x", "x", "", "/a b", "/a\r\nX: y", "/@elsewhere"])
async def test_a_path_leads_to_the_control_plane_alone(plane: ControlPlane, tmp_path: Path, path: str) -> None:
    async with transfers(plane, tmp_path, Api()) as host:
        with pytest.raises(NotFound, match="no path of the control plane"):
            await host.put(path, pieces())


async def test_the_api_answers_hosts_nothing_else(plane: ControlPlane, tmp_path: Path) -> None:
    async with transfers(plane, tmp_path, Api()) as host:
        with pytest.raises(NotFound):
            async with host.get("/identity/v3"):
                raise AssertionError("it was answered")


async def test_who_is_not_there_is_unavailable(tmp_path: Path) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(tmp_path / "nobody"))
    async with httpx.AsyncClient(transport=transport, base_url="http://control") as client:
        host = HttpTransfers(client, {})
        with pytest.raises(Unavailable):
            await host.put("/x", pieces())
