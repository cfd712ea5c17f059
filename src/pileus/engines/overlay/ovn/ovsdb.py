"""The protocol of OVSDB servers (RFC 7047) over a Unix socket or TLS, as far as a writer needs it.

JSON-RPC 1.0, without anything between messages. The server asks now and then whether we live, by `echo`; a call of ours
that it leaves unanswered ends the session.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pileus.kernel.errors import Unavailable

READ_BYTES = 1 << 16
ANSWERS_WITHIN_S = 4.0
TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}"]', re.DOTALL)

Json = Any
Notified = Callable[[str, Sequence[Json]], None]


@dataclass(frozen=True)
class Tls:
    """PEM files. Both ends are of the cloud, and name no address: who has a certificate of it may speak."""

    key: Path
    certificate: Path
    authority: Path

    @property
    def words(self) -> tuple[str, ...]:
        """For programs of OVS and OVN."""
        return (f"--private-key={self.key}", f"--certificate={self.certificate}", f"--ca-cert={self.authority}")

    def context(self) -> ssl.SSLContext:
        """For us. Raises OSError, ssl.SSLError."""
        made = ssl.create_default_context(cafile=self.authority)
        made.check_hostname = False
        made.load_cert_chain(self.certificate, self.key)
        return made


@dataclass(frozen=True)
class Remote:
    """A server on another machine."""

    address: str
    port: int
    tls: Tls

    def __str__(self) -> str:
        return f"ssl:{self.address}:{self.port}"


class OvsdbError(Exception):
    """The server refused, and why."""


class Messages:
    """Cuts a stream into JSON objects. Each byte is looked at once, a string aside that is not whole yet."""

    def __init__(self) -> None:
        self._data = b""
        self._seen = self._depth = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole by now."""
        self._data += data
        whole, begin = [], 0
        for token in TOKEN.finditer(self._data, self._seen):
            if token[0] == b'"':  # its end is still to come
                self._seen = token.start()
                break
            self._seen = token.end()
            self._depth += {b"{": 1, b"}": -1}.get(token[0], 0)
            if token[0] == b"}" and self._depth == 0:
                whole.append(self._data[begin : self._seen])
                begin = self._seen
        self._data = self._data[begin:]
        self._seen -= begin
        return whole


class Connection:
    """One session. `notified` hears of updates and locks, in the order of the server, before the answer that follows."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, notified: Notified) -> None:
        self._reader, self._writer, self._notified = reader, writer, notified
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._reading = asyncio.create_task(self._read(), name="ovsdb")

    @classmethod
    async def open(cls, server: Path | Remote, notified: Notified = lambda method, params: None) -> Connection:
        """Raises Unavailable."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                if isinstance(server, Path):
                    reader, writer = await asyncio.open_unix_connection(server)
                else:
                    context = await asyncio.to_thread(server.tls.context)
                    reader, writer = await asyncio.open_connection(server.address, server.port, ssl=context)
        except (OSError, TimeoutError) as e:
            raise Unavailable(f"The OVSDB server at {server} does not answer: {e or type(e).__name__}") from e
        return cls(reader, writer, notified)

    async def call(self, method: str, *params: Json) -> Json:
        """The result. Raises OvsdbError when the server refuses, Unavailable when it is gone or silent."""
        if self._reading.done():
            raise Unavailable("The OVSDB server has closed the connection.")
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send({"method": method, "params": params, "id": number})
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                return await answer
        except TimeoutError as e:
            self._writer.transport.abort()
            raise Unavailable(f"The OVSDB server does not answer {method}.") from e
        finally:
            del self._waiting[number]

    async def transact(self, database: str, operations: Sequence[Mapping[str, Json]]) -> list[Json]:
        """The result of each operation; all of them happen or none. Raises OvsdbError, Unavailable."""
        results = await self.call("transact", database, *operations)
        for result in results:
            if result is not None and "error" in result:
                raise OvsdbError(f"{result['error']}: {result.get('details', '')}")
        return list(results)

    async def closed(self) -> None:
        """Return when the session has ended, whoever ended it."""
        await asyncio.wait({self._reading})

    async def close(self) -> None:
        self._reading.cancel()
        await self.closed()

    def _send(self, message: Json) -> None:
        self._writer.write(msgspec.json.encode(message))

    async def _read(self) -> None:
        messages = Messages()
        try:
            while data := await self._reader.read(READ_BYTES):
                for message in messages.feed(data):
                    self._take(msgspec.json.decode(message))
        except ConnectionError:
            return
        finally:
            self._writer.transport.abort()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(Unavailable("The OVSDB server has closed the connection."))

    def _take(self, message: Json) -> None:
        if "method" not in message:
            self._answered(message)
        elif message["method"] == "echo":
            self._send({"result": message["params"], "error": None, "id": message["id"]})
        else:
            self._notified(message["method"], message["params"])

    def _answered(self, message: Json) -> None:
        answer = self._waiting.get(message["id"])
        if answer is None or answer.done():
            return
        if message["error"] is None:
            answer.set_result(message["result"])
        else:
            answer.set_exception(OvsdbError(str(message["error"])))
