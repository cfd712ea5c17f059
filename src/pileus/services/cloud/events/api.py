"""/v1/events: a list, or server-sent events as browsers and `curl -N` read them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from starlette.requests import Request

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.kernel.events import Event
from pileus.kernel.http import Anew, Stream
from pileus.services.cloud.events import service
from pileus.services.cloud.events.service import Feed, News
from pileus.services.cloud.http import api

AGAIN_AFTER_MS = 2000
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the second: nginx must not hold events back
ENCODER = msgspec.json.Encoder()
WORDS = {
    "lost": b"event: lost\ndata: {}\n\n",
    "nothing": b": still here\n\n",
    "expired": b"event: expired\ndata: {}\n\n",
    "ending": b": this process ends, come back\n\n",
}


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The query of a list."""

    after: str | None = None  # the id of an event; "0.0" or none: from the oldest that is kept
    limit: Annotated[int, msgspec.Meta(ge=1, le=service.PAGE)] = service.PAGE


@api.get("/v1/events", rule="pileus:events:list")
async def list_events(ctx: Ctx, query: Asked, request: Request, anew: Anew) -> dict[str, Any] | Stream:
    """A page of what there was; for who accepts text/event-stream: what comes, until the token is worth nothing any more.

    There `Last-Event-ID` says where to go on: behind that event, "0.0" from the oldest that is kept, none from now on.
    """
    if "text/event-stream" in request.headers.get("accept", ""):
        feed = await service.follow(ctx, request.headers.get("last-event-id"), anew)
        return Stream(Frames(feed), None, "text/event-stream", HEADERS)
    found = await service.list_(ctx, query.after, query.limit)
    return {"events": [{"id": str(event.place), **shown(event)} for event in found]}


class Frames:
    """A feed as the bytes of an event stream."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._greeted = False

    def __aiter__(self) -> Frames:
        return self

    async def __anext__(self) -> bytes:
        if not self._greeted:
            self._greeted = True
            return b"retry: %d\n\n" % AGAIN_AFTER_MS
        return frames(await anext(self._feed))

    async def aclose(self) -> None:
        await self._feed.aclose()


def frames(news: News) -> bytes:
    return WORDS[news] if isinstance(news, str) else b"".join(map(frame, news))


def frame(event: Event) -> bytes:
    name = f"{event.kind}.{event.verb}".encode()
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (str(event.place).encode(), name, ENCODER.encode(shown(event)))


def shown(event: Event) -> dict[str, Any]:
    return {
        "at": iso(event.at, microseconds=True),
        "project_id": event.project_id,
        "kind": event.kind,
        "verb": event.verb,
        "subject_id": event.id,
        "facts": event.facts,
    }
