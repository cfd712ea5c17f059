"""What the demonstration tells Identity: which of its things belong to a project, and how they go.

Importing this declares them; what stands on other things comes after those.
"""

from __future__ import annotations

from collections.abc import Sequence

from demo.machines import service as machines
from demo.networks import service as networks
from demo.volumes import service as volumes
from pileus.kernel.context import Ctx
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Owned


@projects.owner("demo.network")
async def networks_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await networks.count_of(ctx, ids))


@networks_owned.delete
async def delete_networks(ctx: Ctx, ids: Sequence[str]) -> int:
    return await networks.delete_of(ctx, ids)


@projects.owner("demo.volume")
async def volumes_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await volumes.count_of(ctx, ids))


@volumes_owned.delete
async def delete_volumes(ctx: Ctx, ids: Sequence[str]) -> int:
    return await volumes.delete_of(ctx, ids, but=await machines.disk_ids(ctx))


@projects.owner("demo.machine")
async def machines_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await machines.count_of(ctx, ids))


@machines_owned.delete
async def delete_machines(ctx: Ctx, ids: Sequence[str]) -> int:
    return await machines.delete_of(ctx, ids)
