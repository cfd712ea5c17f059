"""Volumes: what the API, the nouns above and Compute may ask for.

Compute makes a volume for a server in a step of its own operation: `ensure_created(op, "root", wanted)` until it is there,
and `ensure_deleted(op, "root")` in the undo. It uses volumes by `attachments.service`. A volume that nobody has open is filled anew by
`opened`, `emptied` and `refilled` in steps, `show_refilled` in rows; `show_unfilled` and `show_half_filled` say what came of it else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.operations import ChildFailed, Op, Wait, refuse_if_busy
from pileus.services.volume.bags import Bag
from pileus.services.volume.http import missing, seen, visible
from pileus.services.volume.lists import Asked, Found
from pileus.services.volume.pools import service as pools
from pileus.services.volume.types import service as types
from pileus.services.volume.volumes import hooks, making, rules, sagas, store
from pileus.services.volume.volumes import service_quota as quota
from pileus.services.volume.volumes.hooks import VOLUME, Deletion, Loose, Origin, extended, origin, part
from pileus.services.volume.volumes.making import ZONES, Wanted
from pileus.services.volume.volumes.store import Volume

__all__ = [
    "IMAGE",
    "KIND",
    "LISTED",
    "METADATA",
    "VOLUME",
    "ZONES",
    "Deletion",
    "Loose",
    "Origin",
    "Volume",
    "Wanted",
    "by_ids",
    "change",
    "create",
    "delete",
    "ensure_created",
    "ensure_deleted",
    "extended",
    "find",
    "find_held",
    "get",
    "hold",
    "in_pages",
    "invalid",
    "origin",
    "page",
    "part",
    "set_status",
    "summary",
]

KIND = sagas.KIND
METADATA, IMAGE, LISTED = store.METADATA, store.IMAGE, store.LISTED

find = store.find
find_held = store.hold
by_ids = store.by_ids
in_pages = store.in_pages
create = making.create
opened, emptied, refilled = sagas.opened, sagas.emptied, sagas.refilled
at_rest, lose = sagas.at_rest, sagas.lose
show_refilled, show_unfilled, show_half_filled = sagas.show_refilled, sagas.show_unfilled, sagas.show_half_filled
pools.promised_by("volume", store.promised)
types.in_use(store.any_of_type)


def invalid(reason: str) -> BadRequest:
    """Not in this status."""
    return BadRequest(f"Invalid volume: {reason}")


async def page(ctx: Ctx, asked: Asked) -> Found[Volume]:
    """The volumes that the query string asks for. Raises BadRequest."""
    return await store.page(ctx, asked, visible(ctx, store.volumes.c.project_id, all_projects=asked.all_projects))


async def summary(ctx: Ctx, asked: Asked) -> tuple[int, int, dict[str, list[str]]]:
    """How many there are, their GiB together, and what metadata they carry. Raises BadRequest."""
    shown = visible(ctx, store.volumes.c.project_id, all_projects=asked.all_projects)
    async with ctx.read() as ctx:
        count, gib = await store.summary(ctx, asked.filters, shown)
        return count, gib, await store.metadata_of(ctx, asked.filters, shown)


async def get(ctx: Ctx, volume_id: UUID) -> Volume:
    """A volume that the caller may know of. Raises NotFound."""
    found = await store.find(ctx, volume_id)
    if found is None or not seen(ctx, found.project_id):
        raise missing("volume_id", volume_id)
    return found


async def hold(ctx: Ctx, volume_id: UUID) -> Volume:
    """As `get`, and nobody changes the row until this transaction ends. Raises NotFound."""
    found = await store.hold(ctx, volume_id)
    if found is None or not seen(ctx, found.project_id):
        raise missing("volume_id", volume_id)
    return found


async def set_status(ctx: Ctx, volume: Volume, status: str, **columns: Any) -> None:
    """Write the status of a volume that this transaction holds, and tell who may see it."""
    await store.change(ctx, volume.id, status=status, updated_at=ctx.now(), **columns)
    await sagas.told(ctx, volume)


async def change(
    ctx: Ctx, volume: Volume, columns: Mapping[str, Any], pairs: Mapping[str, str] | None = None
) -> Volume:
    """Write columns, and all metadata if any is said."""
    async with ctx.transaction() as ctx:
        await hold(ctx, volume.id)
        await store.change(ctx, volume.id, **columns, updated_at=ctx.now())
        if pairs is not None:
            await METADATA.put(ctx, volume.id, pairs, replace=True)
        await sagas.told(ctx, volume)
        return await get(ctx, volume.id)


async def put_metadata(ctx: Ctx, volume: Volume, pairs: Mapping[str, str], *, replace: bool = False) -> None:
    """Set these; with `replace` all others go. Raises NotFound."""
    async with _telling(ctx, volume) as ctx:
        await METADATA.put(ctx, volume.id, pairs, replace=replace)


async def drop_metadata(ctx: Ctx, volume: Volume, key: str) -> None:
    """May be repeated. Raises NotFound for the volume."""
    async with _telling(ctx, volume) as ctx:
        await METADATA.drop(ctx, volume.id, key)


async def put_image_metadata(ctx: Ctx, volume: Volume, pairs: Mapping[str, str]) -> None:
    """What the volume shows of its image. Raises NotFound."""
    async with _telling(ctx, volume) as ctx:
        await IMAGE.put(ctx, volume.id, pairs)


async def drop_image_metadata(ctx: Ctx, volume: Volume, key: str) -> bool:
    """Whether there was any of that key. Raises NotFound for the volume."""
    async with _telling(ctx, volume) as ctx:
        return await IMAGE.drop(ctx, volume.id, key)


@asynccontextmanager
async def _telling(ctx: Ctx, volume: Volume) -> AsyncIterator[Ctx]:
    """A transaction that holds the volume and says that it was changed."""
    async with ctx.transaction() as ctx:
        await hold(ctx, volume.id)
        yield ctx
        await sagas.told(ctx, volume)


# on behalf of a server's operation


async def ensure_created(op: Op, label: str, wanted: Wanted) -> Wait | str:
    """In a step that acts: the volume `op.uuid(label)` is there; its id, or Wait. Raises what `create` does, ChildFailed."""
    volume_id = op.uuid(label)
    volume = await store.find(op.ctx, volume_id)
    if volume is None:
        await making.create(op.ctx, wanted, volume_id=volume_id, parent=(op, label))
    elif volume.status == "error":
        raise ChildFailed(volume.cause or f"Volume {volume_id} could not be made.")
    elif volume.status != "creating":
        return str(volume_id)
    return Wait(making.POLL_S, note=f"waiting for volume {volume_id}")


async def ensure_deleted(op: Op, label: str) -> Wait | None:
    """In an undo that acts: nothing of that volume is left, or is being taken away.

    One that is used by now, or of which there are snapshots, stays its project's.
    """
    if wait := await op.cancel_child(label):
        return wait
    with suppress(BadRequest, NotFound):
        await delete(op.ctx, op.uuid(label))
    return None


# gone


def anybody(volume: Volume) -> None:
    """May delete it."""


async def delete(
    ctx: Ctx,
    volume_id: UUID,
    *,
    cascade: bool = False,
    force: bool = False,
    check: Callable[[Volume], None] = anybody,
) -> None:
    """Begin to delete it. With `cascade` its snapshots go along; `force`: whatever it is just doing. May be repeated.

    `check`: raises when the caller may not. Raises NotFound; BadRequest while it is used.
    """
    async with ctx.transaction() as ctx:
        along = await hooks.subjects_of(ctx, volume_id) if cascade else []
        for subject_id in sorted([volume_id, *along]):  # the locks of all that goes, in their order
            await ctx.lock("subject", subject_id)
        await sagas.delete_volume.supersede(ctx, volume_id)
        volume = await hold(ctx, volume_id)
        check(volume)
        if volume.status == "deleting" and not force:
            return
        right = force or volume.status in rules.DELETABLE
        if not right or not await hooks.begin_deletion(ctx, Deletion(volume, cascade, force)):
            raise invalid(
                f"Volume {'' if force else f'status must be {words()} and '}must not be migrating, attached, belong to a "
                "group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer."
            )
        await set_status(ctx, volume, "deleting")


class Carried(Loose):
    """The pairs that a volume carries."""

    def __init__(self, bag: Bag) -> None:
        self.bag, self.those = bag, bag.table.c.owner_id == VOLUME

    async def forget(self, ctx: Ctx, volume_id: UUID) -> None:
        await self.bag.drop(ctx, volume_id)


class BeingMade(Loose):
    """Volumes that are just being made of it."""

    those = store.being_made("source_volume_id", VOLUME)

    async def begin(self, ctx: Ctx, deletion: Deletion) -> bool:
        return deletion.force


for each in (BeingMade(), Carried(METADATA), Carried(IMAGE)):
    part(each)


def words() -> str:
    *most, last = rules.DELETABLE
    return f"{', '.join(most)} or {last}"


async def delete_of(ctx: Ctx, project_ids: Sequence[str], *, most: int = 100) -> int:
    """Begin to delete some of these projects' volumes: those of which no snapshot is left. Returns how many."""
    begun = 0
    for volume in await store.undeleted_of(ctx, project_ids, most):
        if await hooks.begin_deletion(ctx, Deletion(volume, force=True, with_project=True)):
            await sagas.delete_volume.supersede(ctx, volume.id)
            await set_status(ctx, volume, "deleting")
            begun += 1
    return begun


count_of = store.count_of


async def being_made_of(ctx: Ctx, snapshot_id: UUID) -> bool:
    """Whether a volume is just being made of this snapshot."""
    return await store.any_of_snapshot(ctx, snapshot_id)


# grown


async def extend(ctx: Ctx, volume: Volume, size_gib: int, *, in_use: bool) -> None:
    """Begin to make it larger; `in_use`: also while a server uses it. Raises BadRequest, Conflict, VolumeOverQuota."""
    async with ctx.transaction() as ctx:
        if size_gib <= volume.size_gib:
            raise BadRequest(
                "Invalid input received: New size for extend must be greater than current size. "
                f"(current: {volume.size_gib}, extended: {size_gib})."
            )
        await check_status(volume, ["in-use"] if in_use and volume.status == "in-use" else ["available"], "extend")
        await sagas.extend_volume.start(ctx, volume.id, host=volume.host, size_gib=volume.size_gib)
        found = (await types.by_ids(ctx, [volume.type_id])).get(volume.type_id, types.DEFAULT)
        more = quota.more_gigabytes(found, size_gib - volume.size_gib)
        await quota.claim(ctx, volume.project_id, more, size_gib=size_gib)
        held = await hold(ctx, volume.id)
        if held.status != volume.status:
            raise invalid(f"Volume {volume.id} was just changed; its status is {held.status}.")
        await set_status(ctx, volume, "extending", previous_status=volume.status, target_gib=size_gib)


async def check_status(volume: Volume, expected: Sequence[str], what: str) -> None:
    """Raises BadRequest."""
    if volume.status not in expected:
        raise invalid(
            f"Volume {volume.id} status must be {rules.either(expected)} to {what}, currently {volume.status}."
        )


# filled anew


async def revert(ctx: Ctx, volume: Volume, snapshot_id: UUID) -> None:
    """Begin to make it what it was in a snapshot. Raises NotFound, Conflict."""
    await _refill(ctx, volume, "reverting", image_id=None, snapshot_id=snapshot_id)


async def reimage(ctx: Ctx, volume: Volume, image_id: UUID) -> None:
    """Begin to give it the bytes of an image. Raises NotFound, Conflict; BadRequest when it cannot hold them."""
    snapshot_id = await check_image(ctx, image_id, volume)
    await _refill(ctx, volume, "downloading", image_id=image_id, snapshot_id=snapshot_id)


async def _refill(ctx: Ctx, volume: Volume, status: str, *, image_id: UUID | None, snapshot_id: UUID | None) -> None:
    async with ctx.transaction() as ctx:
        begin = sagas.refill_volume.start
        await begin(ctx, volume.id, image_id=image_id, snapshot_id=snapshot_id)
        await begin_filling(ctx, volume, status, snapshot_id)


async def begin_filling(ctx: Ctx, volume: Volume, status: str, snapshot_id: UUID | None) -> None:
    """In the transaction that starts the operation, after that: `status` is what it is meanwhile. Raises NotFound,
    Conflict."""
    if snapshot_id is not None:
        await hooks.origin_of(ctx, snapshot_id)  # it stays until the row says that it is being used
    held = await hold(ctx, volume.id)
    if held.status != volume.status:
        raise Conflict(f"Volume {volume.id} was just changed; its status is {held.status}.")
    await set_status(ctx, held, status, previous_status=held.status, filling_id=snapshot_id)


# copied into an image


async def upload(ctx: Ctx, volume: Volume, image_id: UUID, disk_format: str) -> None:
    """Begin to send its bytes to an image that was made for them. Raises BadRequest, Conflict."""
    async with ctx.transaction() as ctx:
        begin, host = sagas.upload_volume.start, volume.host
        await begin(ctx, volume.id, host=host, image_id=image_id, format=disk_format)
        held = await hold(ctx, volume.id)
        if held.status != volume.status:
            raise Conflict(f"Volume {volume.id} was just changed; its status is {held.status}.")
        await set_status(ctx, held, "uploading", previous_status=held.status)


async def check_image(ctx: Ctx, image_id: UUID, volume: Volume) -> UUID | None:
    """The snapshot that it stands for, if it has no bytes. Raises NotFound; BadRequest for an image that the volume cannot
    be filled with."""
    ground = await making.ground_of_image(ctx, image_id)
    least_gib = max(ground.least_gib, ground.size_gib)
    if volume.size_gib < least_gib:
        raise BadRequest(f"Invalid input received: the image needs {least_gib} GiB, the volume has {volume.size_gib}.")
    if ground.host not in (None, volume.host):
        raise BadRequest(
            f"Invalid input received: image {image_id} stands for snapshot {ground.snapshot_id}, which is on another host "
            "than the volume: make a volume of it."
        )
    return ground.snapshot_id


# what an administrator says


async def reset(ctx: Ctx, volume: Volume, status: str | None) -> None:
    """Say what it is, whatever it was. Raises Conflict while an operation is at work on it."""
    async with ctx.transaction() as ctx:
        await refuse_if_busy(ctx, [volume.id])
        held = await hold(ctx, volume.id)
        if status is not None:
            await set_status(ctx, held, status, previous_status=None)


async def retype(ctx: Ctx, volume: Volume, type_: types.Type) -> None:
    """Let it be of another type, on the same host. Raises BadRequest, VolumeOverQuota."""
    async with ctx.transaction() as ctx:
        await quota.claim(ctx, volume.project_id, quota.of_another_type(type_, volume.size_gib), size_gib=0)
        await types.hold(ctx, type_)
        _, multiattach = await types.traits(ctx, type_.id)
        held = await hold(ctx, volume.id)
        await check_status(held, ["available", "in-use"], "retype")
        if held.status == "in-use" and multiattach != held.multiattach:
            raise invalid(
                "Retyping a volume in use between types that do and do not allow multiattach is not supported."
            )
        await store.change(ctx, held.id, type_id=type_.id, multiattach=multiattach, updated_at=ctx.now())
        await sagas.told(ctx, held)


async def hand_over(ctx: Ctx, volume: Volume, project_id: str, user_id: str) -> None:
    """In the transaction of an accepted transfer, which holds the row: it belongs to another project."""
    owned = {"project_id": project_id, "user_id": user_id}
    await set_status(ctx, volume, "available", previous_status=None, **owned)
    await changed(ctx, KIND, "updated", volume.id, project_id=project_id)
