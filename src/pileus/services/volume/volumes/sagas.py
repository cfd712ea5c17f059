"""Long operations on volumes. Read top to bottom: that is the order they run in."""

from __future__ import annotations

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
from pileus.services.volume.volumes import hooks, store

KIND = "volume.volume"
COPY_S = 3600.0


async def told(ctx: Ctx, volume: store.Volume) -> None:
    await changed(ctx, KIND, "updated", volume.id, project_id=volume.project_id)


async def put_back(op: Op, **columns: Any) -> None:
    """What was done to the volume is done: it is what it was before, or what its attachments have made of that since."""
    volume = await store.hold(op.ctx, op.subject_id)
    assert volume is not None
    status = volume.previous_status if volume.previous_status != "error" else "available"
    settled = {"status": status or "available", "previous_status": None, "updated_at": op.ctx.now()}
    await store.change(op.ctx, volume.id, **settled, **columns)
    await told(op.ctx, volume)


async def fail(op: Op, action: str, status: str) -> None:
    """The volume says that and why it is in error, and so does a message to its project."""
    volume = await store.find(op.ctx, op.subject_id)
    if volume is None:
        return
    await store.change(op.ctx, volume.id, status=status, cause=op.cause, updated_at=op.ctx.now())
    await messages.tell(op.ctx, action, ("VOLUME", volume.id, volume.project_id), op.cause)
    await told(op.ctx, volume)


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


@create_volume.step
async def open_source(op: Op) -> dict[str, str | None]:
    volume = await store.find(op.ctx, op.subject_id)
    return await open_image(op, volume.image_id if volume else None)


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
    volume = await store.find(op.ctx, op.subject_id)
    assert volume is not None
    await store.change(op.ctx, volume.id, status="available", cause=None, updated_at=op.ctx.now())
    await told(op.ctx, volume)


@create_volume.undone
@create_volume.parked
async def mark_unmade(op: Op) -> None:
    await fail(op, "schedule allocate volume", "error")


# gone

delete_volume = Saga("volume.delete_volume")


@delete_volume.rows(point_of_no_return=True)
async def mark_deleting(op: Op) -> dict[str, Any]:
    volume = await store.find(op.ctx, op.subject_id)
    await store.change(op.ctx, op.subject_id, status="deleting", updated_at=op.ctx.now())
    return {"host": volume.host if volume else None}


@delete_volume.step(deadline_s=COPY_S)
async def await_snapshots(op: Op) -> Wait | None:
    """What goes along has operations of its own."""
    return Wait(30.0, note="its snapshots go first") if await hooks.waits_for(op.ctx, op.subject_id) else None


@delete_volume.step
async def close_exports(op: Op) -> Any:
    host = op.memo["mark_deleting"]["host"]
    for attachment_id in await hooks.exports_of(op.ctx, op.subject_id) if host else ():
        answer = await op.settle(host, "blocks", "ensure_unexported", attachment_id)
        if isinstance(answer, (Going, Failed)):
            return answer
    return None


@delete_volume.step(deadline_s=600)
async def destroy(op: Op) -> Any:
    host = op.memo["mark_deleting"]["host"]
    return await op.settle(host, "blocks", "ensure_volume_gone", op.subject_id) if host else None


@delete_volume.rows
async def forget(op: Op) -> None:
    volume = await store.find(op.ctx, op.subject_id)
    await hooks.forget_with(op.ctx, op.subject_id)
    await store.remove(op.ctx, op.subject_id)
    if volume is not None:
        await changed(op.ctx, KIND, "deleted", volume.id, project_id=volume.project_id)


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
    await put_back(op, size_gib=store.volumes.c.target_gib)
    await hooks.tell_extended(op.ctx, op.subject_id)


@extend_volume.undone
@extend_volume.parked
async def mark_ungrown(op: Op) -> None:
    """Its size is what it was: the bytes beyond, if there are any, are nobody's."""
    volume = await store.hold(op.ctx, op.subject_id)
    if volume is not None:
        await store.change(op.ctx, volume.id, target_gib=volume.size_gib, previous_status=None)
    await fail(op, "extend volume", "error_extending")


# filled anew: with an image, or with a snapshot of its own

refill_volume = Saga("volume.refill_volume")


@refill_volume.step
async def open_filling(op: Op) -> dict[str, str | None]:
    image_id = op.memo["image_id"]
    return await open_image(op, UUID(image_id) if image_id else None)


@refill_volume.step(point_of_no_return=True, deadline_s=600)
async def empty(op: Op) -> Any:
    """What it held is what the user wants gone."""
    return await op.engine("blocks", op.memo["host"]).ensure_volume_gone(op.subject_id)


@refill_volume.step(deadline_s=COPY_S)
async def refill(op: Op) -> Any:
    volume = await store.find(op.ctx, op.subject_id)
    assert volume is not None
    sealed = op.memo["open_filling"].get("url")
    url = images.unsealed(op.ctx, sealed) if sealed else None
    snapshot_id = op.memo["snapshot_id"]
    source = Source(
        url=url,
        format=op.memo["open_filling"].get("format"),
        snapshot_id=UUID(snapshot_id) if snapshot_id else None,
    )
    spec = Volume(id=volume.id, size_gib=volume.size_gib, source=source)
    return await op.engine("blocks", op.memo["host"]).ensure_volume(spec)


@refill_volume.rows
async def mark_refilled(op: Op) -> None:
    await put_back(op, cause=None)


@refill_volume.undone
async def mark_as_it_was(op: Op) -> None:
    volume = await store.hold(op.ctx, op.subject_id)
    if volume is not None:
        await fail(op, "reimage volume", volume.previous_status or "error")


@refill_volume.parked
async def mark_half_filled(op: Op) -> None:
    await fail(op, "reimage volume", "error")


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
