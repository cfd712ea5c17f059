"""Block Storage's volumes and snapshots in the words that Compute had for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Forbidden
from pileus.kernel.paging import Ask
from pileus.services.compute.http import long_stamp
from pileus.services.volume.attachments import service as attachments
from pileus.services.volume.attachments.service import Attachment
from pileus.services.volume.lists import Asked, sorts
from pileus.services.volume.quotas import VolumeOverQuota
from pileus.services.volume.snapshots import service as snapshots
from pileus.services.volume.snapshots.service import Snapshot
from pileus.services.volume.types import service as types
from pileus.services.volume.volumes import service as volumes
from pileus.services.volume.volumes.service import Volume, Wanted

MOST = 1000


def all_of(first: int, most: int | None) -> Asked:
    return Asked(ask=Ask(MOST if most is None else min(most, MOST), None), offset=first, sorts=sorts({}), filters={})


@contextmanager
def in_its_words() -> Iterator[None]:
    """What was too much was forbidden here."""
    try:
        yield
    except VolumeOverQuota as e:
        raise Forbidden(e.message) from None


# volumes


async def shown(ctx: Ctx, several: Sequence[Volume]) -> list[dict[str, Any]]:
    ids = [volume.id for volume in several]
    async with ctx.read() as ctx:
        pairs = await volumes.METADATA.of_all(ctx, ids)
        users = await attachments.of_volumes(ctx, ids)
        known = await types.by_ids(ctx, {volume.type_id for volume in several})
    return [
        {
            "id": volume.id,
            "status": volume.status,
            "size": volume.size_gib,
            "availabilityZone": volume.zone,
            "createdAt": long_stamp(volume.created_at),
            "attachments": [attached([each for each in users[volume.id] if each.status == "attached"])],
            "displayName": volume.name,
            "displayDescription": volume.description,
            "volumeType": known.get(volume.type_id, types.DEFAULT).name,
            "snapshotId": volume.snapshot_id,
            "metadata": pairs[volume.id],
        }
        for volume in several
    ]


def attached(users: Sequence[Attachment]) -> dict[str, Any]:
    """The first, which was the only one; {}: there is none."""
    if not users:
        return {}
    user = users[0]
    device = {"device": user.mountpoint} if user.mountpoint else {}
    return {"id": user.volume_id, "volumeId": user.volume_id, "serverId": user.server_id, **device}


async def page(ctx: Ctx, first: int, most: int | None) -> list[dict[str, Any]]:
    """Those of the caller's project."""
    return await shown(ctx, (await volumes.page(ctx, all_of(first, most))).items)


async def get(ctx: Ctx, volume_id: UUID) -> dict[str, Any]:
    """Raises NotFound."""
    return (await shown(ctx, [await volumes.get(ctx, volume_id)]))[0]


async def create(ctx: Ctx, wanted: Wanted) -> dict[str, Any]:
    """Raises NotFound, BadRequest, Forbidden."""
    with in_its_words():
        made, _ = await volumes.create(ctx, wanted)
        return (await shown(ctx, [made]))[0]


async def delete(ctx: Ctx, volume_id: UUID) -> None:
    """Raises NotFound, BadRequest."""
    volume = await volumes.get(ctx, volume_id)
    ctx.require({"project_id": volume.project_id})
    await volumes.delete(ctx, volume_id)


# snapshots


def snapshot_shown(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "volumeId": snapshot.volume_id,
        "status": snapshot.status,
        "size": snapshot.size_gib,
        "createdAt": long_stamp(snapshot.created_at),
        "displayName": snapshot.name,
        "displayDescription": snapshot.description,
    }


async def page_of_snapshots(ctx: Ctx, first: int, most: int | None) -> list[dict[str, Any]]:
    """Those of the caller's project."""
    return [snapshot_shown(each) for each in (await snapshots.page(ctx, all_of(first, most))).items]


async def get_snapshot(ctx: Ctx, snapshot_id: UUID) -> dict[str, Any]:
    """Raises NotFound."""
    return snapshot_shown(await snapshots.get(ctx, snapshot_id))


async def create_snapshot(ctx: Ctx, wanted: snapshots.Wanted) -> dict[str, Any]:
    """Raises NotFound, BadRequest, Forbidden."""
    with in_its_words():
        return snapshot_shown(await snapshots.create(ctx, wanted))


async def delete_snapshot(ctx: Ctx, snapshot_id: UUID) -> None:
    """Raises NotFound, BadRequest."""
    snapshot = await snapshots.get(ctx, snapshot_id)
    ctx.require({"project_id": snapshot.project_id})
    await snapshots.delete(ctx, snapshot_id)
