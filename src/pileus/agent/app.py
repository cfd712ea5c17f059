"""The ASGI app of a host's agent: its engines, each by its protocol.

    GET /v1/engines                              {kind: protocol version}
    GET /v1/engines/{kind}/{question}            what is; the body holds the arguments, if there are any
    PUT /v1/engines/{kind}/{verb}/{subject}      say an end state; the body holds the arguments, the fence among them
    GET /v1/consoles/{guest}/{kind}              a websocket: see `consoles`

Whoever asks must be the control plane, by its certificate. Behind a Unix socket whoever may open the file is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pileus.agent import tls, wire
from pileus.agent.consoles import MESSAGE_BYTES, refuse
from pileus.engines.consoles import Console, connect, relay
from pileus.engines.rim import Rim
from pileus.engines.verbs import StaleFence
from pileus.kernel.errors import BadRequest, CloudError, Forbidden, MethodNotAllowed, NotAcceptable, NotFound
from pileus.kernel.http.ws import WebSocket
from pileus.kernel.tls import peer_name

logger = logging.getLogger("pileus.agent")


class AgentApp:
    """Serves the engines of one host. `trusted`: no certificate is asked for (a Unix socket)."""

    def __init__(self, rims: Mapping[str, Rim[Any]], *, trusted: bool = False) -> None:
        self._rims = rims
        self._trusted = trusted

    async def __call__(self, scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        if scope["type"] == "websocket":
            await self._relay(scope, receive, send)
            return
        response = await self._respond(Request(scope, receive), scope)
        await response(scope, receive, send)

    async def _relay(self, scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        """A console of a guest, as a websocket."""
        try:
            if not self._trusted:
                self._require_control(scope)
            console = await self._console([unquote(part) for part in scope["path"].strip("/").split("/")])
        except CloudError as e:
            await refuse(receive, send, e)
            return
        socket = WebSocket(receive, send)
        try:
            await socket.accept(scope, max_bytes=MESSAGE_BYTES)
            await relay(socket, console)
        finally:
            await console.close()

    async def _console(self, parts: list[str]) -> Console:
        match parts:
            case ["v1", "consoles", guest, kind] if "hypervisor" in self._rims:
                with suppress(ValueError):
                    return await connect(await self._rims["hypervisor"].engine.screen(UUID(guest), kind))
        raise NotFound("The agent has no such path.")

    async def _respond(self, request: Request, scope: wire.Scope) -> Response:
        try:
            if not self._trusted:
                self._require_control(scope)
            return await self._route(request)
        except StaleFence as e:
            return wire.answer(wire.Error(error=wire.STALE_FENCE, message=e.message), 409)
        except CloudError as e:
            return wire.refusal(e)
        except Exception as e:
            logger.exception("an engine failed")
            return wire.refusal(CloudError(f"{type(e).__name__}: {e}"))

    def _require_control(self, scope: wire.Scope) -> None:
        certificate = tls.peer_certificate(scope)
        if certificate is None or peer_name(certificate) != tls.CONTROL_NAME:
            raise Forbidden("Only the control plane may command an agent.")

    async def _route(self, request: Request) -> Response:
        # the path as it was sent: a subject may hold any sign, a slash too
        parts = [unquote(part) for part in request.scope["raw_path"].decode("ascii").strip("/").split("/")]
        match parts:
            case ["v1", "engines"]:
                return wire.answer({kind: rim.version for kind, rim in self._rims.items()})
            case ["v1", "engines", kind, verb, *subject] if kind in self._rims and len(subject) < 2:
                return await self._say(request, self._rims[kind], verb, subject)
        raise NotFound("The agent has no such path.")

    async def _say(self, request: Request, rim: Rim[Any], name: str, subject: list[str]) -> Response:
        verb = rim.verbs.get(name)
        if verb is None or verb.writes != bool(subject):
            raise NotFound(f"The {rim.kind} engine has no verb {name} of this form.")
        if request.method != ("PUT" if verb.writes else "GET"):
            raise MethodNotAllowed("PUT says an end state, GET observes.")
        check_version(rim, request.headers.get(wire.VERSION_HEADER, ""))
        data = await wire.read_body(request)
        try:
            body = verb.decode(data or b"{}")
        except msgspec.DecodeError as e:
            raise BadRequest(f"The arguments of {name} cannot be read: {e}") from e
        if verb.writes and verb.subject(body) != subject[0]:
            raise BadRequest(f"The path names {subject[0]}, the arguments {verb.subject(body)}.")
        return wire.answer(await rim.say(verb, body))


def check_version(rim: Rim[Any], asked: str) -> None:
    """A caller of our version or an older one is served. Raises NotAcceptable."""
    if not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= rim.version):
        raise NotAcceptable(
            f"This agent speaks version {rim.version} of the {rim.kind} protocol, not {asked!r}; update it."
        )
