"""Agents: each host has one that carries its ports, and one that answers guests who ask for their metadata.

They are no rows: there are as many as there are hosts, and they are alive while those are.
"""

from __future__ import annotations

from uuid import UUID, uuid5

import msgspec

from pileus.kernel import hosts
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.hosts import Host
from pileus.services.network.agents import store
from pileus.services.network.http import no_such

__all__ = ["Agent", "change", "get", "list_", "refuse_deletion"]

CONTROLLER, METADATA = "ovn-controller", "neutron-ovn-metadata-agent"
TYPES = {CONTROLLER: "OVN Controller agent", METADATA: "OVN Metadata agent"}
DELETED = "OVN agents cannot be deleted while there is their host: let the operator say `pileus host delete`."


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    binary: str
    agent_type: str
    host: str
    alive: bool
    admin_state_up: bool
    description: str | None
    started_at: float
    heartbeat_at: float


async def list_(ctx: Ctx) -> list[Agent]:
    """Those that the caller may see, by host and binary: all or none."""
    if not ctx.world.policy.allows("get_agent", ctx.caller, {}):
        return []
    async with ctx.read() as ctx:
        noted = await store.notes(ctx)
        return [_agent(ctx, host, binary, noted) for host in await hosts.list_all(ctx) for binary in TYPES]


def _agent(ctx: Ctx, host: Host, binary: str, noted: dict[UUID, tuple[str | None, bool]]) -> Agent:
    agent_id = uuid5(host.id, binary)
    description, up = noted.get(agent_id, (None, True))
    local = host.address == hosts.LOCAL
    return Agent(
        id=agent_id,
        binary=binary,
        agent_type=TYPES[binary],
        host=host.name,
        alive=host.usable and not host.fenced,
        admin_state_up=up,
        description=description,
        started_at=host.joined_at,
        heartbeat_at=ctx.now() if local else host.renewed_at,
    )


async def get(ctx: Ctx, agent_id: UUID) -> Agent:
    """Raises NotFound."""
    for agent in await list_(ctx):
        if agent.id == agent_id:
            return agent
    raise no_such("agent", agent_id)


async def change(ctx: Ctx, agent_id: UUID, *, description: str | None, admin_state_up: bool | None) -> Agent:
    """Note what is not None. Raises NotFound."""
    async with ctx.transaction() as ctx:
        before = await get(ctx, agent_id)
        words = before.description if description is None else description
        up = before.admin_state_up if admin_state_up is None else admin_state_up
        await store.note(ctx, agent_id, description=words, admin_state_up=up)
        return await get(ctx, agent_id)


async def refuse_deletion(ctx: Ctx, agent_id: UUID) -> None:
    """An agent goes with its host. Raises NotFound, BadRequest."""
    await get(ctx, agent_id)
    raise BadRequest(f"Bad agent request: {DELETED}", type="BadRequest")
