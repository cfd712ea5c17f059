"""What a handler is given, read from its signature once, when it is declared.

    async def change(ctx: Ctx, server_id: UUID, body: ChangeServer, query: ShowQuery, request: Request, here: Here)

Path parameters by their names (str, UUID or int), `body`, `query`, `request`, `here`, `socket`, `anew` (asks who the caller is
by now): whatever it names, it gets.
A handler that names `request` and no `body` reads the body itself, as a stream.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pileus.kernel.context import Caller
from pileus.kernel.http.bodies import BodyPlan
from pileus.kernel.http.queries import QueryPlan

GIVEN = frozenset({"ctx", "body", "query", "request", "here", "socket", "anew"})
READS_NO_BODY = frozenset({"GET", "HEAD", "DELETE", "WEBSOCKET"})
CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NUMBER = re.compile(r"[0-9]{1,18}")

Parse = Callable[[str], Any]
Anew = Callable[[], Awaitable[Caller]]
"""The caller as the request's token is worth now, for answers that last. Raises Unauthorized."""


def parse_uuid(text: str) -> UUID:
    """Only the form that the APIs show. Raises ValueError."""
    if CANONICAL_UUID.fullmatch(text) is None:
        raise ValueError(text)
    return UUID(text)


def parse_number(text: str) -> int:
    """Decimal digits, inside 64 bits. Raises ValueError."""
    if NUMBER.fullmatch(text) is None:
        raise ValueError(text)
    return int(text)


PARSERS: dict[Any, tuple[Parse | None, str]] = {
    str: (None, "x"),
    UUID: (parse_uuid, "00000000-0000-4000-8000-000000000000"),
    int: (parse_number, "999999999999"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each argument of a handler comes from."""

    path: tuple[tuple[str, int, Parse | None], ...]  # name, which value of the path, how to read it
    samples: dict[str, str]
    body: BodyPlan | None
    query: QueryPlan | None
    request: bool
    here: bool
    socket: bool
    anew: bool
    streams: bool  # the handler reads the request's body itself


def planned(handler: Callable[..., Any], names: list[str], method: str, body: Callable[[Any, Any], BodyPlan]) -> Plan:
    """The plan for a handler of a path with these parameters. Raises TypeError when it wants what cannot be given.

    `body` makes the plan of the body from its type and its default.
    """
    wanted = inspect.signature(handler).parameters
    hints = typing.get_type_hints(handler, include_extras=True)
    where = f"{handler.__module__}.{handler.__qualname__}"
    if next(iter(wanted), "") != "ctx":
        raise TypeError(f"{where}: the first argument is ctx")
    if unknown := set(wanted) - GIVEN - set(names):
        raise TypeError(f"{where}: nothing can be given for {', '.join(sorted(unknown))}")
    if untyped := set(wanted) - set(hints):
        raise TypeError(f"{where}: {', '.join(sorted(untyped))} has no type")
    if odd := [name for name in names if hints.get(name, str) not in PARSERS]:
        raise TypeError(f"{where}: a parameter of the path is str, UUID or int, not {hints[odd[0]]}")
    return Plan(
        path=tuple((n, i, PARSERS[hints[n]][0]) for i, n in enumerate(names) if n in wanted),
        samples={n: PARSERS[hints.get(n, str)][1] for n in names},
        body=body(hints["body"], required_or(wanted["body"].default)) if "body" in wanted else None,
        query=QueryPlan(hints["query"]) if "query" in wanted else None,
        request="request" in wanted,
        here="here" in wanted,
        socket="socket" in wanted,
        anew="anew" in wanted,
        streams="request" in wanted and "body" not in wanted and method not in READS_NO_BODY,
    )


def required_or(default: Any) -> Any:
    """The default of an argument; `...` when it has none."""
    return ... if default is inspect.Parameter.empty else default
