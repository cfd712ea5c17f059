"""What the connections of one server share, and what is said in the app's stead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import formatdate

import msgspec
from uvicorn.server import ServerState

from pileus.kernel.config import Http
from pileus.kernel.errors import CloudError
from pileus.kernel.http.exchange import App, status_line
from pileus.kernel.ids import Ids


@dataclass(slots=True)
class Site:
    """What the connections of one server share."""

    app: App
    http: Http
    ids: Ids
    threads: ThreadPoolExecutor  # where files are read: a disk must not stop the loop
    websocket: Callable[[], asyncio.Protocol]  # a protocol that starts with the bytes of an upgrade request
    left: Callable[[], None]  # called when a connection has ended
    state: ServerState = field(default_factory=ServerState)  # connections and tasks, in the shape websockets want
    _date: tuple[int, bytes] = (0, b"")

    def date_line(self) -> bytes:
        now = int(time.time())
        if self._date[0] != now:
            self._date = now, f"date: {formatdate(now, usegmt=True)}\r\n".encode()
        return self._date[1]

    def refusal(self, error: CloudError) -> bytes:
        """The response to a request that does not reach the app."""
        content = {"code": error.status, "title": error.title, "message": error.message}
        body = msgspec.json.encode({"error": content})
        return b"".join(
            (
                status_line(error.status),
                self.date_line(),
                b"content-type: application/json\r\n",
                f"content-length: {len(body)}\r\nx-openstack-request-id: {self.ids.request()}\r\n".encode(),
                b"connection: close\r\n\r\n",
                body,
            )
        )
