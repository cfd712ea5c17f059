"""A service of the catalogue: its routes and its accent.

api = Service("compute", "/compute", fault=nova_fault, version_range=("2.1", "2.96"),
              microversion_headers=("OpenStack-API-Version: compute", "X-OpenStack-Nova-API-Version"))

@api.get("/v2.1/servers/{server_id}", rule="compute:servers:show", wrap="server")
async def show_server(ctx: Ctx, server_id: UUID) -> dict[str, Any]: ...

@api.action("/v2.1/servers/{server_id}/action", "reboot", rule="compute:servers:reboot")
async def reboot(ctx: Ctx, server_id: UUID, body: Reboot) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypedDict, TypeVar, Unpack

from pileus.kernel.context import Version, version
from pileus.kernel.http.answers import Answer
from pileus.kernel.http.bodies import JSON_TYPES, body_plan
from pileus.kernel.http.faults import Fault, Missing, missing_item, plain_fault, unknown_route
from pileus.kernel.http.microversions import Microversions
from pileus.kernel.http.plan import planned
from pileus.kernel.http.routes import FIRST, LAST, WEBSOCKET, Handler, Route, RouteTable, parameter

H = TypeVar("H", bound=Handler)

Located = Callable[[list[str]], tuple[list[str], str | None]]
"""The segments below the prefix, as a client wrote them -> those of the table, and the project that stood among them. A
request whose token is for another project is refused."""


def as_is(segments: list[str]) -> tuple[list[str], str | None]:
    """A service whose paths name no project."""
    return segments, None


class Facts(TypedDict, total=False):
    """What can be said of a route."""

    rule: str  # the policy rule; its part that needs no target is asked before the body is read
    anonymous: bool  # instead of a rule: answered without a token, which is not even looked at
    wrap: str  # the key around the answer's document, and around the body's
    wrap_body: str  # the key around the body's, if it is another; "" for none
    status: int  # of the answer; 200
    since: str  # first microversion
    until: str  # last microversion
    media: tuple[str, ...]  # content types of the body; JSON
    lax: bool  # read "1" and "true" as numbers and booleans in the body, as some of OpenStack's services do
    late: bool  # the handler alone asks the rule: it tells everybody of what is missing, or chooses the rule
    atomic: bool  # False: awaits more than the database, so an Idempotency-Key cannot hold it in one transaction


class Service:
    """Routes under one prefix (one segment, or "" for what has none) with one way to say things.

    `fault` makes the document of an error; `unknown` what a path that is no route gives, from the Accept header;
    `missing` what an unreadable path parameter gives. `vary` and `request_id_headers` are more header names of each
    answer. `ports` are where its users expect it at the root of a port of its own. `types` are its names in the catalogue,
    if it has others. `version_range` None: no microversions. `located`: how a path is read that may name a project.
    """

    def __init__(
        self,
        name: str,
        prefix: str = "",
        *,
        fault: Fault = plain_fault,
        version_range: tuple[str, str] | None = None,
        microversion_headers: tuple[str, ...] = (),
        **accent: Unpack[Accent],
    ) -> None:
        if prefix.count("/") != bool(prefix) or prefix.endswith("/"):
            raise ValueError(f"{name}: a prefix is one segment like /compute, not {prefix!r}")
        self.name, self.prefix, self.fault = name, prefix, fault
        headers = microversion_headers or (f"OpenStack-API-Version: {name}",)
        self.microversions = Microversions(version_range, headers) if version_range else None
        self.unknown = accent.get("unknown", unknown_route)
        self.missing = accent.get("missing", missing_item)
        self.vary = accent.get("vary", ())
        self.request_id_headers = ("x-openstack-request-id", *accent.get("request_id_headers", ()))
        self.ports = accent.get("ports", ())
        self.types = frozenset(accent.get("types", (name,)))
        self.located = accent.get("located", as_is)
        self.table = RouteTable()

    @property
    def routes(self) -> list[Route]:
        """Every route, in the order of declaration."""
        return self.table.routes

    def route(self, method: str, path: str, action: str | None = None, **facts: Unpack[Facts]) -> Callable[[H], H]:
        """Declare a handler. Raises ValueError or TypeError for what could not work."""

        def declare(handler: H) -> H:
            self.table.add(self._route(method, path, action, handler, facts))
            return handler

        return declare

    def _route(self, method: str, path: str, action: str | None, handler: Handler, facts: Facts) -> Route:
        where = f"{method} {self.prefix}{path}"
        rule, wrap = facts.get("rule"), facts.get("wrap")
        if (rule is None) != facts.get("anonymous", False):
            raise ValueError(f"{where}: either a rule or anonymous=True")
        if path and (not path.startswith("/") or "//" in path):
            raise ValueError(f"{where}: a path begins with a slash and has no empty segment")
        body = partial(
            body_plan,
            wrap=None if action else facts.get("wrap_body", wrap) or None,
            media=facts.get("media", JSON_TYPES),
            lax=facts.get("lax", False),
        )
        names = [name for part in path.split("/") if (name := parameter(part))]
        since, until = self._span(where, facts.get("since"), facts.get("until"))
        return Route(
            service=self.name,
            prefix=self.prefix,
            method=method,
            path=path,
            handler=handler,
            plan=planned(handler, names, method, body),
            rule=rule,
            action=action,
            since=since,
            until=until,
            wrap=wrap,
            status=facts.get("status", 200),
            late=facts.get("late", False),
            atomic=facts.get("atomic", True),
        )

    def _span(self, where: str, since: str | None, until: str | None) -> tuple[Version, Version]:
        if self.microversions is None:
            if since or until:
                raise ValueError(f"{where}: this service has no microversions")
            return FIRST, LAST
        first = version(since) if since else self.microversions.minimum
        last = version(until) if until else LAST
        if first > self.microversions.maximum or last < self.microversions.minimum or first > last:
            raise ValueError(f"{where}: no microversion of the service reaches it")
        return first, last

    def get(self, path: str, **facts: Unpack[Facts]) -> Callable[[H], H]:
        """Answers HEAD too."""
        return self.route("GET", path, **facts)

    def head(self, path: str, **facts: Unpack[Facts]) -> Callable[[H], H]:
        """Where HEAD is not a GET without its body."""
        return self.route("HEAD", path, **facts)

    def post(self, path: str, **facts: Unpack[Facts]) -> Callable[[H], H]:
        return self.route("POST", path, **facts)

    def put(self, path: str, **facts: Unpack[Facts]) -> Callable[[H], H]:
        return self.route("PUT", path, **facts)

    def patch(self, path: str, **facts: Unpack[Facts]) -> Callable[[H], H]:
        return self.route("PATCH", path, **facts)

    def delete(self, path: str, **facts: Unpack[Facts]) -> Callable[[H], H]:
        return self.route("DELETE", path, **facts)

    def action(self, path: str, key: str, **facts: Unpack[Facts]) -> Callable[[H], H]:
        """POST with a body of one key, `key`; the handler's body is what stands there. 202 unless said otherwise."""
        facts.setdefault("status", 202)
        return self.route("POST", path, key, **facts)

    def websocket(self, path: str, **facts: Unpack[Facts]) -> Callable[[H], H]:
        """A handler that gets `socket: WebSocket`, which it accepts itself."""
        return self.route(WEBSOCKET, path, **facts)


class Accent(TypedDict, total=False):
    """The rest of how a service says things."""

    unknown: Callable[[str], Answer]
    missing: Missing
    vary: tuple[str, ...]
    request_id_headers: tuple[str, ...]
    ports: tuple[int, ...]
    types: tuple[str, ...]
    located: Located
