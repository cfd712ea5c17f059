"""Long operations on volumes. Read top to bottom: that is the order they run in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pileus.engines.blocks import Source, Volume
from pileus.engines.verbs import Failed, Going
from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.operations import Op, Saga, Wait
from pileus.services.volume import images
from pileus.services.volume.messages import service as messages
from pileus.services.volume.pools import service as pools
from pileus.services.volume.types import service as types
from pileus.services.volume.volumes import hooks, rules, store

KIND = "volume.volume"
COPY_S, SEEN_S = 3600.0, 1200.0


async def told(ctx: Ctx, volume: store.Volume) -> None:
    await changed(ctx, KIND, "updated", volume.id, project_id=volume.project_id)


async def put_back(op: Op, **columns: Any) -> None:
    """What was done to the volume is done: it is what it was before, or what its attachments have made of that since."""
    volume = await store.hold(op.ctx, op.subject_id)
    assert volume is not None
    await settle(op.ctx, volume, **columns)


async def settle(ctx: Ctx, volume: store.Volume, **columns: Any) -> None:
    """The same of a volume that this transaction holds."""
    status = volume.previous_status if volume.previous_status != "error" else "available"
    settled = {"status": status or "available", "previous_status": None, "updated_at": ctx.now()}
    await store.change(ctx, volume.id, **settled, **columns)
    await told(ctx, volume)


async def fail(op: Op, action: str, status: str, volume_id: UUID | None = None) -> None:
    """The volume says that and why it is in error, and so does a message to its project; not if it is to be deleted."""
    volume = await store.find(op.ctx, volume_id or op.subject_id)
    if volume is None or (volume.id == op.subject_id and op.successor is not None):
        return
    await store.change(op.ctx, volume.id, status=status, cause=op.cause, updated_at=op.ctx.now())
    await messages.tell(op.ctx, action, ("VOLUME", volume.id, volume.project_id), op.cause)
    await told(op.ctx, volume)


def at_rest(volume: store.Volume) -> bool:
    """Whether it is whole, and nothing is being done to it."""
    return volume.status in rules.SOURCES


async def lose(ctx: Ctx, volume_id: UUID, cause: str) -> bool:
    """What it held is gone: it is in error, which no detachment mends, and a message to its project says why. Whether it
    was at rest until now."""
    async with ctx.transaction() as ctx:
        volume = await store.hold(ctx, volume_id)
        if volume is None or not at_rest(volume):
            return False
        lost = {"status": "error", "previous_status": "error", "cause": cause, "updated_at": ctx.now()}
        await store.change(ctx, volume.id, **lost)
        await messages.tell(ctx, "keep volume", ("VOLUME", volume.id, volume.project_id), cause)
        await told(ctx, volume)
        return True


def source_of(volume: store.Volume, url: str | None, disk_format: str | None) -> Source | None:
    if url is not None:
        return Source(url=url, format=disk_format)
    if volume.snapshot_id is not None:
        return Source(snapshot_id=volume.snapshot_id)
    return Source(volume_id=volume.source_volume_id) if volume.source_volume_id else None


async def open_image(op: Op, image_id: UUID | None) -> dict[str, str | None]:
    """Where the host gets the image's bytes: the way there is a secret, and kept sealed."""
    if image_id is None:
        return {}
    url, disk_format = await images.transfer(op.ctx, image_id, op.subject_id)
    return {"url": images.sealed(op.ctx, url), "format": disk_format}


async def fill(op: Op, volume: store.Volume, host: str, opened: dict[str, str | None]) -> Any:
    """See to it that the host has the volume, with what it begins with."""
    sealed = opened.get("url")
    url = images.unsealed(op.ctx, sealed) if sealed else None
    spec = Volume(id=volume.id, size_gib=volume.size_gib, source=source_of(volume, url, opened.get("format")))
    return await op.engine("blocks", host).ensure_volume(spec)


# made

create_volume = Saga("volume.create_volume")


@create_volume.step
async def look_at_hosts(op: Op) -> None:
    """How much room there is: only what nobody has looked at lately is asked."""
    if op.memo["only"] is None:
        await pools.look(op.ctx)


@create_volume.rows
async def place(op: Op) -> str:
    volume = await store.find(op.ctx, op.subject_id)
    assert volume is not None
    specs = await types.specs_of(op.ctx, volume.type_id)
    host = op.memo["only"] or await pools.choose(op.ctx, volume.size_gib, specs=specs)
    await store.change(op.ctx, op.subject_id, host=host)
    return str(host)


@place.undo
async def unplace(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, host=None)


@create_volume.rows
async def open_source(op: Op) -> dict[str, str | None]:
    return await open_image(op, UUID(op.memo["image_id"]) if op.memo["image_id"] else None)


@create_volume.step(deadline_s=COPY_S)
async def make(op: Op) -> Any:
    volume = await store.find(op.ctx, op.subject_id)
    assert volume is not None
    return await fill(op, volume, op.memo["place"], op.memo["open_source"])


@make.undo
async def unmake(op: Op) -> Any:
    return await op.settle(op.memo["place"], "blocks", "ensure_volume_gone", op.subject_id)


@create_volume.rows
async def mark_available(op: Op) -> None:
    project_id = await store.make_available(op.ctx, op.subject_id)
    await changed(op.ctx, KIND, "updated", op.subject_id, project_id=project_id)


@create_volume.undone
@create_volume.parked
async def mark_unmade(op: Op) -> None:
    await fail(op, "schedule allocate volume", "error")


# gone

delete_volume = Saga("volume.delete_volume")


@delete_volume.step(deadline_s=COPY_S, point_of_no_return=True)
async def destroy(op: Op) -> Any:
    """Nobody is given it any more, then its host has it no more. What goes along has operations of its own."""
    async with op.ctx.read() as ctx:
        volume, parts = await store.find(ctx, op.subject_id), await hooks.having(ctx, op.subject_id)
    if volume is not None and volume.status != "deleting":  # something else has ended on it since
        async with op.ctx.transaction() as ctx:
            await store.change(ctx, volume.id, status="deleting", updated_at=ctx.now())
    if await hooks.waits_for(op.ctx, op.subject_id, parts):
        return Wait(30.0, note="its snapshots go first")
    host = volume.host if volume else None
    if host is None:
        return None
    for attachment_id in await hooks.exports_of(op.ctx, op.subject_id, parts):
        answer = await op.settle(host, "blocks", "ensure_unexported", attachment_id)
        if isinstance(answer, (Going, Failed)):
            return answer
    return await op.settle(host, "blocks", "ensure_volume_gone", op.subject_id)


@delete_volume.rows
async def forget(op: Op) -> None:
    project_id = await store.remove(op.ctx, op.subject_id)
    await hooks.forget_with(op.ctx, op.subject_id)
    if project_id is not None:
        await changed(op.ctx, KIND, "deleted", op.subject_id, project_id=project_id)


@delete_volume.parked
async def mark_undeleted(op: Op) -> None:
    await fail(op, "delete volume", "error_deleting")


# grown

extend_volume = Saga("volume.extend_volume")


@extend_volume.step(deadline_s=600)
async def grow(op: Op) -> Any:
    volume = await store.find(op.ctx, op.subject_id)
    assert volume is not None
    spec = Volume(id=volume.id, size_gib=volume.target_gib)
    return await op.engine("blocks", op.memo["host"]).ensure_volume(spec)


@extend_volume.rows
async def mark_grown(op: Op) -> None:
    await store.take_target_size(op.ctx, op.subject_id)


@mark_grown.undo
async def mark_as_small(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, size_gib=op.memo["size_gib"])


@extend_volume.step(deadline_s=SEEN_S, point_of_no_return=True)
async def show_users(op: Op) -> Wait | None:
    """Only then may it be detached, or grow again."""
    return await hooks.tell_extended(op, op.subject_id)


@extend_volume.rows
async def end_growth(op: Op) -> None:
    await put_back(op)


@extend_volume.undone
@extend_volume.parked
async def mark_ungrown(op: Op) -> None:
    """Its size is what the row says: the bytes beyond, if there are any, are nobody's."""
    volume = await store.hold(op.ctx, op.subject_id)
    if volume is not None:
        await store.change(op.ctx, volume.id, target_gib=volume.size_gib, previous_status=None)
    await fail(op, "extend volume", "error_extending")


# filled anew: with an image, or with a snapshot. Compute does it in steps of its own, to volumes that servers run from

REIMAGE = "reimage volume"


async def opened(op: Op, image_id: UUID | None, snapshot_id: UUID | None) -> dict[str, Any]:
    """What is read, and what the volume will show of its image."""
    found: dict[str, Any] = {"snapshot_id": snapshot_id}
    if image_id is None:
        return found
    if snapshot_id is None:
        found |= await open_image(op, image_id)
    return {**found, "image": images.described(await images.get(op.ctx, image_id))}


async def emptied(op: Op, volume_id: UUID) -> Any:
    """What it held is what the user wants gone. None when the volume is."""
    volume = await store.find(op.ctx, volume_id)
    if volume is None or volume.host is None:
        return None
    return await op.engine("blocks", volume.host).ensure_volume_gone(volume_id)


async def refilled(op: Op, volume_id: UUID, found: Mapping[str, Any]) -> Any:
    """`found`: what `opened` has. None when the volume is gone."""
    volume = await store.find(op.ctx, volume_id)
    if volume is None or volume.host is None:
        return None
    url = images.unsealed(op.ctx, found["url"]) if found.get("url") else None
    snapshot_id = found["snapshot_id"]
    source = Source(url=url, format=found.get("format"), snapshot_id=UUID(snapshot_id) if snapshot_id else None)
    spec = Volume(id=volume.id, size_gib=volume.size_gib, source=source)
    return await op.engine("blocks", volume.host).ensure_volume(spec)


async def show_refilled(ctx: Ctx, volume_id: UUID, found: Mapping[str, Any]) -> None:
    """In a rows step: it is what it was before, but for what it holds."""
    volume = await store.hold(ctx, volume_id)
    if volume is None:
        return
    shown = found.get("image")
    if shown is not None:
        await store.IMAGE.put(ctx, volume_id, shown, replace=True)
    await settle(ctx, volume, cause=None, filling_id=None, bootable=volume.bootable or shown is not None)


async def show_unfilled(op: Op, volume_id: UUID) -> None:
    """In the last rows of what came to nothing: it is what it was, and a message says why it is not more."""
    volume = await store.hold(op.ctx, volume_id)
    if volume is not None:
        await store.change(op.ctx, volume.id, filling_id=None, previous_status=None)
        await fail(op, REIMAGE, volume.previous_status or "error", volume_id)


async def show_half_filled(op: Op, volume_id: UUID) -> None:
    """When it parks: what it was before, it is again when that operation ends well."""
    await fail(op, REIMAGE, "error", volume_id)


refill_volume = Saga("volume.refill_volume")


@refill_volume.step
async def open_filling(op: Op) -> dict[str, Any]:
    image_id, snapshot_id = (op.memo[name] and UUID(op.memo[name]) for name in ("image_id", "snapshot_id"))
    return await opened(op, image_id, snapshot_id)


@refill_volume.step(point_of_no_return=True, deadline_s=600)
async def empty(op: Op) -> Any:
    return await emptied(op, op.subject_id)


@refill_volume.step(deadline_s=COPY_S)
async def refill(op: Op) -> Any:
    return await refilled(op, op.subject_id, op.memo["open_filling"])


@refill_volume.rows
async def mark_refilled(op: Op) -> None:
    await show_refilled(op.ctx, op.subject_id, op.memo["open_filling"])


@refill_volume.undone
async def mark_as_it_was(op: Op) -> None:
    await show_unfilled(op, op.subject_id)


@refill_volume.parked
async def mark_half_filled(op: Op) -> None:
    await show_half_filled(op, op.subject_id)


# copied into an image

upload_volume = Saga("volume.upload_volume")


@upload_volume.step
async def open_place(op: Op) -> str:
    """Where the host puts the bytes: the way there is a secret, and kept sealed."""
    return images.sealed(op.ctx, await images.receive(op.ctx, UUID(op.memo["image_id"]), op.subject_id))


@open_place.undo
async def give_image_up(op: Op) -> None:
    await images.abandon(op.ctx, UUID(op.memo["image_id"]))


@upload_volume.step(deadline_s=COPY_S)
async def upload(op: Op) -> Any:
    url = images.unsealed(op.ctx, op.memo["open_place"])
    return await op.engine("blocks", op.memo["host"]).ensure_uploaded(op.subject_id, url, op.memo["format"])


@upload_volume.rows
async def mark_uploaded(op: Op) -> None:
    await put_back(op)


@upload_volume.undone
@upload_volume.parked
async def mark_not_uploaded(op: Op) -> None:
    volume = await store.hold(op.ctx, op.subject_id)
    if volume is not None:
        await fail(op, "copy volume to image", volume.previous_status or "available")
