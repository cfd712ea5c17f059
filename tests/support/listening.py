"""A cloud in this process that real clients reach by a socket, and whose clock moves when a test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pileus.kernel.http.server import Listener, Server
from support.cloud import RunningCloud, running_cloud
from support.postgres import free_port


@asynccontextmanager
async def listening_cloud(folder: Path) -> AsyncIterator[tuple[RunningCloud, str]]:
    """The cloud, on SQLite in that folder, and the URL at which it is asked."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with running_cloud(f"sqlite:///{folder}/pileus.sqlite", folder / "state", {"api.public_url": url}) as cloud:
        server = Server(cloud.world.app, cloud.world.config.http, [Listener(port=port)])
        await server.start()
        try:
            yield cloud, url
        finally:
            await server.stop(1.0)
