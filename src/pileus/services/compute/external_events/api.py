"""/os-server-external-events: where other services told Compute that something of a server has changed.

Here network and volumes are in the same transaction as servers, so nothing waits for an event: each is checked, and heard.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Body
from pileus.services.compute.http import api
from pileus.services.compute.servers import service as servers
from pileus.services.compute.servers.service import Server

SINCE = {
    "network-changed": "2.1",
    "network-vif-plugged": "2.1",
    "network-vif-unplugged": "2.1",
    "network-vif-deleted": "2.1",
    "volume-extended": "2.51",
    "power-update": "2.76",
    "accelerator-request-bound": "2.82",
    "volume-reimaged": "2.93",
}
TAGGED = frozenset({"volume-extended", "power-update", "accelerator-request-bound", "volume-reimaged"})


class Event(Body, frozen=True):
    name: str
    server_uuid: UUID
    status: Literal["failed", "completed", "in-progress"] = "completed"
    tag: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET


class Events(Body, frozen=True):
    events: Annotated[list[Event], Meta(min_length=1)]


def code(event: Event, server: Server | None) -> int:
    """How an event is taken."""
    if server is None:
        return 404
    if event.name in TAGGED and event.tag is UNSET:
        return 400
    return 200 if server.host else 422


def answered(event: Event, number: int) -> dict[str, Any]:
    tag = {} if event.tag is UNSET else {"tag": event.tag}
    status = "completed" if number == 200 else "failed"
    return {"name": event.name, "server_uuid": event.server_uuid, **tag, "status": status, "code": number}


@api.post("/v2.1/os-server-external-events", rule="os_compute_api:os-server-external-events:create")
async def hear_events(ctx: Ctx, body: Events) -> Answer:
    for event in body.events:
        if not ctx.at(SINCE.get(event.name, "99.0")):
            raise BadRequest(f"Invalid input for field/attribute name. Value: {event.name[:80]}. It is no event.")
    known = await servers.by_ids(ctx, {event.server_uuid for event in body.events})
    codes = [code(event, known.get(event.server_uuid)) for event in body.events]
    told = [answered(event, number) for event, number in zip(body.events, codes, strict=True)]
    return Answer({"events": told}, 200 if set(codes) == {200} else 207)
