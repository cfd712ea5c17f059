"""The control plane's end of what agents post: an ASGI app with a listener of its own.

GET  /agent/v1/ca         the authority's certificate: public, and checked by its fingerprint
POST /agent/v1/join       a join token and a signing request, for a certificate; the token is all that is asked for
GET, PUT /image/v2/transfers/TOKEN   bytes of images, for who has the token
POST /agent/v1/certify    a signing request of the host on this machine, for a certificate that other hosts believe
POST /agent/v1/lease      I live, this is what I observe       }
POST /agent/v1/changed    these jobs have ended                } by the certificate of a host,
POST /agent/v1/metadata   a guest of mine asks                 } never by the token of a user
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from starlette.requests import Request
from starlette.responses import Response

from pileus.agent import tls, wire
from pileus.engines.guests import Asked, tell_guest
from pileus.engines.hearing import tell
from pileus.engines.verbs import Change
from pileus.kernel import hosts, joins
from pileus.kernel.context import Ctx
from pileus.kernel.errors import (
    BadRequest,
    CloudError,
    MethodNotAllowed,
    NotFound,
    TryAgain,
    Unauthorized,
    Unavailable,
)
from pileus.kernel.hosts import Hosts
from pileus.kernel.http.exchange import App
from pileus.kernel.http.server import Listener, Server
from pileus.kernel.http.unix import bound_socket
from pileus.kernel.tls import Ca

logger = logging.getLogger("pileus.agents")

ChangedHook = Callable[[Ctx, list[Change]], Awaitable[None]]
Observed = Callable[[str, dict[str, Any]], Awaitable[None]]
ADDRESS_LENGTH = 300
TRANSFERS = "/image/v2/transfers/"


async def ignore(host: str, observed: dict[str, Any]) -> None:
    """What agents observe is of use to nobody yet."""


def contexts(authority: Ca) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For one control process: how it listens to agents, and how it connects to them (`client.Agents`)."""
    chain = joins.control_chain(authority, tls.CONTROL_NAME)
    return tls.server_context(chain, authority.pem, strangers=True), tls.client_context(chain, authority.pem)


class AgentsListener(NamedTuple):
    """A control process's two ends of its agents: `server` takes their posts at `address`; `context` reaches them."""

    server: Server
    address: str
    context: ssl.SSLContext


async def listen(
    ctx: Ctx, hosts: Hosts, host: str, port: int, *, api: App | None = None, **hooks: Any
) -> AgentsListener:
    """Take the posts of agents from now on, until `server.stop()`. `hooks` are ControlApp's. Raises OSError."""
    authority = await joins.open_authority(ctx)
    listens, context = contexts(authority)
    app = with_transfers(ControlApp(ctx, hosts, authority, **hooks), api)
    server = Server(app, ctx.world.config.http, [Listener(host=host, port=port, tls=listens)])
    ((_, port, *_),) = await server.start()
    return AgentsListener(server, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", context)


async def listen_to_local(
    ctx: Ctx, hosts: Hosts, path: Path, name: str, *, agent: int, api: App | None = None, **hooks: Any
) -> Server:
    """Take the posts of the agent of this machine at a Unix socket, until `stop()`. `agent` is its uid. Raises OSError."""
    app = with_transfers(ControlApp(ctx, hosts, await joins.open_authority(ctx), local=name, **hooks), api)
    listener = Listener(sock=bound_socket(path), peers=frozenset({agent}))
    server = Server(app, ctx.world.config.http, [listener])
    await server.start()
    return server


def with_transfers(app: App, api: App | None) -> App:
    """The app; and the API, for what hosts fetch and send by a token that is part of the path."""

    async def answer(scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        found = api if api is not None and scope.get("path", "").startswith(TRANSFERS) else app
        await found(scope, receive, send)

    return answer


class ControlApp:
    """Takes the posts of agents. `observed` is given what each engine of a host observed, at each renewal; `changed`
    the jobs that have ended, perhaps more than once.

    `local`: the host that speaks without a certificate, for a Unix socket that only its agent may open.
    """

    def __init__(
        self,
        ctx: Ctx,
        hosts: Hosts,
        authority: Ca,
        *,
        changed: ChangedHook = tell,
        observed: Observed = ignore,
        local: str | None = None,
    ) -> None:
        self._ctx, self._hosts, self._authority = ctx, hosts, authority
        self._told, self._observed, self._local = changed, observed, local
        self._posts = {
            "join": self._join,
            "certify": self._certify,
            "lease": self._lease,
            "changed": self._changed,
            "metadata": self._metadata,
        }

    async def __call__(self, scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except TryAgain:
            response = wire.refusal(Unavailable("The database undid it: say it again."))
        except CloudError as e:
            response = wire.refusal(e)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        what = request.url.path.removeprefix("/agent/v1/")
        if what == "ca" and request.method == "GET":
            return Response(self._authority.pem, media_type="application/x-pem-file")
        post = self._posts.get(what)
        if post is None:
            raise NotFound("There is no such path for agents.")
        if request.method != "POST":
            raise MethodNotAllowed("Agents POST here.", headers={"Allow": "POST"})
        return await post(request)

    async def _join(self, request: Request) -> Response:
        body = wire.decode(await wire.read_body(request), wire.Join)
        address = checked_address(body.address)
        name, certificate = await joins.join(self._ctx, self._authority, body.secret, body.csr, address=address)
        logger.info("a host has joined", extra={"facts": {"host": name, "address": address}})
        return wire.answer(wire.Joined(host=name, certificate=certificate.decode()))

    async def _certify(self, request: Request) -> Response:
        if self._local is None:
            raise NotFound("A host on another machine joins by a token.")
        body = wire.decode(await wire.read_body(request), wire.Certify)
        certificate = joins.certify(self._authority, self._local, body.csr)
        return wire.answer(wire.Certified(ca=self._authority.pem.decode(), certificate=certificate.decode()))

    async def _lease(self, request: Request) -> Response:
        host = await self._host(request)
        body = wire.decode(await wire.read_body(request), wire.Lease)
        address = checked_address(body.address)
        await self._hosts.renew(
            self._ctx, host, address=address, facts={"versions": body.versions, "described": body.described}
        )
        await self._told(self._ctx, body.ended)
        await self._observed(host, body.observed)
        return wire.answer(wire.Leased(renew_s=self._hosts.renew_s))

    async def _changed(self, request: Request) -> Response:
        await self._host(request)
        body = wire.decode(await wire.read_body(request), wire.Changed)
        await self._told(self._ctx, body.changes)
        return wire.answer({})

    async def _metadata(self, request: Request) -> Response:
        host = await self._host(request)
        asked = wire.decode(await wire.read_body(request), Asked)
        return wire.answer(await tell_guest(self._ctx, host, asked))

    async def _host(self, request: Request) -> str:
        """Who posts. A certificate that was replaced by a newer one is nobody's."""
        if self._local is not None:
            return self._local
        der = tls.peer_certificate(request.scope)
        serial = None if der is None else joins.serial_of(x509.load_der_x509_certificate(der))
        host = None if serial is None else await hosts.by_serial(self._ctx, serial)
        if host is None:
            raise Unauthorized("Only a host that has joined may post here, with its newest certificate.")
        return host.name


def checked_address(text: str) -> str:
    """HOST:PORT or unix:PATH as an agent states it. Raises BadRequest."""
    host, _, port = text.rpartition(":")
    port_fits = host == "unix" or (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536)
    if len(text) > ADDRESS_LENGTH or not (text.isascii() and text.isprintable() and host and port_fits):
        raise BadRequest("The address of an agent is HOST:PORT.")
    return text
