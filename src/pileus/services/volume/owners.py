"""What Block Storage tells Identity: which of its things belong to a project, and how they go.

Importing this declares them; snapshots stand on volumes, and come after them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pileus.kernel.context import Ctx
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Owned
from pileus.services.volume.snapshots import service as snapshots
from pileus.services.volume.volumes import service as volumes


@projects.owner("volume.volume")
async def volumes_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await volumes.count_of(ctx, ids))


@volumes_owned.delete
async def delete_volumes(ctx: Ctx, ids: Sequence[str]) -> int:
    return await volumes.delete_of(ctx, ids)


@projects.owner("volume.snapshot")
async def snapshots_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await snapshots.count_of(ctx, ids))


@snapshots_owned.delete
async def delete_snapshots(ctx: Ctx, ids: Sequence[str]) -> int:
    return await snapshots.delete_of(ctx, ids)
