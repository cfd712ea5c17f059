"""The control plane's end of what agents post: an ASGI app with a listener of its own.

GET  /agent/v1/ca         the authority's certificate: public, and checked by its fingerprint
POST /agent/v1/join       a join token and a signing request, for a certificate; the token is all that is asked for
POST /agent/v1/lease      I live, this is what I observe       } by the certificate of a host,
POST /agent/v1/changed    these jobs have ended                } never by the token of a user
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from cryptography import x509
from starlette.requests import Request
from starlette.responses import Response

from pileus.agent import tls, tokens, wire
from pileus.agent.authority import Authority
from pileus.engines.verbs import Change
from pileus.kernel import hosts
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, CloudError, MethodNotAllowed, NotFound, Unauthorized
from pileus.kernel.hosts import Hosts
from pileus.kernel.operations import wake_subject

logger = logging.getLogger("pileus.agents")

Observed = Callable[[str, dict[str, Any]], Awaitable[None]]
ADDRESS_LENGTH = 300


async def ignore(host: str, observed: dict[str, Any]) -> None:
    """What agents observe is of use to nobody yet."""


class ControlApp:
    """Takes the posts of agents. `observed` is given what each engine of a host observed, at each renewal.

    `local`: the host that speaks without a certificate, for a Unix socket that only its agent may open.
    """

    def __init__(
        self, ctx: Ctx, hosts: Hosts, authority: Authority, *, observed: Observed = ignore, local: str | None = None
    ) -> None:
        self._ctx, self._hosts, self._authority = ctx, hosts, authority
        self._observed, self._local = observed, local
        self._posts = {"join": self._join, "lease": self._lease, "changed": self._changed}

    async def __call__(self, scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except CloudError as e:
            response = wire.refusal(e)
        except Exception:
            logger.exception("a post of an agent failed")
            response = wire.refusal(CloudError("The control plane failed; its log knows why."))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        what = request.url.path.removeprefix("/agent/v1/")
        if what == "ca" and request.method == "GET":
            return Response(self._authority.ca, media_type="application/x-pem-file")
        post = self._posts.get(what)
        if post is None:
            raise NotFound("There is no such path for agents.")
        if request.method != "POST":
            raise MethodNotAllowed("Agents POST here.", headers={"Allow": "POST"})
        return await post(request)

    async def _join(self, request: Request) -> Response:
        body = wire.decode(await wire.read_body(request), wire.Join)
        try:
            csr = x509.load_pem_x509_csr(body.csr.encode())
        except ValueError as e:
            raise BadRequest(f"The signing request cannot be read: {e}") from e
        address = checked_address(body.address)
        async with self._ctx.transaction() as tx:
            name = await tokens.use(tx, body.secret, tls.key_digest(csr))
            certificate, serial = self._authority.sign_host(csr, name)
            await hosts.join(tx, name, serial=serial, address=address)
        logger.info("a host has joined", extra={"facts": {"host": name, "address": address, "serial": serial}})
        return wire.answer(wire.Joined(host=name, certificate=certificate.decode()))

    async def _lease(self, request: Request) -> Response:
        host = await self._host(request)
        body = wire.decode(await wire.read_body(request), wire.Lease)
        address = checked_address(body.address)
        await self._hosts.renew(self._ctx, host, address=address, facts={"versions": body.versions})
        await self._wake(body.ended)
        await self._observed(host, body.observed)
        return wire.answer(wire.Leased(renew_s=self._hosts.renew_s))

    async def _changed(self, request: Request) -> Response:
        await self._host(request)
        await self._wake(wire.decode(await wire.read_body(request), wire.Changed).changes)
        return wire.answer({})

    async def _host(self, request: Request) -> str:
        """Who posts. A certificate that was replaced by a newer one is nobody's."""
        if self._local is not None:
            return self._local
        peer = tls.peer_of(request.scope)
        host = await hosts.by_serial(self._ctx, peer.serial) if peer is not None and peer.role == "host" else None
        if host is None:
            raise Unauthorized("Only a host that has joined may post here, with its newest certificate.")
        return host.name

    async def _wake(self, changes: list[Change]) -> None:
        """Whoever waits for one of these looks again; it asks the host itself, so nothing here is believed."""
        subjects = {subject for change in changes if (subject := as_uuid(change.subject)) is not None}
        if subjects:
            async with self._ctx.transaction() as tx:
                for subject in sorted(subjects):
                    await wake_subject(tx, subject)


def checked_address(text: str) -> str:
    """HOST:PORT or unix:PATH as an agent states it. Raises BadRequest."""
    host, _, port = text.rpartition(":")
    port_fits = host == "unix" or (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536)
    if len(text) > ADDRESS_LENGTH or not (text.isascii() and text.isprintable() and host and port_fits):
        raise BadRequest("The address of an agent is HOST:PORT.")
    return text


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
