"""Volumes: what machines may ask for."""

from collections.abc import Collection, Sequence
from uuid import UUID

from demo.volumes import store
from demo.volumes.sagas import create_volume, delete_volume
from demo.volumes.store import count_of, find
from pileus.kernel.context import Ctx

__all__ = ["count_of", "create_volume", "delete_of", "delete_volume", "find"]


async def delete_of(ctx: Ctx, project_ids: Sequence[str], *, but: Collection[UUID]) -> int:
    """Begin to delete those of these projects, but for some. Returns how many."""
    found = {id_: host for id_, host in await store.undeleted_of(ctx, project_ids) if id_ not in but}
    for volume_id, host in found.items():
        await delete_volume.supersede(ctx, volume_id, host=host)
        await store.change(ctx, volume_id, status="deleting")
    return len(found)
