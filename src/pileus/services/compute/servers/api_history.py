"""/servers/{server_id}/os-instance-actions: what was done with a server."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.kernel.filters import seconds
from pileus.kernel.http import Here, Query
from pileus.kernel.operations.views import LogLine
from pileus.services.compute.http import api, asked, limit, long_stamp, next_link
from pileus.services.compute.servers import history, service, views
from pileus.services.compute.servers.history import Action

ALL = "/v2.1/servers/{server_id}/os-instance-actions"
RULES = "os_compute_api:os-instance-actions"
PAGED = ("limit", "marker", "changes-since")


def brief(ctx: Ctx, action: Action) -> dict[str, Any]:
    document: dict[str, Any] = {
        "action": action.action,
        "instance_uuid": action.server_id,
        "request_id": action.request_id,
        "user_id": action.user_id,
        "project_id": action.project_id,
        "start_time": long_stamp(action.started_at),
        "message": "Error" if action.failed else None,
    }
    return {**document, "updated_at": long_stamp(action.updated_at)} if ctx.at("2.58") else document


def event(ctx: Ctx, line: LogLine, host: str | None, *, admin: bool, host_id: str) -> dict[str, Any]:
    result = history.FINISHED[line.event]
    shown: dict[str, Any] = {
        "event": f"compute_{line.step}",
        "start_time": long_stamp(line.at - line.took_ms / 1000),
        "finish_time": long_stamp(line.at),
        "result": result,
    }
    if admin or not ctx.at("2.51"):
        shown["traceback"] = line.note if admin and result == "Error" else None
    if ctx.at("2.62"):
        shown |= {"hostId": host_id} | ({"host": host} if admin else {})
    if ctx.at("2.84"):
        shown["details"] = line.note if result == "Error" else None
    return shown


@api.get(ALL, rule=f"{RULES}:list")
async def list_actions(ctx: Ctx, server_id: UUID, query: Query, here: Here) -> dict[str, Any]:
    names = (PAGED if ctx.at("2.58") else ()) + (("changes-before",) if ctx.at("2.66") else ())
    given = asked(ctx, query, names, strict_from="2.58")
    await service.ever(ctx, server_id, deleted=ctx.at("2.21"))
    since, before = (seconds(n, given[n]) if n in given else None for n in ("changes-since", "changes-before"))
    found, page = await history.page(
        ctx, server_id, limit=limit(given), marker=given.get("marker"), since=since, before=before
    )
    links = next_link(here, "links", page) if ctx.at("2.58") else {}
    shown = {"instanceActions": [brief(ctx, each) for each in found]}
    return {**shown, **({"links": links["links_links"]} if links else {})}


@api.get(f"{ALL}/{{request_id}}", rule=f"{RULES}:show", wrap="instanceAction")
async def show_action(ctx: Ctx, server_id: UUID, request_id: str, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    server = await service.ever(ctx, server_id, deleted=ctx.at("2.21"))
    action = await history.find(ctx, server_id, request_id)
    if action is None:
        raise NotFound(f"Action for request_id {request_id[:80]} on instance {server_id} not found")
    shown = brief(ctx, action)
    allows, target = ctx.world.policy.allows, service.target(server)
    admin = allows(f"{RULES}:events", ctx.caller, target)
    if admin or ctx.at("2.51"):
        lines = await history.steps(ctx, action, facts=admin)
        host_id = views.host_id(server)
        shown["events"] = [event(ctx, line, server.host, admin=admin, host_id=host_id) for line in lines]
    return shown
