"""A request in a cloud that has faults: answered late, otherwise, slowly, or not to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from pileus.kernel.errors import ClientGone
from pileus.kernel.http import Route, Stream, idempotency
from pileus.kernel.http.answers import Rendered
from pileus.kernel.http.calls import Call, Message, Receive
from pileus.services.cloud.faults.rules import Wanted

PIECES_A_S = 10
Answered = Callable[[idempotency.Run], Awaitable[Rendered | Stream]]
OfRequest = Callable[[Route, str, str, str | None], Awaitable[Wanted | None]]
"""What a request of that route, method, path and project suffers from."""


class FaultyCall(Call):
    """Whoever may not ask, or asks for nothing that there is, is told so as ever: a fault meets what would be answered."""

    __slots__ = ("_left", "_of_request", "_suffers", "_wanted")

    def __init__(self, of_request: OfRequest, *given: Any) -> None:
        super().__init__(*given)
        self._of_request = of_request
        self._suffers = False
        self._wanted: Wanted | None = None
        self._left: int | None = None  # bytes of the body before it is cut

    def _once(self, route: Route, body: bytes) -> Answered:
        answered = super()._once(route, body)

        async def suffer(run: idempotency.Run) -> Rendered | Stream:
            if not self._suffers:  # once, however often the database undoes the request
                self._suffers = True
                await self._suffer(route)
            return await answered(run)

        return suffer

    async def _suffer(self, route: Route) -> None:
        path = route.prefix + self.path
        self._wanted = wanted = await self._of_request(route, self.method, path, self.caller.project_id)
        if wanted is None:
            return
        self._left = wanted.cut_bytes
        if wanted.bytes_per_s is not None:
            self.receive = slowed(self.receive, wanted.bytes_per_s)
        if wanted.delay_ms:
            await asyncio.sleep(wanted.delay_ms / 1000)
        if wanted.status is not None:
            raise wanted.error()

    async def _send(self, message: Message) -> None:
        if self._wanted is None or "status" in message:
            await super()._send(message)
            return
        rate = self._wanted.bytes_per_s
        for piece in pieces(message, max(1, rate // PIECES_A_S) if rate else size_of(message)):
            if rate:
                await asyncio.sleep(size_of(piece) / rate)
            await self._send_piece(piece)

    async def _send_piece(self, piece: Message) -> None:
        if self._left is None:
            await super()._send(piece)
        elif size_of(piece) < self._left:
            self._left -= size_of(piece)
            await super()._send(piece)
        else:
            await super()._send({**next(pieces(piece, self._left)), "more_body": True})
            raise ClientGone("a fault has cut the answer")


def size_of(message: Message) -> int:
    return int(message.get("count", len(message.get("body", b""))))


def pieces(message: Message, size: int) -> Iterator[Message]:
    """The message in messages of that many bytes; at least one."""
    whole, size = size_of(message), max(size, 0)
    more = bool(message.get("more_body", False))
    for at in range(0, whole or 1, size or whole or 1):
        piece = {**message, "more_body": more or (0 < at + size < whole)}
        if "count" in message:
            piece |= {"offset": message.get("offset", 0) + at, "count": min(size, whole - at)}
        else:
            piece |= {"body": message.get("body", b"")[at : at + size]}
        yield piece


def slowed(receive: Receive, bytes_per_s: int) -> Receive:
    async def slowly() -> Message:
        message = await receive()
        await asyncio.sleep(len(message.get("body", b"")) / bytes_per_s)
        return message

    return slowly
