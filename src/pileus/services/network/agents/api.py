"""/v2.0/agents"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, Query
from pileus.kernel.http.queries import boolean
from pileus.services.network import zones
from pileus.services.network.agents import service
from pileus.services.network.agents.service import Agent
from pileus.services.network.http import api, only

FILTERS = ("id", "agent_type", "binary", "host", "alive", "admin_state_up", "availability_zone", "description", "topic")


class AgentChange(Body, frozen=True):
    description: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    admin_state_up: bool | UnsetType = UNSET


def shown(agent: Agent) -> dict[str, Any]:
    return {
        "id": agent.id,
        "agent_type": agent.agent_type,
        "binary": agent.binary,
        "topic": "n/a",
        "host": agent.host,
        "alive": agent.alive,
        "admin_state_up": agent.admin_state_up,
        "availability_zone": zones.DEFAULT,
        "description": agent.description,
        "created_at": timed(agent.started_at),
        "started_at": timed(agent.started_at),
        "heartbeat_timestamp": timed(agent.heartbeat_at),
        "configurations": {"bridge-mappings": ""} if agent.binary == service.CONTROLLER else {},
        "resources_synced": None,
    }


def timed(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


@api.get("/v2.0/agents", rule="regular_user")
async def list_agents(ctx: Ctx, query: Query) -> dict[str, Any]:
    """Those that the caller may see: an administrator all, others none."""
    found = [shown(agent) for agent in await service.list_(ctx)]
    for name in FILTERS:
        if name in query:
            kept = [str(boolean(name, v)) if name in ("alive", "admin_state_up") else v for v in query[name]]
            found = [each for each in found if str(each[name]) in kept]
    keys, directions = query.get("sort_key", []), query.get("sort_dir", [])
    if len(keys) != len(directions):
        raise BadRequest("The number of sort_keys and sort_dirs must be same")
    for key, direction in reversed(list(zip(keys, directions, strict=True))):
        if key not in FILTERS or direction not in ("asc", "desc"):
            raise BadRequest(f"['{key[:80]}'] is invalid attribute for sort_keys")
        found.sort(key=lambda each: str(each[key]), reverse=direction == "desc")
    return {"agents": [only(query, each) for each in found]}


@api.get("/v2.0/agents/{agent_id}", rule="get_agent", wrap="agent")
async def show_agent(ctx: Ctx, agent_id: UUID, query: Query) -> dict[str, Any]:
    return only(query, shown(await service.get(ctx, agent_id)))


@api.put("/v2.0/agents/{agent_id}", rule="update_agent", wrap="agent", lax=True)
async def change_agent(ctx: Ctx, agent_id: UUID, body: AgentChange) -> dict[str, Any]:
    words = None if isinstance(body.description, UnsetType) else body.description or ""
    up = None if isinstance(body.admin_state_up, UnsetType) else body.admin_state_up
    return shown(await service.change(ctx, agent_id, description=words, admin_state_up=up))


@api.delete("/v2.0/agents/{agent_id}", rule="delete_agent", status=204)
async def delete_agent(ctx: Ctx, agent_id: UUID) -> None:
    await service.refuse_deletion(ctx, agent_id)
