"""Hosts: letting them in, looking at them, stating them dead. The kernel holds the rows."""

from __future__ import annotations

from pileus.kernel import hosts, joins
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.kernel.hosts import Host
from pileus.kernel.join_token import JoinToken
from pileus.services.compute.servers import service as servers
from pileus.services.compute.servers.service import Move


async def list_(ctx: Ctx) -> list[Host]:
    """Every host, by name."""
    return await hosts.list_all(ctx)


async def show(ctx: Ctx, name: str) -> Host:
    """Raises NotFound."""
    return await hosts.get(ctx, name)


async def create_token(ctx: Ctx, name: str) -> tuple[JoinToken, float]:
    """A token with which a machine becomes the host of that name, and when it expires. Raises BadRequest, Conflict."""
    if not ctx.world.config.agents.listen:
        raise Conflict("Nobody listens for agents: set `listen` in the section [agents] of the configuration.")
    return await joins.create_token(ctx, name)


async def fence(ctx: Ctx, name: str) -> None:
    """State it dead: nobody waits for it, and it does not come back by itself. Raises NotFound."""
    await hosts.fence(ctx, name)


async def lift_fence(ctx: Ctx, name: str) -> None:
    """It may come back, once it has removed what is others' by now. Raises NotFound."""
    await hosts.lift_fence(ctx, name)


async def plan_drain(ctx: Ctx, name: str) -> list[Move]:
    """Where each server on it would go, or what is in the way. Raises NotFound."""
    await hosts.get(ctx, name)
    return await servers.plan_drain(ctx, name)


async def drain(ctx: Ctx, name: str) -> list[Move]:
    """It gets no new guests, and those that can move begin to. Raises NotFound."""
    await hosts.get(ctx, name)
    return await servers.drain(ctx, name)


async def delete(ctx: Ctx, name: str) -> None:
    """Forget one that was stated dead. Raises NotFound, Conflict."""
    await hosts.delete(ctx, name)
