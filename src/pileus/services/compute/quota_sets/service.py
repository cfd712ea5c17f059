"""Quota sets: what the rest of Compute may ask for. The limits are Identity's; what is in use, each noun counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.facts import facts
from pileus.kernel.quota import UNLIMITED, limits
from pileus.services.compute.quotas import counts
from pileus.services.identity.projects import service as projects
from pileus.services.identity.quotas import service as quotas

__all__ = ["Level", "change", "change_defaults", "check_project", "clear", "defaults", "in_use", "levels", "resources"]

SERVICE = "compute"
KNOWN = facts(SERVICE, "quotas")


class Level(msgspec.Struct, frozen=True):
    """The limit of a resource, and how much is in use."""

    limit: int
    used: int


def resources(*, networks: bool, files: bool) -> list[str]:
    """What is limited: with what was of networks, and of injected files, in earlier microversions."""
    left_out = {*(() if networks else KNOWN["until_2_35"]), *(() if files else KNOWN["until_2_56"])}
    return [name for name in KNOWN["limits"] if name not in left_out]


async def check_project(ctx: Ctx, project_id: str) -> None:
    """Raises BadRequest."""
    if await projects.find(ctx, project_id) is None:
        raise BadRequest(f"Project ID {project_id} is not a valid project.")


async def in_use(ctx: Ctx, project_id: str, names: Collection[str]) -> dict[str, int]:
    """How much the project uses; 0 of what is limited for each user or group alone."""
    counted = [name for name in names if name in counts]
    used = dict.fromkeys(names, 0)
    if counted:
        row = (await ctx.execute(sa.select(*(counts[name]([project_id]).scalar_subquery() for name in counted)))).one()
        used |= {name: int(number or 0) for name, number in zip(counted, row, strict=True)}
    return used


async def levels(ctx: Ctx, project_id: str, names: Collection[str]) -> dict[str, Level]:
    """Limit and use of each."""
    async with ctx.read() as ctx:
        known, used = await limits(ctx, SERVICE, names, project_id), await in_use(ctx, project_id, names)
    return {name: Level(known[name], used[name]) for name in names}


async def defaults(ctx: Ctx, names: Collection[str]) -> dict[str, int]:
    """For who has no limits of its own."""
    async with ctx.read() as ctx:
        return await quotas.defaults(ctx, SERVICE, names)


async def change(ctx: Ctx, project_id: str, wanted: Mapping[str, int], *, force: bool) -> None:
    """Raises BadRequest for a limit below what is in use, unless by `force`; Conflict, Forbidden as Identity does."""
    async with ctx.transaction() as ctx:
        used = {} if force else await in_use(ctx, project_id, list(wanted))
        for name, number in used.items():
            if UNLIMITED < wanted[name] < number:
                raise BadRequest(
                    f"Quota limit {wanted[name]} for {name} must be greater than or equal to already used and reserved "
                    f"{number}."
                )
        if wanted:
            await quotas.set_limits(ctx, SERVICE, project_id, wanted)


async def change_defaults(ctx: Ctx, wanted: Mapping[str, int]) -> None:
    """Raises Conflict as Identity does."""
    if wanted:
        await quotas.set_defaults(ctx, SERVICE, wanted)


async def clear(ctx: Ctx, project_id: str) -> None:
    """Let the defaults count again."""
    await quotas.clear(ctx, SERVICE, project_id)
