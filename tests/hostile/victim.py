"""`python victim.py '{"header_timeout_s": 1}'`: a server with a small app, to be ill-treated. Prints its port.

/hello            answers at once              /download/N   N bytes from an iterator
/read             reads the body, counts       /file/N       N bytes of a file (VICTIM_FILE)
/limited          takes a body of 1 MiB        /refuse       413 without a look at the body
/vitals           memory, the longest turn of the event loop (CPU seconds of its thread), connections
/calm             forgets the longest turn     /stuck        reads nothing and waits until the client is gone
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import uvloop
from starlette.requests import Request

from pileus.kernel.config import Http
from pileus.kernel.errors import CloudError
from pileus.kernel.http.answers import FilePart, Stream
from pileus.kernel.http.server import Listener, Server
from pileus.kernel.http.stream import receive_stream, send_stream

ZEROS = b"\0" * 65_536


class Victim:
    def __init__(self, http: Http) -> None:
        self.http = http
        self.server = Server(self, http, [Listener()])
        self.longest = 0.0
        self.stuck_until = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        _, name, *rest = scope["path"].split("/")
        request = Request(scope, receive)
        try:
            if name == "download":
                await send_stream(scope, send, Stream(zeros(int(rest[0])), size=int(rest[0])))
            elif name == "file":
                await send_stream(scope, send, Stream(FilePart(Path(os.environ["VICTIM_FILE"]), 0, int(rest[0]))))
            else:
                await say(send, 200, await getattr(self, name)(request))
        except CloudError as e:
            await say(send, e.status, e.message)

    async def hello(self, request: Request) -> str:
        return "hello"

    async def read(self, request: Request) -> int:
        return sum([len(piece) async for piece in receive_stream(request, 1 << 40, self.http.body_timeout_s)])

    async def limited(self, request: Request) -> int:
        return sum([len(piece) async for piece in receive_stream(request, 1 << 20, self.http.body_timeout_s)])

    async def stuck(self, request: Request) -> str:
        self.stuck_until = asyncio.Event()
        await self.stuck_until.wait()
        return "free"

    async def refuse(self, request: Request) -> None:
        raise type("Refused", (CloudError,), {"status": 413})("not that much")

    async def vitals(self, request: Request) -> dict[str, Any]:
        rss = psutil.Process().memory_info().rss
        return {"rss": rss, "turn_s": self.longest, "connections": self.server.connections}

    async def calm(self, request: Request) -> str:
        self.longest = 0.0
        self.stuck_until.set()
        return "calm"

    def watch(self, before: float) -> None:
        """How much CPU time passes between two chances to run: the part of a stall that is our own doing."""
        self.longest = max(self.longest, time.thread_time() - before)
        asyncio.get_running_loop().call_later(0.001, self.watch, time.thread_time())

    async def live(self) -> None:
        done = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
        self.watch(time.thread_time())
        [address] = await self.server.start()
        print(address[1], flush=True)
        await done.wait()
        await self.server.stop(grace_s=5)


async def zeros(count: int) -> AsyncIterator[bytes]:
    while count:
        piece = ZEROS[:count]
        count -= len(piece)
        yield piece


async def say(send: Any, status: int, body: object) -> None:
    data = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def main() -> None:
    await Victim(Http(**json.loads(sys.argv[1]))).live()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(main())
