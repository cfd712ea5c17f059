"""uvicorn's protocol, subclassed as far as is needed to compare: the head gated by size before the parser sees it, files
sent past the transport. Only for figures: pipelined heads and bodies are not bounded, errors not shaped."""

from __future__ import annotations

import asyncio
import os
import re
from typing import Any

from uvicorn.protocols.http import httptools_impl
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


httptools_impl.RequestResponseCycle = Cycle  # type: ignore[misc]
