"""All services as one ASGI application."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from pileus.kernel.context import Caller, Ctx, Version, World
from pileus.kernel.http.answers import Answer, RawHeaders
from pileus.kernel.http.calls import Call, Receive, Scope, Send
from pileus.kernel.http.cors import Cors
from pileus.kernel.http.rates import Rates
from pileus.kernel.http.routes import Route
from pileus.kernel.http.service import Service
from pileus.kernel.http.sockets import SocketCall
from pileus.kernel.http.urls import Here

GLOBAL_ID = re.compile(rb"req-[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Authenticate = Callable[[Ctx, str, str], Awaitable[Caller]]
"""The caller whom a token names, by way of the service whose token is the second, unless that is empty. Raises Unauthorized."""

Audit = Callable[[Ctx, Route, str], Ctx]
"""The Ctx of a request (its route, its path without the query) that may write, with `closing` and `probe` set."""


class App:
    """An ASGI application: http, websocket and lifespan."""

    def __init__(
        self, world: World, services: Sequence[Service], authenticate: Authenticate, audit: Audit | None
    ) -> None:
        self.world, self.services = world, tuple(services)
        self.authenticate, self.audit = authenticate, audit
        config = world.config
        self.public_url = config.api.public_url
        self.body_bytes = config.http.body_bytes
        self.proxies = tuple(map(ip_network, config.http.trusted_proxies))
        self.cors = Cors(config.api.cors_origins)
        self.calls: Callable[[App, Scope, Receive, Send], Call] = Call
        self.rates = Rates(config.http.rate_per_s, config.http.rate_burst)
        self.identity = next((s.prefix for s in services if s.name == "identity"), "/identity")
        self._by_prefix = {s.prefix.removeprefix("/"): s for s in services}
        self._by_port = {port: s for s in services for port in s.ports}
        if len(self._by_prefix) != len(services):
            raise ValueError("two services have one prefix")
        self._said: dict[tuple[str, Version | None], RawHeaders] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.calls(self, scope, receive, send).run()
        elif scope["type"] == "websocket":
            await SocketCall(self, scope, receive, send).run()
        else:
            await lifespan(receive, send)

    @property
    def routes(self) -> list[Route]:
        """The routes of all services."""
        return [route for service in self.services for route in service.routes]

    def service_of(self, segments: list[str], scope: Mapping[str, Any]) -> tuple[Service | None, list[str]]:
        """Whose path this is, and the segments below its prefix."""
        if segments[0]:  # no slash to begin with: OPTIONS * and the like
            return None, []
        service = self._by_prefix.get(segments[1]) if len(segments) > 1 and segments[1] else None
        if service is not None:
            return service, segments[2:]
        return self._by_port.get(port_of(scope)) or self._by_prefix.get(""), segments[1:]

    def prefix_of(self, service: Service, scope: Mapping[str, Any]) -> str:
        """The service's prefix; empty for a request that came to the service's own port without it."""
        at_root = self._by_port.get(port_of(scope)) is service and not scope["path"].startswith(f"{service.prefix}/")
        return "" if at_root and scope["path"] != service.prefix else service.prefix

    def said(self, service: Service | None, version: Version | None, request_id: bytes) -> RawHeaders:
        """The headers that every answer of this service carries at this version."""
        key = (service.name if service else "", version)
        fixed = self._said.get(key)
        if fixed is None:
            fixed = self._said[key] = self._fixed(service, version)
        names = service.request_id_headers if service else ("x-openstack-request-id",)
        return [*((name.encode(), request_id) for name in names), *fixed]

    def _fixed(self, service: Service | None, version: Version | None) -> RawHeaders:
        said: RawHeaders = []
        vary = list(service.vary) if service else []
        if service and service.microversions and version is not None:
            said, names = service.microversions.answered(version)
            vary = [*names, *vary]
        if self.cors.varies:
            vary.append("Origin")
        return [*said, (b"vary", ", ".join(vary).encode())] if vary else said

    def global_id(self, sent: bytes | None) -> str | None:
        """The id under which the caller follows one request through many; None unless it is one."""
        return sent.decode() if sent is not None and GLOBAL_ID.fullmatch(sent) else None


def port_of(scope: Mapping[str, Any]) -> int:
    """The port that was connected to; 0 where there is none."""
    server = scope.get("server")
    return (server[1] if server else None) or 0


async def lifespan(receive: Receive, send: Send) -> None:
    """A world is opened and closed by who made it: here is nothing to wait for."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def build_app(
    world: World, services: Sequence[Service], authenticate: Authenticate, *, audit: Audit | None = None
) -> App:
    """The application of these services. Without a service at the root, `/` lists them. Raises ValueError."""
    if all(s.prefix for s in services):
        services = [*services, listing(services)]
    return App(world, services, authenticate, audit)


def listing(services: Sequence[Service]) -> Service:
    """The root of a cloud: which services there are, and where."""
    root = Service("root")

    @root.get("", anonymous=True)
    async def list_services(ctx: Ctx, here: Here) -> Answer:
        entries = [{"name": s.name, "links": [{"rel": "self", "href": here.url(f"{s.prefix}/")}]} for s in services]
        return Answer({"services": entries}, 300)

    return root
