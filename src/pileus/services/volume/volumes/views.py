"""How volumes are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.http import Here
from pileus.services.volume.attachments import service as attachments
from pileus.services.volume.attachments.service import Attachment
from pileus.services.volume.http import is_admin, links, time
from pileus.services.volume.types import service as types
from pileus.services.volume.volumes import service
from pileus.services.volume.volumes.service import Volume

STATUSES = {"managing": "creating", "error_managing": "error", "error_managing_deleting": "deleting"}
BACKEND = "blocks"
POOL = "files"


def summary(here: Here, volume: Volume) -> dict[str, Any]:
    return {"id": volume.id, "name": volume.name, "links": links(here, "volumes", volume.id)}


async def details(
    ctx: Ctx, here: Here, volumes: Sequence[Volume], *, extended: bool = True
) -> dict[UUID, dict[str, Any]]:
    """Each as it is shown in detail, by as many queries for many as for one.

    `extended`: with what the extensions of the first version add, which the answer to a change does not have.
    """
    ids = [volume.id for volume in volumes]
    async with ctx.read() as ctx:
        pairs, images = await service.METADATA.of_all(ctx, ids), await service.IMAGE.of_all(ctx, ids)
        users = await attachments.of_volumes(ctx, ids)
        names = await types.by_ids(ctx, {volume.type_id for volume in volumes})
    found = {}
    for volume in volumes:
        said = unused(ctx, here, volume, names.get(volume.type_id, types.DEFAULT).name, pairs[volume.id])
        said["attachments"] = [attached(ctx, each) for each in users[volume.id] if each.status == "attached"]
        if extended and images[volume.id]:
            said["volume_image_metadata"] = images[volume.id]
        found[volume.id] = said | (administrative(ctx, volume) if extended else {})
    return found


def unused(ctx: Ctx, here: Here, volume: Volume, type_name: str, pairs: Mapping[str, str]) -> dict[str, Any]:
    """As it is shown while nobody uses it, and without extensions: the answer to its creation."""
    flag = {} if volume.read_only is None else {"readonly": str(volume.read_only)}
    said = plain(here, volume, type_name) | {"metadata": {**pairs, **flag}, "attachments": []}
    if is_admin(ctx):
        said["migration_status"] = None
    return said | versioned(ctx, volume)


def plain(here: Here, volume: Volume, type_name: str) -> dict[str, Any]:
    return {
        "id": volume.id,
        "status": STATUSES.get(volume.status, volume.status),
        "size": volume.size_gib,
        "availability_zone": volume.zone,
        "created_at": time(volume.created_at),
        "updated_at": time(volume.updated_at),
        "name": volume.name,
        "description": volume.description,
        "volume_type": type_name,
        "snapshot_id": volume.snapshot_id,
        "source_volid": volume.source_volume_id,
        "links": links(here, "volumes", volume.id),
        "user_id": volume.user_id,
        "bootable": str(volume.bootable).lower(),
        "encrypted": False,
        "replication_status": None,
        "consistencygroup_id": None,
        "multiattach": volume.multiattach,
    }


def attached(ctx: Ctx, attachment: Attachment) -> dict[str, Any]:
    shows_host = is_admin(ctx) or "service" in ctx.caller.roles
    return {
        "id": attachment.volume_id,
        "attachment_id": attachment.id,
        "volume_id": attachment.volume_id,
        "server_id": attachment.server_id,
        "host_name": attachment.host if shows_host else None,
        "device": attachment.mountpoint,
        "attached_at": time(attachment.attached_at),
    }


def versioned(ctx: Ctx, volume: Volume) -> dict[str, Any]:
    """What newer microversions show beside."""
    said: dict[str, Any] = {}
    if ctx.at("3.13"):
        said["group_id"] = None
    if ctx.at("3.21") and is_admin(ctx):
        said["provider_id"] = None
    if ctx.at("3.48"):
        said |= {"shared_targets": False, "service_uuid": None}
    if ctx.at("3.61") and is_admin(ctx):
        said["cluster_name"] = None
    if ctx.at("3.63"):
        said["volume_type_id"] = volume.type_id
    if ctx.at("3.65"):
        said["consumes_quota"] = True
    return said


def administrative(ctx: Ctx, volume: Volume) -> dict[str, Any]:
    """What only some callers see."""
    allows, target = ctx.world.policy.allows, {"project_id": volume.project_id}
    said: dict[str, Any] = {}
    if allows("volume_extension:volume_tenant_attribute", ctx.caller, target):
        said["os-vol-tenant-attr:tenant_id"] = volume.project_id
    if allows("volume_extension:volume_host_attribute", ctx.caller, target):
        said["os-vol-host-attr:host"] = placed(volume.host)
    if allows("volume_extension:volume_mig_status_attribute", ctx.caller, target):
        said |= {"os-vol-mig-status-attr:migstat": None, "os-vol-mig-status-attr:name_id": None}
    return said


def placed(host: str | None) -> str | None:
    """Where a volume is, as Block Storage writes it: host@backend#pool."""
    return None if host is None else f"{host}@{BACKEND}#{POOL}"
