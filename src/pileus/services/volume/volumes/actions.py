"""What may be done to a volume by POST /v3/volumes/{volume_id}/action, but for attaching it."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound, NotImplementedHere
from pileus.kernel.http import Body
from pileus.services.volume import images
from pileus.services.volume.attachments import service as attachments
from pileus.services.volume.http import Flag, Key, Pairs, api, flag
from pileus.services.volume.snapshots import service as snapshots
from pileus.services.volume.types import service as types
from pileus.services.volume.volumes import rules, service
from pileus.services.volume.volumes.api import ONE, own

ACTION = f"{ONE}/action"
ADMIN = "volume_extension:volume_admin_actions"
IMAGE = "volume_extension:volume_image_metadata"

Short = Annotated[str, Meta(max_length=255)]
DiskFormat = Literal["raw", "vmdk", "vdi", "qcow2", "vhd", "vhdx", "ploop"]
Digits = Annotated[str, Meta(pattern=r"^[0-9]{1,10}$")]
Size = Annotated[int, Meta(ge=1, le=2**31 - 1)] | Digits


class Extend(Body, frozen=True):
    new_size: Size


class Reset(Body, frozen=True):
    status: Short | None = None
    attach_status: Literal["attached", "detached"] | None = None
    migration_status: Short | None = None


class Bootable(Body, frozen=True):
    bootable: Flag


class ReadOnly(Body, frozen=True):
    readonly: Flag


class Retype(Body, frozen=True):
    new_type: Short
    migration_policy: Literal["on-demand", "never"] | None = None


class Upload(Body, frozen=True):
    image_name: Annotated[str, Meta(min_length=1, max_length=255)]
    force: Flag = False
    disk_format: DiskFormat = "raw"
    container_format: Short | None = "bare"


class UploadShared(Upload, frozen=True):
    visibility: Literal["community", "public", "private", "shared"] = "private"
    protected: Flag = False


class SetImage(Body, frozen=True):
    metadata: dict[Key, Annotated[str, Meta(max_length=65_535)]]


class UnsetImage(Body, frozen=True):
    key: Annotated[str, Meta(min_length=1, max_length=255)]


class Reimage(Body, frozen=True):
    image_id: UUID
    reimage_reserved: Flag = False


class Migrate(Body, frozen=True):
    host: Short | None = None
    cluster: Short | None = None
    force_host_copy: Flag = False
    lock_volume: Flag = False


class Migrated(Body, frozen=True):
    new_volume: UUID
    error: Flag = False


class Extended(Body, frozen=True):
    error: Flag = False


@api.action(ACTION, "os-extend", rule="volume:extend")
async def extend_volume(ctx: Ctx, volume_id: UUID, body: Extend) -> None:
    volume = await own(ctx, volume_id)
    size_gib = int(body.new_size)
    if not 0 < size_gib < 2**31:
        raise BadRequest(f"Invalid input for new_size: {size_gib} is no size.")
    await service.extend(ctx, volume, size_gib, in_use=ctx.at("3.42"))


@api.action(ACTION, "os-reset_status", rule=f"{ADMIN}:reset_status")
async def reset_volume(ctx: Ctx, volume_id: UUID, body: Reset) -> None:
    volume = await own(ctx, volume_id)
    status = body.status.lower() if body.status else None
    if status is None and body.attach_status is None and body.migration_status is None:
        raise BadRequest("Must specify 'status', 'attach_status' or 'migration_status' for update.")
    if status is not None and status not in rules.STATUSES:
        raise BadRequest(f"Invalid input for status: {body.status!r} is none.")
    if status in {"deleting", "error_deleting", "detaching"}:
        raise BadRequest(f"Cannot reset-state to {status}")
    used = await attachments.of_volume(ctx, volume_id)
    if status == "in-use" and not used:
        raise BadRequest("Cannot reset-state to in-use because volume does not have any attachments.")
    await service.reset(ctx, volume, status)
    for each in used if body.attach_status == "detached" else ():
        await attachments.release(ctx, each.id)


@api.action(ACTION, "os-force_delete", rule=f"{ADMIN}:force_delete")
async def force_delete_volume(ctx: Ctx, volume_id: UUID, body: Any = None) -> None:
    await service.delete(ctx, (await own(ctx, volume_id)).id, force=True)


@api.action(ACTION, "os-set_bootable", rule="volume:update", status=200)
async def set_bootable(ctx: Ctx, volume_id: UUID, body: Bootable) -> None:
    volume = await own(ctx, volume_id)
    await service.change(ctx, volume, {"bootable": flag("bootable", body.bootable)})


@api.action(ACTION, "os-update_readonly_flag", rule="volume:update_readonly_flag")
async def set_read_only(ctx: Ctx, volume_id: UUID, body: ReadOnly) -> None:
    volume = await own(ctx, volume_id)
    read_only = flag("readonly", body.readonly)
    if volume.status != "available":
        raise service.invalid(
            f"Volume {volume_id} status must be available to update readonly flag, but current status is: {volume.status}."
        )
    await service.change(ctx, volume, {"read_only": read_only})


@api.action(ACTION, "os-retype", rule="volume:retype")
async def retype_volume(ctx: Ctx, volume_id: UUID, body: Retype) -> None:
    volume = await own(ctx, volume_id)
    type_ = await types.find(ctx, body.new_type)
    if type_.id == volume.type_id:
        raise service.invalid("Retype needs the requested type to be different from the one of the volume.")
    if await types.encryption_of(ctx, type_.id) is not None:
        raise service.invalid(f"volumes of type {type_.name} would have to be encrypted, which this cloud cannot do.")
    await service.retype(ctx, volume, type_)


@api.action(ACTION, "os-set_image_metadata", rule=f"{IMAGE}:set", status=200)
async def set_image_metadata(ctx: Ctx, volume_id: UUID, body: SetImage) -> dict[str, Any]:
    volume = await own(ctx, volume_id)
    await service.put_image_metadata(ctx, volume, body.metadata)
    return {"metadata": await service.IMAGE.of(ctx, volume_id)}


@api.action(ACTION, "os-show_image_metadata", rule="volume:get_volume_metadata", status=200)
async def show_image_metadata(ctx: Ctx, volume_id: UUID, body: Any = None) -> dict[str, Pairs]:
    return {"metadata": await service.IMAGE.of(ctx, (await own(ctx, volume_id)).id)}


@api.action(ACTION, "os-unset_image_metadata", rule=f"{IMAGE}:remove", status=200)
async def unset_image_metadata(ctx: Ctx, volume_id: UUID, body: UnsetImage) -> None:
    volume = await own(ctx, volume_id)
    if not await service.drop_image_metadata(ctx, volume, body.key):
        raise NotFound(f"Glance metadata for volume/snapshot {volume_id} cannot be found.")


async def uploaded(ctx: Ctx, volume_id: UUID, body: Upload, sharing: dict[str, Any]) -> dict[str, Any]:
    volume = await own(ctx, volume_id)
    allowed = ["available", "in-use"] if flag("force", body.force) else ["available"]
    if volume.status not in allowed:
        raise service.invalid(f"Volume {volume_id} status must be {' or '.join(allowed)}, but it is {volume.status}.")
    if volume.status == "in-use":
        raise service.invalid(
            "A volume that is in use is of no one moment: make a snapshot, a volume of it, and upload that."
        )
    form = {"disk_format": body.disk_format, "container_format": body.container_format or "bare"}
    async with ctx.transaction() as both:  # or no image without bytes
        await both.lock("subject", volume.id)
        made = await images.create_for(both, {"name": body.image_name, **form, **sharing})
        await service.upload(both, volume, made, body.disk_format)
    type_ = (await types.by_ids(ctx, [volume.type_id])).get(volume.type_id, types.DEFAULT)
    return {
        "os-volume_upload_image": {
            "id": volume_id,
            "updated_at": None,
            "status": "uploading",
            "display_description": volume.description,
            "size": volume.size_gib,
            "volume_type": {"id": type_.id, "name": type_.name, "is_public": type_.is_public},
            "image_id": made,
            "image_name": body.image_name,
            **form,
            **sharing,
        }
    }


UPLOAD = "volume_extension:volume_actions:upload_image"


@api.action(ACTION, "os-volume_upload_image", rule=UPLOAD, until="3.0")
async def upload_volume(ctx: Ctx, volume_id: UUID, body: Upload) -> dict[str, Any]:
    return await uploaded(ctx, volume_id, body, {})


@api.action(ACTION, "os-volume_upload_image", rule=UPLOAD, since="3.1")
async def upload_shared_volume(ctx: Ctx, volume_id: UUID, body: UploadShared) -> dict[str, Any]:
    if body.visibility == "public":
        target = {"project_id": ctx.caller.project_id}
        ctx.world.policy.check("volume_extension:volume_actions:upload_public", ctx.caller, target)
    sharing = {"visibility": body.visibility, "protected": flag("protected", body.protected)}
    return await uploaded(ctx, volume_id, body, sharing)


@api.action(ACTION, "os-reimage", rule="volume:reimage", since="3.68")
async def reimage_volume(ctx: Ctx, volume_id: UUID, body: Reimage) -> None:
    volume = await own(ctx, volume_id)
    if volume.status == "reserved":
        ctx.world.policy.check("volume:reimage_reserved", ctx.caller, {"project_id": volume.project_id})
    if len(await attachments.of_volume(ctx, volume_id)) > 1:
        raise Conflict("Cannot re-image a volume which is attached to more than one server.")
    reserved = ["reserved"] if flag("reimage_reserved", body.reimage_reserved) else []
    allowed = ["available", "error", *reserved]
    if volume.status not in allowed:
        words = ", ".join(allowed[:-1]) + f" or {allowed[-1]}"
        raise service.invalid(f"Volume {volume_id} status must be {words}, but current status is {volume.status}.")
    await service.reimage(ctx, volume, body.image_id)


class Revert(Body, frozen=True):
    snapshot_id: UUID | None = None


@api.action(ACTION, "revert", rule="volume:revert_to_snapshot", since="3.40")
async def revert_volume(ctx: Ctx, volume_id: UUID, body: Revert) -> None:
    volume = await own(ctx, volume_id)
    newest = next(iter(await snapshots.of_volume(ctx, volume_id)), None)
    if newest is None:
        raise BadRequest(f"Volume {volume_id} doesn't have any snapshots.")
    if body.snapshot_id != newest.id:
        raise BadRequest(f"Specified snapshot {body.snapshot_id} is None or not the latest one of volume {volume_id}.")
    if volume.size_gib != newest.size_gib:
        raise BadRequest(
            f"Can't revert volume {volume_id} to its latest snapshot {newest.id}. The volume size must be equal to the "
            "snapshot size."
        )
    if volume.status != "available" or newest.status != "available":
        raise Conflict(
            f"Volume {volume_id} and its snapshot must be available to be reverted; they are {volume.status} and "
            f"{newest.status}."
        )
    await service.revert(ctx, volume, newest.id)


@api.action(ACTION, "os-unmanage", rule="volume_extension:volume_unmanage")
async def unmanage_volume(ctx: Ctx, volume_id: UUID, body: Any = None) -> None:
    await own(ctx, volume_id)
    raise NotImplementedHere("Volumes cannot be taken out of this cloud's hands: delete it, or keep it.")


@api.action(ACTION, "os-migrate_volume", rule=f"{ADMIN}:migrate_volume")
async def migrate_volume(ctx: Ctx, volume_id: UUID, body: Migrate) -> None:
    await own(ctx, volume_id)
    raise NotImplementedHere("Volumes stay on their host: make a copy where one is wanted by way of an image.")


@api.action(ACTION, "os-migrate_volume_completion", rule=f"{ADMIN}:migrate_volume_completion", status=200)
async def complete_migration(ctx: Ctx, volume_id: UUID, body: Migrated) -> None:
    await own(ctx, volume_id)
    raise service.invalid("Source volume not mid-migration.")


@api.action(ACTION, "os-extend_volume_completion", rule=f"{ADMIN}:extend_volume_completion", since="3.71")
async def complete_extension(ctx: Ctx, volume_id: UUID, body: Extended) -> None:
    volume = await own(ctx, volume_id)
    if volume.status != "extending":
        raise service.invalid("Volume is not being extended.")
    raise service.invalid("Its host completes the extension by itself.")
