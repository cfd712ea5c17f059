"""One request, from its head to its answer and its line in the log."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes

from starlette.requests import HTTPConnection, Request

from pileus.kernel import log
from pileus.kernel.context import NOBODY, Caller, Ctx, Version
from pileus.kernel.errors import (
    WHO,
    BadRequest,
    ClientGone,
    CloudError,
    MethodNotAllowed,
    TryAgain,
    Unauthorized,
    Unavailable,
)
from pileus.kernel.http import idempotency
from pileus.kernel.http.answers import Answer, RawHeaders, Rendered, Stream, rendered, rendered_json
from pileus.kernel.http.bodies import action_of, read_body
from pileus.kernel.http.faults import InternalError, plain_fault, unknown_route
from pileus.kernel.http.microversions import COMMON
from pileus.kernel.http.queries import parsed
from pileus.kernel.http.routes import WEBSOCKET, Choice, Leaf, Route, at_version, dotted
from pileus.kernel.http.stream import send_stream
from pileus.kernel.http.urls import Here, root_url, source
from pileus.kernel.http.ws import WebSocket

if TYPE_CHECKING:
    from pileus.kernel.http.app import App
    from pileus.kernel.http.service import Service

LOG = logging.getLogger(__name__)
ACCESS = logging.getLogger("pileus.access")
RERUNS = 3
TOKENS = (b"x-auth-token", b"x-service-token")
BUSY = "The database is busy with conflicting requests; send this one again."
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "COPY", WEBSOCKET})

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(slots=True)
class Asked:
    """What the handler's arguments are made from."""

    values: list[str]  # of the path's parameters
    body: bytes = b""
    key: str = ""  # of an action
    value: bytes = b""  # what stands there


class Call:
    """A request that is being answered."""

    __slots__ = (
        "_nobodys",
        "_to_client",
        "app",
        "caller",
        "ctx",
        "failure",
        "global_id",
        "headers",
        "method",
        "path",
        "receive",
        "request_id",
        "route",
        "scope",
        "sent",
        "service",
        "source",
        "started",
        "status",
        "version",
    )

    def __init__(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        self.app, self.scope, self.receive, self._to_client = app, scope, receive, send
        self.started = app.world.clock.monotonic()
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.source = source(scope, self.headers, app.proxies)
        self.method: str = WEBSOCKET if scope["type"] == "websocket" else scope["method"]
        self.request_id = app.world.ids.request()
        self.global_id = app.global_id(self.headers.get(b"x-openstack-request-id"))
        self.ctx = self._nobodys = Ctx(app.world, NOBODY, self.request_id, self.global_id)
        self.caller = NOBODY
        self.version: Version | None = None
        self.service: Service | None = None
        self.route: Route | None = None
        self.failure: CloudError | None = None
        self.path = ""
        self.status = self.sent = 0

    async def run(self) -> None:
        """Answer it, whatever happens, and log it."""
        tokens = log.request_id.set(self.request_id), log.global_request_id.set(self.global_id or "")
        try:
            await self._say(await self._guarded(self._answer))
        except ClientGone as e:
            self.status = 499
            LOG.debug("The client has left: %s", e)
        finally:
            self._note()
            log.request_id.reset(tokens[0])
            log.global_request_id.reset(tokens[1])

    async def _guarded(self, work: Callable[[], Awaitable[Rendered | Stream]]) -> Rendered | Stream:
        """What `work` gives, or the fault for what it raises."""
        try:
            return await work()
        except CloudError as e:
            return self._fault(e)
        except TryAgain:
            return self._fault(Unavailable(BUSY))
        except ClientGone:
            raise
        except Exception:
            LOG.exception("A request failed unexpectedly.", extra={"facts": {"route": str(self.route or "")}})
            return self._fault(InternalError(self.request_id))

    # finding out what is asked

    async def _answer(self) -> Rendered | Stream:
        segments = segments_of(self.scope)
        self.service, rest = self.app.service_of(segments, self.scope)
        at, project_id = self.service.located(rest) if self.service else (rest, None)
        found = self.service.table.find(at) if self.service else None
        if self.service is None or found is None:
            return self._unknown()
        self.path = "/" + "/".join(rest)
        leaf, values = found
        is_no_socket = self.method == WEBSOCKET and self.scope["type"] == "http"
        choice = None if is_no_socket else leaf.choice(self.method)
        if choice is None:
            return self._no_such_method(leaf)
        if not choice.anonymous:
            await self._authenticate(self.service, rest)
            self._check_project(project_id)
        if self.service.microversions is not None:
            self.version = self.service.microversions.negotiate(self._version_headers())
        return await self._call(choice, values)

    def _unknown(self) -> Rendered:
        return rendered((self.service.unknown if self.service else unknown_route)(self._accepted()), 404)

    def _accepted(self) -> str:
        return self.headers.get(b"accept", b"").decode("latin-1")

    def _no_such_method(self, leaf: Leaf) -> Rendered:
        allowed = leaf.allowed()
        if self.method != "OPTIONS":
            raise MethodNotAllowed(f"This takes {allowed}.", headers={"Allow": allowed})
        wants = b"access-control-request-method" in self.headers
        preflight = self.app.cors.preflight(self.headers.get(b"origin"), allowed) if wants else None
        return preflight or Rendered(200, [(b"allow", allowed.encode()), (b"content-length", b"0")], b"")

    async def _authenticate(self, service: Service, segments: list[str]) -> None:
        self.caller = caller = await self._anew()
        if caller.reach is not None and not caller.reach(service.types, self.scope.get("method", "GET"), segments):
            raise Unauthorized(WHO)
        self.app.rates.take(caller.project_id or caller.user_id, self.started)

    def _check_project(self, named: str | None) -> None:
        """Raises BadRequest when the path names another project than the token."""
        if named is not None and named != self.caller.project_id:
            raise BadRequest(
                f"Malformed request URL: URL's project_id '{named}' doesn't match Context's project_id "
                f"'{self.caller.project_id}'"
            )

    async def _anew(self) -> Caller:
        """Whose the token is now. Raises Unauthorized."""
        token, service = (self.headers.get(name, b"").decode("latin-1") for name in TOKENS)
        if not token:
            raise Unauthorized(WHO)
        return await self.app.authenticate(self._nobodys, token, service)

    def _version_headers(self) -> dict[bytes, bytes]:
        """The headers, with every value of the one that may come more than once."""
        if COMMON not in self.headers:
            return self.headers
        values = [value for name, value in self.scope["headers"] if name == COMMON]
        return self.headers if len(values) == 1 else {**self.headers, COMMON: b",".join(values)}

    # calling the handler

    async def _call(self, choice: Choice, values: list[str]) -> Rendered | Stream:
        routes, asked = choice.plain, Asked(values)
        if choice.actions:
            asked.body = await self._body()
            asked.key, asked.value = action_of(asked.body, self._content_type())
            routes = choice.of_action(asked.key)
        self.route = route = at_version(routes, self.version)
        self._admit(route)
        if route.plan.body is not None and not choice.actions:
            asked.body = await self._body()
        answered = self._once(route, asked.body)
        for _ in range(1 if route.plan.streams else 1 + RERUNS):
            try:
                return await answered(lambda ctx: self._handled(route, ctx, asked))
            except TryAgain as e:
                LOG.info("The database undid a request.", extra={"facts": {"route": str(route), "cause": str(e)}})
        raise Unavailable(BUSY)

    def _admit(self, route: Route) -> None:
        """The part of the policy rule that needs no target; then the Ctx is the route's. Raises Forbidden."""
        world = self.app.world
        if route.rule is not None and not route.late and not world.policy.early(route.rule, self.caller):
            raise world.policy.refusal(route.rule, self.caller)
        who = (self.caller, self.request_id, self.global_id)
        self.ctx = Ctx(world, *who, self.version, rule=route.rule or "", source=self.source)
        if self.app.audit is not None and self.method not in {"GET", "HEAD"}:
            self.ctx = self.app.audit(self.ctx, route, route.prefix + self.path)

    def _once(self, route: Route, body: bytes) -> Callable[[idempotency.Run], Awaitable[Rendered | Stream]]:
        """Who calls the handler: this request alone, or its Idempotency-Key."""
        ctx, key = self.ctx, self.headers.get(b"idempotency-key")
        if key is None or route.anonymous or self.method not in idempotency.METHODS:
            return lambda run: run(ctx)
        if route.plan.streams:
            raise BadRequest("A request that carries a stream takes no Idempotency-Key.")
        target = (self.method, self.path, str(ctx.version))
        asked = (*(part.encode() for part in target), self.scope["query_string"], body)
        request = idempotency.once(key, ctx.caller, asked)
        return lambda run: request.run(ctx, run, atomic=route.atomic)

    async def _handled(self, route: Route, ctx: Ctx, asked: Asked) -> Rendered | Stream:
        result = await route.handler(ctx, **self._arguments(route, asked))
        if isinstance(result, Stream):
            return result
        if isinstance(result, Answer):
            return rendered(result, route.status)
        if result is None:
            return rendered(Answer(), route.status)
        return rendered_json({route.wrap: result} if route.wrap else result, route.status)

    def _arguments(self, route: Route, asked: Asked) -> dict[str, Any]:
        plan = route.plan
        given: dict[str, Any] = {}
        for name, index, parse in plan.path:
            given[name] = asked.values[index] if parse is None else self._item(name, asked.values[index], parse)
        if plan.query is not None:
            given["query"] = plan.query.read(self.scope["query_string"])
        if plan.body is not None and route.action:
            given["body"] = plan.body.read_action(asked.key, asked.value)
        elif plan.body is not None:
            given["body"] = plan.body.read(asked.body, self._content_type())
        if plan.request:
            given["request"] = self._request()
        if plan.here:
            given["here"] = self.here()
        if plan.anew:
            given["anew"] = self._anew
        if plan.socket:
            given["socket"] = WebSocket(self.receive, self._send)
        return given

    def _item(self, name: str, value: str, parse: Callable[[str], Any]) -> Any:
        """The parsed parameter. What cannot name anything is missing, in the words of the service."""
        try:
            return parse(value)
        except ValueError:
            assert self.service is not None
            raise self.service.missing(name, value) from None

    def _request(self) -> HTTPConnection:
        return HTTPConnection(self.scope) if self.method == WEBSOCKET else Request(self.scope, self.receive)

    async def _body(self) -> bytes:
        return await read_body(self.receive, self.headers.get(b"content-length"), self.app.body_bytes)

    def _content_type(self) -> str:
        return self.headers.get(b"content-type", b"").decode("latin-1")

    def here(self) -> Here:
        """The request's own address."""
        root = root_url(self.scope, self.headers, self.app.public_url)
        prefix = "" if self.service is None else self.app.prefix_of(self.service, self.scope)
        return Here(root + prefix, self.path, parsed(self.scope["query_string"]))

    # answering

    def _fault(self, error: CloudError) -> Rendered:
        """The error in the shape of its service."""
        self.failure = error
        error.request_id, error.version, error.accept = self.request_id, self.version, self._accepted()
        said = (self.service.fault if self.service else plain_fault)(error)
        headers = dict(error.headers)
        if error.status == 401:
            root = root_url(self.scope, self.headers, self.app.public_url)
            headers.setdefault("WWW-Authenticate", f'Keystone uri="{root}{self.app.identity}"')
        if isinstance(said, Answer):
            return rendered(replace(said, headers={**headers, **said.headers}), error.status)
        return rendered(Answer(said, error.status, headers), error.status)

    async def _say(self, answer: Rendered | Stream) -> None:
        if isinstance(answer, Stream):
            answer = await self._guarded(partial(self._say_stream, answer))
        if isinstance(answer, Stream) or self.status:
            return  # said; or broken off: nothing more can be said on this connection
        headers = [*answer.headers, *self._own_headers()]
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if self.method == "HEAD" else answer.body
        await self._send({"type": "http.response.body", "body": body})

    async def _say_stream(self, stream: Stream) -> Stream:
        status = self.route.status if self.route else 200
        await send_stream(self.scope, self._send, stream, status=status, headers=self._own_headers())
        return stream

    def _own_headers(self) -> RawHeaders:
        """What each answer carries."""
        own = self.app.said(self.service, self.version, self.request_id.encode())
        if self.global_id is not None:
            own.append((b"x-openstack-global-request-id", self.global_id.encode()))
        return own + self.app.cors.headers(self.headers.get(b"origin"))

    async def _send(self, message: Message) -> None:
        """Send, and note status and bytes for the log."""
        if "status" in message:
            self.status = message["status"]
        self.sent += message.get("count", 0) + len(message.get("body", b""))
        await self._to_client(message)

    def _note(self) -> None:
        """One event in the log, and one in the numbers."""
        seconds = self.app.world.clock.monotonic() - self.started
        service = self.service.name if self.service else "none"
        route = self.route.path or "/" if self.route else "unknown"
        method = self.method if self.method in METHODS else "other"
        self.app.world.metrics.request(service, route, method, self.status, seconds)
        if ACCESS.isEnabledFor(logging.INFO):
            facts = self._facts(service, route, seconds)
            ACCESS.info("%s %s %d", self.method, facts["path"], self.status, extra={"facts": facts})

    def _facts(self, service: str, route: str, seconds: float) -> dict[str, Any]:
        caller = self.caller
        facts: dict[str, Any] = {
            "method": self.method,
            "path": quote(self.scope["path"]),  # without the query, which may hold secrets
            "status": self.status,
            "bytes": self.sent,
            "ms": round(seconds * 1000, 3),
            "service": service,
            "route": route,
            "client": self.source,
        }
        if self.route is not None and self.route.action:
            facts["action"] = self.route.action
        if self.global_id:
            facts["global_request"] = self.global_id
        if caller.user_id:
            facts |= {"user": caller.user_id, "project": caller.project_id}
        if self.version is not None:
            facts["version"] = dotted(self.version)
        if self.failure is not None:
            facts["error"] = {"code": self.failure.code, **self.failure.facts}
        return facts


def segments_of(scope: Mapping[str, Any]) -> list[str]:
    """The decoded segments of the path: an escaped slash is part of its segment. Raises BadRequest for what is no text."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    try:
        if b"%" not in raw:
            return raw.decode().split("/")
        segments = [unquote_to_bytes(part).decode() for part in raw.split(b"/")]
    except UnicodeDecodeError:
        raise BadRequest("The path is not UTF-8.") from None
    if b"%00" in raw:
        raise BadRequest("The path holds a NUL character.")
    return segments
