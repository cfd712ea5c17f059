"""How a volume begins: what it is made of, how large and of which type it is, and whether the project may have it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.operations import Op
from pileus.kernel.operations.start import Beginning, begin
from pileus.services.identity.projects import service as projects
from pileus.services.image.images.service import Image
from pileus.services.volume import images
from pileus.services.volume.http import missing, seen
from pileus.services.volume.types import service as types
from pileus.services.volume.types.service import Type
from pileus.services.volume.volumes import hooks, rules, store
from pileus.services.volume.volumes import service_quota as quota
from pileus.services.volume.volumes.sagas import KIND, create_volume
from pileus.services.volume.volumes.store import Volume

ZONES = ("nova",)
POLL_S = 5.0
GIB = 1 << 30
IMAGE_TYPE = "cinder_img_volume_type"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A volume to be made. Without a size it is as large as what it is made of; of an image it must be said."""

    size_gib: int | None = None
    name: str | None = None
    description: str | None = None
    type: str | None = None  # id or name
    metadata: dict[str, str] = {}
    snapshot_id: UUID | None = None
    source_volume_id: UUID | None = None
    image_id: UUID | None = None
    zone: str | None = None


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of what a volume is made of."""

    size_gib: int = 0
    what: str = ""
    host: str | None = None
    type_id: UUID | None = None
    zone: str | None = None
    bootable: bool = False
    image: dict[str, str] = {}
    least_gib: int = 1
    snapshot_id: UUID | None = None  # what an image without bytes stands for


async def create(
    ctx: Ctx, wanted: Wanted, *, volume_id: UUID | None = None, parent: tuple[Op, str] | None = None
) -> tuple[Volume, Type]:
    """Record it and begin to make it. Returns it and what it is of. Raises BadRequest, NotFound, Conflict, VolumeOverQuota.

    `parent`: an operation that waits for it, and by which label.
    """
    project_id = ctx.caller.project_id
    if project_id is None:
        raise BadRequest("A volume belongs to a project: ask with a token for one.")
    async with ctx.transaction() as ctx:
        ground = await ground_of(ctx, wanted)
        if ground.snapshot_id is not None:
            wanted = msgspec.structs.replace(wanted, snapshot_id=ground.snapshot_id, image_id=None)
        type_ = await type_of(ctx, wanted, ground)
        volume = described(ctx, wanted, ground, type_, multiattach=await may_be_shared(ctx, type_))
        volume = msgspec.structs.replace(volume, id=volume_id or volume.id, project_id=project_id)
        await start(ctx, volume, ground, parent)
        await quota.claim(ctx, project_id, quota.a_volume(type_, volume.size_gib), size_gib=volume.size_gib)
        await projects.hold(ctx, project_id)
        await types.hold(ctx, type_)
        await hold_ground(ctx, wanted)
        await store.add(ctx, volume)
        await store.METADATA.put(ctx, volume.id, wanted.metadata)
        await store.IMAGE.put(ctx, volume.id, ground.image)
        await changed(ctx, KIND, "created", volume.id, project_id=project_id)
    return volume, type_


async def start(ctx: Ctx, volume: Volume, ground: Ground, parent: tuple[Op, str] | None) -> None:
    memo: dict[str, Any] = {"only": ground.host, "image_id": volume.image_id}
    if parent is None:
        await create_volume.start_new(ctx, volume.id, **memo)
        return
    op, label = parent
    child_id = op.uuid(f"child:{label}")
    await begin(ctx, Beginning(create_volume, volume.id, memo, operation_id=child_id, parent_id=op.id))


async def ground_of(ctx: Ctx, wanted: Wanted) -> Ground:
    """Raises NotFound, BadRequest for what no volume can be made of now."""
    named = [wanted.snapshot_id, wanted.source_volume_id, wanted.image_id]
    if sum(each is not None for each in named) > 1:
        raise BadRequest("Invalid input received: May specify only one of snapshot, imageRef or source volume.")
    if wanted.snapshot_id is not None:
        return await ground_of_snapshot(ctx, wanted.snapshot_id)
    if wanted.source_volume_id is not None:
        return await ground_of_volume(ctx, wanted.source_volume_id)
    return await ground_of_image(ctx, wanted.image_id) if wanted.image_id else Ground()


async def ground_of_snapshot(ctx: Ctx, snapshot_id: UUID) -> Ground:
    origin = await hooks.origin_of(ctx, snapshot_id)
    if origin.status != "available":
        raise BadRequest("Invalid snapshot: Originating snapshot status must be one of 'available' values")
    volume = await store.find(ctx, origin.volume_id)
    return Ground(
        size_gib=origin.size_gib,
        what="the snapshot size",
        host=origin.host,
        type_id=volume.type_id if volume else None,
        zone=volume.zone if volume else None,
        bootable=bool(volume and volume.bootable),
        image=await store.IMAGE.of(ctx, origin.volume_id),
    )


async def ground_of_volume(ctx: Ctx, volume_id: UUID) -> Ground:
    volume = await store.find(ctx, volume_id)
    if volume is None or not seen(ctx, volume.project_id):
        raise missing("volume_id", volume_id)
    if volume.status not in rules.SOURCES:
        raise BadRequest("Invalid volume: Originating source volume status must be one of 'available, in-use' values")
    return Ground(
        size_gib=volume.size_gib,
        what="original volume size ",
        host=volume.host,
        type_id=volume.type_id,
        zone=volume.zone,
        bootable=volume.bootable,
        image=await store.IMAGE.of(ctx, volume_id),
    )


async def ground_of_image(ctx: Ctx, image_id: UUID) -> Ground:
    image = await images.get(ctx, image_id)
    if image.status != "active":
        raise BadRequest(f"Invalid input received: Image {image_id} is not active.")
    if not image.size:
        return await ground_of_snapshot_image(ctx, image)
    size = max(image.size or 0, image.virtual_size or 0)
    least_gib = max(-(-size // GIB), image.min_disk or 0, 1)
    return Ground(bootable=True, image=images.described(image), least_gib=least_gib)


async def ground_of_snapshot_image(ctx: Ctx, image: Image) -> Ground:
    """An image without bytes stands for a snapshot: of the root of a server that ran from volumes. Raises BadRequest."""
    snapshot_id = images.snapshot_of(image)
    if snapshot_id is None:
        raise BadRequest(f"Invalid input received: Image {image.id} has no data.")
    try:
        ground = await ground_of_snapshot(ctx, snapshot_id)
    except NotFound as e:
        raise BadRequest(f"Invalid input received: Image {image.id} has no data: {e.message}") from None
    return msgspec.structs.replace(ground, snapshot_id=snapshot_id, image=images.described(image), bootable=True)


async def hold_ground(ctx: Ctx, wanted: Wanted) -> None:
    """What it is made of stays until the row of the new volume says that it is being used."""
    if wanted.source_volume_id is not None:
        found = await store.hold(ctx, wanted.source_volume_id)
        if found is None or found.status not in rules.SOURCES:
            raise BadRequest("Invalid volume: Originating source volume was just changed.")
    if wanted.snapshot_id is not None:
        await hooks.origin_of(ctx, wanted.snapshot_id)


async def type_of(ctx: Ctx, wanted: Wanted, ground: Ground) -> Type:
    """Raises NotFound."""
    if wanted.type:
        return await types.find(ctx, wanted.type)
    if ground.type_id is not None:
        return (await types.by_ids(ctx, [ground.type_id])).get(ground.type_id, types.DEFAULT)
    if IMAGE_TYPE in ground.image:
        return await types.find(ctx, ground.image[IMAGE_TYPE])
    return await types.default(ctx)


async def may_be_shared(ctx: Ctx, type_: Type) -> bool:
    """Whether several servers may attach a new volume of the type at once. Raises BadRequest for one that cannot be made."""
    encrypted, multiattach = await types.traits(ctx, type_.id)
    if encrypted:
        raise BadRequest(
            f"Invalid volume type: volumes of type {type_.name} would have to be encrypted, which this cloud cannot do; "
            "choose another type."
        )
    return multiattach


def described(ctx: Ctx, wanted: Wanted, ground: Ground, type_: Type, *, multiattach: bool) -> Volume:
    """The row. Raises BadRequest."""
    zone = wanted.zone or ground.zone or ZONES[0]
    if zone not in ZONES:
        raise BadRequest(f"Availability zone '{zone}' is invalid.")
    size_gib = sized(wanted, ground)
    columns: dict[str, Any] = {
        "name": wanted.name,
        "description": wanted.description,
        "snapshot_id": wanted.snapshot_id,
        "source_volume_id": wanted.source_volume_id,
        "image_id": wanted.image_id,
    }
    return Volume(
        id=ctx.world.ids.uuid(),
        project_id="",
        user_id=ctx.caller.user_id,
        size_gib=size_gib,
        target_gib=size_gib,
        zone=zone,
        type_id=type_.id,
        bootable=ground.bootable,
        multiattach=multiattach,
        created_at=ctx.now(),
        **columns,
    )


def sized(wanted: Wanted, ground: Ground) -> int:
    """How large it will be. Raises BadRequest when that is not said, or too little."""
    size_gib = wanted.size_gib if wanted.size_gib is not None else ground.size_gib or None
    if size_gib is None or size_gib < 1:
        raise BadRequest(f"Invalid input received: Volume size '{size_gib}' must be an integer and greater than 0")
    if size_gib < ground.size_gib:
        raise BadRequest(
            f"Invalid input received: Volume size '{size_gib}'GB cannot be smaller than {ground.what} "
            f"{ground.size_gib}GB. They must be >= {ground.what.removeprefix('the ').strip()}."
        )
    if size_gib < ground.least_gib:
        raise BadRequest(
            f"Invalid input received: Volume size {size_gib}GB cannot be smaller than the {ground.least_gib}GB that the "
            "image needs."
        )
    return size_gib
