"""A TCP proxy before PostgreSQL that cuts the line at the worst moment: around COMMIT."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """`cut` is "before" when the next COMMIT shall not reach the server, "after" when its answer shall not come back.

    After that cut the proxy works as before, or refuses every line if `away_after_cut`.
    """

    url: str  # of the server, and the database
    port: int = 0
    cut: str = ""
    away_after_cut: bool = False
    away: bool = False

    @property
    def front(self) -> str:
        """The URL to connect to."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.username}@127.0.0.1:{self.port}{parts.path}"

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self.away:
            to_client.transport.abort()
            return
        parts = urlsplit(self.url)
        server, to_server = await asyncio.open_connection(parts.hostname, parts.port)
        answered = asyncio.Event()
        await first_of(self._there(client, to_server, answered), self._back(server, to_client, answered))
        for each in (to_client, to_server):
            each.transport.abort()

    async def _there(self, client: asyncio.StreamReader, server: asyncio.StreamWriter, cut: asyncio.Event) -> None:
        while (data := await client.read(2**16)) and not self.away:
            if self.cut and b"COMMIT;" in data:
                when, self.cut, self.away = self.cut, "", self.away_after_cut
                if when == "before":
                    return
                cut.set()
            server.write(data)

    async def _back(self, server: asyncio.StreamReader, client: asyncio.StreamWriter, cut: asyncio.Event) -> None:
        while data := await server.read(2**16):
            if cut.is_set():
                return
            client.write(data)


async def first_of(*each: Awaitable[None]) -> None:
    """Run all until one has ended."""
    tasks = [asyncio.ensure_future(one) for one in each]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """A proxy on a free port before the PostgreSQL at `url`."""
    line = Proxy(url)
    listener = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.port = listener.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        listener.close()
