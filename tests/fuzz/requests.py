"""What hypothesis sends: nearly right requests, and hostile ones, for every route there is."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from types import GenericAlias
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from hypothesis import strategies as st

from pileus.kernel.http import Route
from support.sample import REAL, at_last_version, at_version, parameters

LONG = 300
NUMBERS = [0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**40, 1e308, -0.0]
WORDS = ["", " ", "\0", "a\0b", "\ud800", "x" * 20_000, "0", "null", "None", "../..", "%00", "%2e%2e", "{}", "ünïcödé"]
TIMES = ["lt:2026-01-01T00:00:00Z", "gt:0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"]
TRICKS = ["'; DROP TABLE operation; --", "\u202e", "🌩" * 100, None, True, False, [], {}, [[]], {"": ""}]
EDGES = st.sampled_from([*NUMBERS, *WORDS, *TIMES, *TRICKS])
TEXT = st.text(max_size=LONG)
USUAL = st.sampled_from(["default", "admin", "member", "password", *(f"{{{name}}}" for name in REAL)])
JSON = st.recursive(
    EDGES | TEXT | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
BYTES = st.binary(max_size=LONG) | st.sampled_from(
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'"\\u0000"',
        b"\xff\xfe",
        b"1e400",
        b"NaN",
        b"null",
        b'{"x":1,"x":2}',
    ]
)
HEADER_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=LONG)
NAMES = [
    "Content-Type",
    "Accept",
    "OpenStack-API-Version",
    "X-Openstack-Request-Id",
    "Idempotency-Key",
    "Range",
    "Origin",
    "X-Subject-Token",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "If-Match",
    "If-None-Match",
    "Content-Encoding",
    "X-HTTP-Method-Override",
    "Forwarded",
    "Accept-Language",
    "Authorization",
    "Cookie",
    "X-Service-Token",
]
VALUES = [
    "*/*",
    "application/json",
    "text/html",
    "identity 99.99",
    "placement 1.39",
    "placement 1.0",
    "bytes=0-",
    "req-x",
    "gzip",
]
HEADERS = st.dictionaries(st.sampled_from(NAMES), HEADER_TEXT | st.sampled_from(VALUES), max_size=4)
FILTERS = [
    "name",
    "id",
    "enabled",
    "fields",
    "name__contains",
    "name__ilike",
    "enabled__lt",
    "domain_id",
    "parent_id",
    "tags",
]
MORE_FILTERS = [
    "is_domain",
    "password_expires_at",
    "unique_id",
    "user.id",
    "scope.system",
    "effective",
    "service_id",
    "type",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]


@dataclass(frozen=True, repr=False)
class Request:
    """A request, but for the ids of what is really there: `{project_id}` in it stands for one of them."""

    method: str
    path: str
    who: str  # admin, member, stranger, nobody
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{self.who}: {self.method} {self.path[:200]} {str(self.headers)[:200]} {(self.content or b'')[:300]!r}"


@st.composite
def requests(draw: st.DrawFn, routes: list[Route], *, stray: bool = True) -> Request:
    """One request to one of the routes; it may `stray`: be of another method or version, or of who may not."""
    route = draw(st.sampled_from(routes))
    path = route.prefix + route.path
    for name in parameters(route):
        if draw(st.booleans()):
            hostile = quote(
                draw(TEXT.filter(bool) | st.sampled_from(["..", "%00", "x" * 1000, "0" * 32])),
                safe="",
                errors="replace",
            )
            path = path.replace(f"{{{name}}}", hostile)
    method = route.method if not stray or draw(st.integers(0, 9)) else draw(st.sampled_from(METHODS))
    headers = draw(HEADERS)
    content = draw(st.none() | contents(route)) if method in {"GET", "HEAD", "DELETE"} else draw(contents(route))
    if content is not None and draw(st.integers(0, 9)):
        headers = {k: v for k, v in headers.items() if k != "Content-Type"} | {"Content-Type": "application/json"}
    if not stray or draw(st.integers(0, 9)):
        headers |= draw(st.sampled_from([at_version, at_last_version]))(route)
    who = draw(st.sampled_from(["admin", "admin", "admin", "member", "stranger", "nobody"])) if stray else "admin"
    return Request(method, path + draw(queries(route)), who, content, headers)


@st.composite
def queries(draw: st.DrawFn, route: Route) -> str:
    """A query string of the names that the route knows, and others."""
    known = fields(route.plan.query.kind) if route.plan.query else []
    names = st.sampled_from([*known, "limit", "marker", "sort_key", "sort_dir", "sort", *FILTERS, *MORE_FILTERS])
    pairs = draw(st.lists(st.tuples(names | TEXT, EDGES.map(str) | TEXT), max_size=3))
    if not pairs:
        return ""
    return "?" + draw(
        st.just(urlencode(pairs, errors="replace")) | st.sampled_from(["%", "&&&", "a=%ff", "=", "limit=%00"])
    )


def fields(kind: Any) -> list[str]:
    """The names in a query that is a Struct."""
    info = msgspec.inspect.type_info(kind)
    return [f.encode_name for f in info.fields] if isinstance(info, msgspec.inspect.StructType) else []


@st.composite
def contents(draw: st.DrawFn, route: Route) -> bytes:
    """A body: raw bytes, any JSON, or one of the right type with a few values bent."""
    kind = draw(st.sampled_from(["least", "least", "raw", "json", "typed", "typed", "typed", "bent", "bent"]))
    if kind == "raw" or (kind in {"typed", "bent"} and route.plan.body is None):
        return draw(BYTES)
    if kind == "json":
        return as_json(draw(JSON))
    body = route.sample_body() if kind == "least" else draw(typed(route))
    if kind == "bent" and isinstance(body, dict):
        body = draw(bent(body))
    return as_json(body)


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def typed(route: Route) -> st.SearchStrategy[Any]:
    """Documents that the route's body type accepts, or nearly."""
    plan = route.plan.body
    if plan is None or plan.kind is bytes:
        return JSON
    inner = st.one_of(*(of_type(msgspec.inspect.type_info(kind)) for kind in shapes(route) or [plan.kind]))
    if route.action:
        return st.fixed_dictionaries({route.action: inner})
    return st.fixed_dictionaries({plan.wrap: inner}) if plan.wrap else inner


def shapes(route: Route) -> list[type]:
    """Of a body that keeps what callers add: what its handler's module knows of it; empty when the type says all."""
    assert route.plan.body is not None
    if not isinstance(route.plan.body.kind, GenericAlias):
        return []
    module = route.handler.__module__
    named = [
        each for each in vars(sys.modules[module]).values() if isinstance(each, type) and each.__module__ == module
    ]
    known = [each for each in named if issubclass(each, msgspec.Struct)]
    verb = "Change" if route.method == "PATCH" else "Create"
    return [each for each in known if each.__name__.startswith(verb)] or known


def of_type(kind: msgspec.inspect.Type, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of a msgspec type; limits are not looked at, so that some are passed."""
    inspect = msgspec.inspect
    if isinstance(kind, inspect.Metadata):
        return of_type(kind.type, depth)
    if depth > 6:
        return st.none()
    if isinstance(kind, inspect.StructType):
        needed = {f.encode_name: of_type(f.type, depth + 1) for f in kind.fields if f.required}
        others = {f.encode_name: of_type(f.type, depth + 1) for f in kind.fields if not f.required}
        return st.fixed_dictionaries(needed, optional=others)
    if isinstance(kind, inspect.UnionType):
        return st.one_of(*(of_type(each, depth + 1) for each in kind.types))
    if isinstance(kind, inspect.LiteralType):
        return st.sampled_from(kind.values)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType | inspect.SetType):
        return st.lists(of_type(kind.item_type, depth + 1), max_size=3)
    if isinstance(kind, inspect.DictType):
        return st.dictionaries(TEXT, of_type(kind.value_type, depth + 1), max_size=3)
    simple = {inspect.BoolType: st.booleans(), inspect.IntType: st.integers(), inspect.NoneType: st.none()}
    return simple.get(type(kind), JSON if isinstance(kind, inspect.AnyType) else TEXT | USUAL)


@st.composite
def bent(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """The document with one value exchanged, at any depth, or a key too many or too few."""
    document = json.loads(json.dumps(document))
    at = document
    while inner := [v for v in at.values() if isinstance(v, dict)]:
        if draw(st.booleans()):
            break
        at = draw(st.sampled_from(inner))
    key = draw(st.sampled_from([*at, "extra"]) if at else TEXT)
    if key in at and draw(st.booleans()):
        del at[key]
    else:
        at[key] = draw(JSON)
    return document
