"""Quotas: how much a project may have of each noun, and how much it has. The limits are Identity's."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.facts import facts
from pileus.kernel.quota import limits
from pileus.services.identity.quotas import service as quotas
from pileus.services.network.quotas import counts

__all__ = ["RESOURCES", "Level", "change", "clear", "defaults", "levels", "of_project", "with_own"]

SERVICE = "network"
LEFT_OUT = frozenset({"router_route", "trunk", "default"})
RESOURCES = tuple(name for name in facts(SERVICE, "quotas")["limits"] if name not in LEFT_OUT)


class Level(msgspec.Struct, frozen=True):
    """The limit of a resource, and how much is in use. Nothing is ever reserved: what is asked for is there or not."""

    limit: int
    used: int
    reserved: int = 0


async def of_project(ctx: Ctx, project_id: str) -> dict[str, int]:
    """The limit of each resource."""
    found = await limits(ctx, SERVICE, RESOURCES, project_id)
    return {name: found[name] for name in RESOURCES}


async def levels(ctx: Ctx, project_id: str) -> dict[str, Level]:
    """Limit and use of each."""
    async with ctx.read() as ctx:
        known = await of_project(ctx, project_id)
        counted = [name for name in RESOURCES if name in counts]
        row = (await ctx.execute(sa.select(*(counts[name]([project_id]).scalar_subquery() for name in counted)))).one()
    used = {name: int(number or 0) for name, number in zip(counted, row, strict=True)}
    return {name: Level(known[name], used.get(name, 0)) for name in RESOURCES}


async def defaults(ctx: Ctx) -> dict[str, int]:
    """For who has no limits of its own."""
    async with ctx.read() as ctx:
        return await quotas.defaults(ctx, SERVICE, RESOURCES)


async def with_own(ctx: Ctx) -> list[str]:
    """The projects that have limits of their own."""
    async with ctx.read() as ctx:
        return await quotas.owners(ctx, SERVICE)


async def change(ctx: Ctx, project_id: str, wanted: Mapping[str, int]) -> None:
    """Raises NotFound, Conflict, Forbidden as Identity does."""
    if wanted:
        await quotas.set_limits(ctx, SERVICE, project_id, wanted)


async def clear(ctx: Ctx, project_id: str) -> None:
    """Let the defaults count again. Raises NotFound for a project without limits of its own."""
    await quotas.clear(ctx, SERVICE, project_id)
