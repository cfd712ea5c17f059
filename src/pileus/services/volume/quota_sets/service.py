"""Quota sets: what the API may ask for. The limits are Identity's; what is in use, each noun counts."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.facts import facts
from pileus.kernel.quota import Used, limits
from pileus.services.identity.quotas import service as quotas
from pileus.services.volume.snapshots import service as snapshots
from pileus.services.volume.types import service as types
from pileus.services.volume.types.service import Type
from pileus.services.volume.volumes import service_quota as volumes

__all__ = ["Level", "change", "change_defaults", "clear", "defaults", "levels", "names", "used_by"]

SERVICE = "volume"


class Level(msgspec.Struct, frozen=True):
    """The limit of a resource, and how much is in use."""

    limit: int
    used: int


def counted(type_: Type | None, owner: str) -> dict[str, Used]:
    """What is counted of one type, or of all."""
    suffix = f"_{type_.name}" if type_ else ""
    return {
        f"volumes{suffix}": volumes.volumes(type_ and type_.id)([owner]),
        f"snapshots{suffix}": snapshots.used(type_)([owner]),
        f"gigabytes{suffix}": volumes.gigabytes(type_ and type_.id)([owner]),
    }


async def names(ctx: Ctx) -> list[str]:
    """What is limited: for all volumes, and for those of each type."""
    every = [*facts(SERVICE, "quotas")["limits"]]
    return every + [name for type_ in await types.every(ctx) for name in counted(type_, "")]


async def used_by(ctx: Ctx, project_id: str) -> dict[str, int]:
    """How much is in use of what is limited for volumes of all types together."""
    counts = counted(None, project_id)
    row = (await ctx.execute(sa.select(*(used.scalar_subquery() for used in counts.values())))).one()
    return {name: int(number or 0) for name, number in zip(counts, row, strict=True)}


async def levels(ctx: Ctx, project_id: str) -> dict[str, Level]:
    """Limit and use of each."""
    async with ctx.read() as ctx:
        wanted, kinds = await names(ctx), [None, *await types.every(ctx)]
        known = await limits(ctx, SERVICE, wanted, project_id)
        counts = {name: used for kind in kinds for name, used in counted(kind, project_id).items()}
        row = (await ctx.execute(sa.select(*(used.scalar_subquery() for used in counts.values())))).one()
    used = dict(zip(counts, row, strict=True))
    return {name: Level(known[name], int(used.get(name) or 0)) for name in wanted}


async def defaults(ctx: Ctx) -> dict[str, int]:
    """For who has no limits of its own."""
    async with ctx.read() as ctx:
        return await quotas.defaults(ctx, SERVICE, await names(ctx))


async def change(ctx: Ctx, project_id: str, wanted: Mapping[str, int]) -> None:
    """Raises NotFound, Conflict, Forbidden as Identity does."""
    if wanted:
        await quotas.set_limits(ctx, SERVICE, project_id, wanted)


async def change_defaults(ctx: Ctx, wanted: Mapping[str, int]) -> None:
    """Raises Conflict as Identity does."""
    if wanted:
        await quotas.set_defaults(ctx, SERVICE, wanted)


async def clear(ctx: Ctx, project_id: str) -> None:
    """Let the defaults count again."""
    await quotas.clear(ctx, SERVICE, project_id)
