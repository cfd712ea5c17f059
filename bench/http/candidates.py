"""`python candidates.py NAME`: serve app.py by one of the servers compared; prints the port, then serves until killed."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import uvloop
from app import app


def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def uvicorn_server(**options: Any) -> None:
    import uvicorn

    options = {"access_log": False, "log_level": "error", "lifespan": "off", "loop": "uvloop"} | options
    uvicorn.run("app:app", port=announced(), **options)


def announced() -> int:
    free = port()
    print(free, flush=True)
    return free


def uvicorn_subclass() -> Any:
    """The shape the architecture proposed: gate the head by size before the parser, send files past the transport."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

    class Cycle(RequestResponseCycle):
        async def send(self, message: Any) -> None:
            if message["type"] != "http.response.zerocopysend":
                await super().send(message)
                return
            loop, at, left = asyncio.get_running_loop(), message["offset"], message["count"]
            sock = os.dup(self.transport.get_extra_info("socket").fileno())
            try:
                while left:
                    try:
                        sent = await loop.run_in_executor(None, os.sendfile, sock, message["file"].fileno(), at, left)
                        at, left = at + sent, left - sent
                    except BlockingIOError:
                        ready = loop.create_future()
                        loop.add_writer(sock, lambda ready=ready: ready.done() or ready.set_result(None))
                        await ready
                        loop.remove_writer(sock)
            finally:
                os.close(sock)
            self.expected_content_length = 0
            await super().send({"type": "http.response.body"})

    class Gated(HttpToolsProtocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.head: bytes | None = b""

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["extensions"] = {"http.response.zerocopysend": {}}

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self.head = b""

        def data_received(self, data: bytes) -> None:
            if self.head is not None:
                self.head += data
                end = self.head.find(b"\r\n\r\n")
                if end > 65_536 or (end < 0 and len(self.head) > 65_536):
                    self.send_400_response("too large")
                    return
                if end < 0:
                    return
                if re.search(rb"\r(?!\n)|(?<!\r)\n", self.head[:end]):
                    self.send_400_response("malformed")
                    return
                data, self.head = self.head, None
            super().data_received(data)

    import uvicorn.protocols.http.httptools_impl as module

    module.RequestResponseCycle = Cycle  # type: ignore[misc]
    return Gated


def granian_server() -> None:
    from granian import Granian
    from granian.constants import Interfaces, Loops

    Granian("app:app", port=announced(), interface=Interfaces.ASGI, loop=Loops.uvloop, log_enabled=False).serve()


async def ours() -> None:
    from pileus.kernel.config import Http
    from pileus.kernel.http.server import Listener, Server

    [address] = await Server(app, Http(), [Listener()]).start()
    print(address[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)
    name = sys.argv[1]
    if name == "uvicorn":
        uvicorn_server(http="httptools")
    elif name == "uvicorn-subclass":
        uvicorn_server(http=uvicorn_subclass())
    elif name == "granian":
        granian_server()
    elif name == "ours":
        uvloop.run(ours())
    elif name == "ours-asyncio":
        asyncio.run(ours())
    else:
        raise SystemExit(f"no candidate {name}")
