"""Snapshots: what the API, the nouns above and Compute may ask for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.operations import ChildFailed, Op, Wait, refuse_if_busy
from pileus.kernel.operations.start import Beginning, begin
from pileus.kernel.quota import Claim, Owners
from pileus.services.identity.projects import service as projects
from pileus.services.volume.http import is_admin, missing, seen, visible
from pileus.services.volume.lists import Asked, Found
from pileus.services.volume.pools import service as pools
from pileus.services.volume.quotas import SNAPSHOTS
from pileus.services.volume.snapshots import sagas, store
from pileus.services.volume.snapshots.store import Snapshot
from pileus.services.volume.types import service as types
from pileus.services.volume.types.service import Type
from pileus.services.volume.volumes import service as volumes
from pileus.services.volume.volumes import service_quota as quota
from pileus.services.volume.volumes.service import VOLUME, Deletion, Loose, Origin

__all__ = [
    "LISTED",
    "METADATA",
    "Snapshot",
    "Wanted",
    "await_all",
    "change",
    "count_of",
    "create",
    "delete",
    "delete_of",
    "drop_all",
    "find",
    "get",
    "hand_over",
    "in_pages",
    "of_volume",
    "page",
    "reset",
    "used",
]

LISTED, METADATA = store.LISTED, store.METADATA
DELETABLE = ("available", "error")
POLL_S = 30.0

find = store.find
in_pages = store.in_pages
of_volume = store.of_volume
count_of = store.count_of
hand_over = store.hand_over
pools.promised_by("snapshot", store.promised)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot to be made. `in_use`: also of a volume that a server uses."""

    volume_id: UUID
    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] = {}
    in_use: bool = False


async def page(ctx: Ctx, asked: Asked) -> Found[Snapshot]:
    """The snapshots that the query string asks for. Raises BadRequest."""
    return await store.page(ctx, asked, visible(ctx, store.snapshots.c.project_id, all_projects=asked.all_projects))


async def get(ctx: Ctx, snapshot_id: UUID) -> Snapshot:
    """A snapshot that the caller may know of. Raises NotFound."""
    found = await store.find(ctx, snapshot_id)
    if found is None or not seen(ctx, found.project_id):
        raise missing("snapshot_id", snapshot_id)
    return found


def used(type_: Type | None = None) -> Callable[[Owners], sa.Select[Any]]:
    """How many snapshots, of volumes of one type or of all."""
    return lambda owners: store.counted(owners, type_.id if type_ else None)


async def create(
    ctx: Ctx, wanted: Wanted, *, snapshot_id: UUID | None = None, parent_id: UUID | None = None
) -> Snapshot:
    """Record it and begin to make it. Raises BadRequest, NotFound, VolumeOverQuota.

    `parent_id`: an operation that waits for it, by `await_all`.
    """
    project_id = ctx.caller.project_id
    if project_id is None:
        raise BadRequest("A snapshot belongs to a project: ask with a token for one.")
    async with ctx.transaction() as ctx:
        volume = await volumes.get(ctx, wanted.volume_id)
        check(volume, wanted)
        assert volume.host is not None
        snapshot = described(ctx, volume, wanted, project_id)
        snapshot = msgspec.structs.replace(snapshot, id=snapshot_id or snapshot.id)
        await begin(ctx, Beginning(sagas.create_snapshot, snapshot.id, {"host": volume.host}, parent_id=parent_id))
        type_ = (await types.by_ids(ctx, [volume.type_id])).get(volume.type_id, types.DEFAULT)
        claims = [
            Claim(SNAPSHOTS, 1, used()),
            Claim(quota.of_type(SNAPSHOTS, type_), 1, used(type_)),
            *quota.more_gigabytes(type_, volume.size_gib),
        ]
        await quota.claim(ctx, project_id, claims, size_gib=0)
        await projects.hold(ctx, project_id)
        check(await volumes.hold(ctx, volume.id), wanted)
        await store.add(ctx, snapshot)
        await METADATA.put(ctx, snapshot.id, wanted.metadata)
        await changed(ctx, sagas.KIND, "created", snapshot.id, project_id=project_id)
    return snapshot


async def await_all(op: Op, snapshot_ids: Collection[UUID]) -> Wait | None:
    """In a step that acts: snapshots that were begun for this operation are there, or Wait. Raises ChildFailed."""
    waiting = []
    for snapshot_id in snapshot_ids:
        snapshot = await store.find(op.ctx, snapshot_id)
        if snapshot is None or snapshot.status not in ("creating", "available"):
            cause = snapshot.cause if snapshot else "it was deleted"
            raise ChildFailed(f"Snapshot {snapshot_id} could not be made: {cause or 'it is in error'}")
        if snapshot.status == "creating":
            waiting.append(snapshot_id)
    return Wait(POLL_S, note=f"waiting for {len(waiting)} snapshots") if waiting else None


async def drop_all(ctx: Ctx, snapshot_ids: Collection[UUID]) -> None:
    """In a transaction: these go, whatever is just being done with them. May be repeated."""
    for snapshot_id in sorted(snapshot_ids):  # in the order of locks
        with suppress(NotFound):
            await delete(ctx, snapshot_id, force=True)


async def any_goes(ctx: Ctx, volume_id: UUID) -> bool:
    """Whether one of the volume is on its way out: the volume may go after it."""
    return any(each.status == "deleting" for each in await store.of_volume(ctx, volume_id))


def check(volume: volumes.Volume, wanted: Wanted) -> None:
    """Raises BadRequest when there can be no snapshot of the volume now."""
    expected = ("available", "in-use") if wanted.in_use else ("available",)
    if volume.status not in expected or volume.host is None:
        raise volumes.invalid(
            f"Volume {volume.id} status must be {', '.join(expected)}, but current status is: {volume.status}."
        )


def described(ctx: Ctx, volume: volumes.Volume, wanted: Wanted, project_id: str) -> Snapshot:
    return Snapshot(
        id=ctx.world.ids.uuid(),
        volume_id=volume.id,
        project_id=project_id,
        user_id=ctx.caller.user_id,
        name=wanted.name,
        description=wanted.description,
        size_gib=volume.size_gib,
        type_id=volume.type_id,
        zone=volume.zone,
        host=volume.host or "",
        created_at=ctx.now(),
    )


async def change(
    ctx: Ctx, snapshot: Snapshot, columns: Mapping[str, Any], pairs: Mapping[str, str] | None = None, **how: bool
) -> Snapshot:
    """Write columns, and some metadata; `replace`: all of it. Raises NotFound."""
    async with ctx.transaction() as ctx:
        if await store.hold(ctx, snapshot.id) is None:
            raise missing("snapshot_id", snapshot.id)
        await store.change(ctx, snapshot.id, **columns, updated_at=ctx.now())
        if pairs is not None:
            await METADATA.put(ctx, snapshot.id, pairs, **how)
        await sagas.told(ctx, snapshot)
        return await get(ctx, snapshot.id)


async def delete(ctx: Ctx, snapshot_id: UUID, *, force: bool = False) -> None:
    """Begin to delete it; `force`: whatever it is doing. May be repeated. Raises NotFound; BadRequest while it is used."""
    async with ctx.transaction() as ctx:
        await get(ctx, snapshot_id)
        await sagas.delete_snapshot.supersede(ctx, snapshot_id)  # first: for the order of locks
        snapshot = await store.hold(ctx, snapshot_id)
        if snapshot is None or (snapshot.status == "deleting" and not force):
            return
        if not force and (snapshot.status not in DELETABLE or await volumes.being_made_of(ctx, snapshot_id)):
            raise BadRequest(
                "Invalid snapshot: Snapshot status must be available or error and must not be part of a group, and no "
                "volume may be just being made of it."
            )
        await store.change(ctx, snapshot_id, status="deleting", updated_at=ctx.now())
        await sagas.told(ctx, snapshot)


async def delete_of(ctx: Ctx, project_ids: Sequence[str], *, most: int = 100) -> int:
    """Begin to delete some of these projects' snapshots. Returns how many."""
    found = await store.undeleted_of(ctx, project_ids, most)
    for snapshot in found:
        await sagas.delete_snapshot.supersede(ctx, snapshot.id)
        await store.change(ctx, snapshot.id, status="deleting")
    return len(found)


async def reset(ctx: Ctx, snapshot: Snapshot, status: str, progress: str | None = None) -> None:
    """Say what it is, whatever it was. Raises Conflict while an operation is at work on it."""
    async with ctx.transaction() as ctx:
        await refuse_if_busy(ctx, [snapshot.id])
        columns = {"status": status} | ({"progress": progress} if progress else {})
        await store.change(ctx, snapshot.id, **columns, updated_at=ctx.now())
        await sagas.told(ctx, snapshot)


@volumes.origin
async def origin(ctx: Ctx, snapshot_id: UUID) -> Origin:
    """What a volume can be made of. In a transaction, it stays so until that ends. Raises NotFound."""
    writing = ctx.connection is not None and ctx.connection.writes
    found = await (store.hold if writing else store.find)(ctx, snapshot_id)
    if found is None or not seen(ctx, found.project_id):
        raise missing("snapshot_id", snapshot_id)
    return Origin(found.id, found.volume_id, found.size_gib, found.host, found.status)


class OfVolumes(Loose):
    """What snapshots have to say when a volume shall go."""

    those = store.snapshots.c.volume_id == VOLUME

    async def subjects(self, ctx: Ctx, volume_id: UUID) -> list[UUID]:
        return [each.id for each in await of_volume(ctx, volume_id)]

    async def begin(self, ctx: Ctx, deletion: Deletion) -> bool:
        """All of them go along, if that was asked for; one that is busy, or another project's, does not."""
        found = await of_volume(ctx, deletion.volume.id)
        mine = is_admin(ctx) or all(each.project_id == deletion.volume.project_id for each in found)
        free = deletion.force or all(each.status in {*DELETABLE, "deleting"} for each in found)
        if found and not (deletion.cascade and mine and free):
            return False
        for each in found:
            await sagas.delete_snapshot.supersede(ctx, each.id)
            await store.change(ctx, each.id, status="deleting", updated_at=ctx.now())
        return True

    async def waits(self, ctx: Ctx, volume_id: UUID) -> bool:
        return bool(await of_volume(ctx, volume_id))

    def gigabytes(self, owners: Owners, type_id: UUID | None) -> sa.Select[Any] | None:
        return store.gigabytes(owners, type_id)


volumes.part(OfVolumes())
