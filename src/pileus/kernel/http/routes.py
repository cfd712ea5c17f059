"""The table of routes: path, then method, then the key of an action body, then the microversion.

A lookup walks a trie, so that 700 routes cost what 7 do. Whatever could be asked of a route is known when it is declared;
two routes that could both answer one request are refused then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pileus.kernel.context import Version
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http.plan import Plan

FIRST: Version = (0, 0)
LAST: Version = (1 << 31, 0)
WEBSOCKET = "WEBSOCKET"

Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One entry of the table. `path` is below the service's prefix; `action` is the only key of the body it answers."""

    service: str
    prefix: str
    method: str
    path: str
    handler: Handler
    plan: Plan
    rule: str | None = None
    action: str | None = None
    since: Version = FIRST
    until: Version = LAST
    wrap: str | None = None
    status: int = 200
    late: bool = False
    atomic: bool = True

    @property
    def anonymous(self) -> bool:
        """Whether it is answered without a token."""
        return self.rule is None

    @property
    def body_type(self) -> Any:
        """The type of the body it reads; None when it reads none."""
        return self.plan.body.kind if self.plan.body else None

    def sample_path(self) -> str:
        """A path that leads here, prefix included, with ids that nothing has."""
        sample = "/".join(
            self.plan.samples.get(name, "x") if (name := parameter(part)) else part for part in self.path.split("/")
        )
        return self.prefix + (quote(sample) or "/")

    def sample_body(self) -> Any:
        """The smallest document that its body type accepts where that can be told from the type; None without body."""
        value = self.plan.body.sample() if self.plan.body else None
        return {self.action: value} if self.action else value

    def __str__(self) -> str:
        until = "" if self.until == LAST else dotted(self.until)
        span = "" if self.since == FIRST else f" {dotted(self.since)}-{until}"
        return f"{self.method} {self.prefix}{self.path}{f' {self.action}' if self.action else ''}{span}"


@dataclass(slots=True)
class Choice:
    """What one method of one path may mean."""

    anonymous: bool
    plain: list[Route] = field(default_factory=list)
    actions: dict[str, list[Route]] = field(default_factory=dict)

    def of_action(self, key: str) -> list[Route]:
        """The routes for this key of the body. Raises BadRequest when it is no action here."""
        found = self.actions.get(key) or self.plain
        if not found:
            raise BadRequest(f"There is no such action: {key[:80]}")
        return found


@dataclass(slots=True)
class Leaf:
    """A path of the table and its methods."""

    path: str
    methods: dict[str, Choice] = field(default_factory=dict)

    def choice(self, method: str) -> Choice | None:
        """What this method may mean here. Every GET answers HEAD."""
        return self.methods.get(method) or (self.methods.get("GET") if method == "HEAD" else None)

    def allowed(self) -> str:
        """The value of an Allow header."""
        methods = {*self.methods, "OPTIONS"} - {WEBSOCKET}
        return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


class Node:
    """A segment of paths."""

    __slots__ = ("leaf", "named", "rest", "static")

    def __init__(self) -> None:
        self.static: dict[str, Node] = {}
        self.named: Node | None = None  # `{anything}`
        self.rest: Leaf | None = None  # `{anything:path}`: all that follows, slashes too
        self.leaf: Leaf | None = None


class RouteTable:
    """The routes of one service."""

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self._root = Node()

    def add(self, route: Route) -> None:
        """Raises ValueError when another route could answer the same request."""
        leaf = self._leaf(route.path)
        choice = leaf.methods.setdefault(route.method, Choice(route.anonymous))
        if choice.anonymous != route.anonymous:
            raise ValueError(f"{route}: one method of a path either needs a token or does not")
        same = choice.plain if route.action is None else choice.actions.setdefault(route.action, [])
        for other in same:
            if other.since <= route.until and route.since <= other.until:
                raise ValueError(f"{route}: {other} answers the same request")
        same.append(route)
        self.routes.append(route)

    def _leaf(self, path: str) -> Leaf:
        node = self._root
        for part in path.split("/")[1:]:
            if part.endswith(":path}"):
                node.rest = node.rest or Leaf(path)
                return node.rest
            if parameter(part):
                node.named = node.named or Node()
                node = node.named
            elif part:
                node = node.static.setdefault(part, Node())
        node.leaf = node.leaf or Leaf(path)
        return node.leaf

    def find(self, segments: list[str]) -> tuple[Leaf, list[str]] | None:
        """The leaf for these decoded segments, and what stands for its parameters; None when there is no such path.

        Fixed segments win over parameters; one slash at the end is nothing, except to a `{name:path}`.
        """
        values: list[str] = []
        leaf = _walk(self._root, segments, 0, values)
        return None if leaf is None else (leaf, values)


def _walk(node: Node, segments: list[str], at: int, values: list[str]) -> Leaf | None:
    left = len(segments) - at
    if node.leaf is not None and (left == 0 or (left == 1 and segments[at] == "")):
        return node.leaf
    if left == 0:
        return None
    segment = segments[at]
    if (child := node.static.get(segment)) and (found := _walk(child, segments, at + 1, values)):
        return found
    if node.named is not None and segment:
        values.append(segment)
        if found := _walk(node.named, segments, at + 1, values):
            return found
        values.pop()
    if node.rest is not None and (left > 1 or segment):
        values.append("/".join(segments[at:]))
        return node.rest
    return None


def at_version(routes: list[Route], asked: Version | None) -> Route:
    """The one that answers at this microversion. Raises NotFound that says which microversion has it."""
    if asked is None:
        return routes[0]
    for route in routes:
        if route.since <= asked <= route.until:
            return route
    raise NotFound(f"This is not there at microversion {dotted(asked)}: it needs {' or '.join(spans(routes))}.")


def spans(routes: list[Route]) -> Iterator[str]:
    """The ranges of microversions, in words."""
    for route in routes:
        if route.until == LAST:
            yield f"{dotted(route.since)} or later"
        else:
            yield f"{dotted(route.since)} to {dotted(route.until)}"


def parameter(part: str) -> str:
    """The name of the parameter that this segment of a declared path stands for; empty when it is fixed."""
    return part[1:-1].removesuffix(":path") if part.startswith("{") and part.endswith("}") else ""


def dotted(number: Version) -> str:
    return f"{number[0]}.{number[1]}"
