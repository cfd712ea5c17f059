"""Usage: what the rest of Compute may ask for. The servers know when they were there; nothing is kept here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from pileus.kernel.context import Ctx
from pileus.services.compute.usages.rules import Span, Total

__all__ = ["Asked", "Span", "Total", "list_", "spans"]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which spans: those that touch this time, of one project or of all, by project and server; from after the marker, a
    server's id, on."""

    start: float
    stop: float
    project_id: str | None = None
    limit: int = 1000
    marker: str | None = None


Spans = Callable[[Ctx, Asked], Awaitable[list[Span]]]

_spans: list[Spans] = []


def spans(call: Spans) -> Spans:
    """Ask this for the spans of servers, deleted ones too. It raises BadRequest for a marker that is none. For the servers
    above."""
    _spans.append(call)
    return call


async def list_(ctx: Ctx, asked: Asked) -> list[Span]:
    """Raises BadRequest for a marker that is none."""
    return [span for call in _spans for span in await call(ctx, asked)]
