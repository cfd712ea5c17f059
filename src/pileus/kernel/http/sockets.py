"""A request that asks for a websocket: found, authenticated and admitted like any other, then the handler's."""

from __future__ import annotations

from contextlib import suppress

from pileus.kernel.http.answers import Rendered, Stream
from pileus.kernel.http.calls import Call, Message
from pileus.kernel.http.ws import FAILED, NORMAL, POLICY

SWITCHING = 101


class SocketCall(Call):
    """Its status in the log is 101, or that of the refusal."""

    __slots__ = ("_closed",)
    _closed: bool

    async def _send(self, message: Message) -> None:
        if message["type"] == "websocket.accept":
            self.status = SWITCHING
        self._closed = message["type"] == "websocket.close"
        if self._closed:
            self.status = self.status or 403
        self.sent += len(message.get("bytes") or message.get("text") or "")
        await self._to_client(message)

    async def _say(self, answer: Rendered | Stream) -> None:
        """Refuse what was not accepted, close what was left open."""
        if not self.status and isinstance(answer, Rendered):
            await self._refuse(answer)
        elif self.status == SWITCHING and not self._closed:
            with suppress(OSError):
                await self._to_client({"type": "websocket.close", "code": FAILED if self.failure else NORMAL})

    async def _refuse(self, answer: Rendered) -> None:
        self.status = answer.status
        if "websocket.http.response" not in (self.scope.get("extensions") or {}):
            await self._to_client({"type": "websocket.close", "code": POLICY})
            return
        headers = [*answer.headers, *self._own_headers()]
        start = {"type": "websocket.http.response.start", "status": answer.status, "headers": headers}
        await self._to_client(start)
        await self._to_client({"type": "websocket.http.response.body", "body": answer.body})
