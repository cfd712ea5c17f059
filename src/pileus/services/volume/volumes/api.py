"""/v3/volumes"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, Here, Query, converted
from pileus.kernel.http.queries import boolean
from pileus.services.volume.http import Name, Pairs, api, is_admin, missing, own_project
from pileus.services.volume.images import find_id
from pileus.services.volume.lists import Asked, asked, document, truth
from pileus.services.volume.volumes import service
from pileus.services.volume.volumes.service import Volume, Wanted
from pileus.services.volume.volumes.views import details, summary, unused

COLLECTION = "/v3/volumes"
ONE = "/v3/volumes/{volume_id}"

FILTERS = frozenset(
    ["name", "status", "metadata", "bootable", "migration_status", "availability_zone", "group_id", "size"]
)
SINCE = {
    "glance_metadata": "3.4",
    "group_id": "3.10",
    "created_at": "3.60",
    "updated_at": "3.60",
    "consumes_quota": "3.65",
}
SizeGib = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Id = Annotated[str, Meta(max_length=255)]
Scheduling = dict[str, Any] | None


class CreateVolume(msgspec.Struct):
    """Before 3.53 with whatever else."""

    name: str | None = None
    description: str | None = None
    display_name: str | None = None
    display_description: str | None = None
    volume_type: Name = None
    metadata: Pairs | None = None
    snapshot_id: UUID | None = None
    source_volid: UUID | None = None
    consistencygroup_id: UUID | None = None
    group_id: Id | None = None
    backup_id: UUID | None = None
    size: SizeGib | None = None
    availability_zone: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    multiattach: bool | None = None
    image_id: Id | None = None
    imageRef: Id | None = None


class CreateStrictly(CreateVolume, forbid_unknown_fields=True):
    """From 3.53 on."""


class Document(Body, frozen=True, rename={"hints": "OS-SCH-HNT:scheduler_hints"}):
    volume: dict[str, Any]
    hints: Scheduling = None


class ChangeVolume(Body, frozen=True):
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    display_name: str | UnsetType | None = UNSET
    display_description: str | UnsetType | None = UNSET
    metadata: Pairs | UnsetType = UNSET


def clean(name: str, text: str | UnsetType | None) -> str | None:
    """Without spaces around. Raises BadRequest when it is too long."""
    if not isinstance(text, str):
        return None
    stripped = text.strip()
    if len(stripped) > 255:
        raise BadRequest(f"{name} has {len(stripped)} characters, more than 255.")
    return stripped


def filters_of(ctx: Ctx) -> frozenset[str]:
    """The filters there are at this microversion, for this caller."""
    added = {name for name, version in SINCE.items() if ctx.at(version)}
    dropped = set() if ctx.at("3.10") else {"group_id"}
    return service.LISTED.names if is_admin(ctx) else (FILTERS | added) - dropped


def wish(ctx: Ctx, query: Query) -> Asked:
    """What is asked of a list. Raises BadRequest."""
    found = asked(ctx, query, filters_of(ctx), lenient=is_admin(ctx))
    if "bootable" in found.filters:
        found.filters["bootable"] = [bootable(ctx, text) for text in found.filters["bootable"]]
    return found


def bootable(ctx: Ctx, text: str) -> str:
    """Before 3.2 anything but a no is a yes."""
    try:
        return str(boolean("bootable", text)).lower()
    except BadRequest:
        if ctx.at("3.2"):
            raise BadRequest(f"Invalid input received: bootable={text[:80]} is no boolean.") from None
        return "true"


@api.get(COLLECTION, rule="volume:get_all")
async def list_volumes(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    found = await service.page(ctx, wish(ctx, query))
    return document(here, "volumes", found, lambda each: summary(here, each))


@api.get(f"{COLLECTION}/detail", rule="volume:get_all")
async def list_volumes_in_detail(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    found = await service.page(ctx, wish(ctx, query))
    said = await details(ctx, here, found.items)
    return document(here, "volumes", found, lambda each: said[each.id])


@api.get(f"{COLLECTION}/summary", rule="volume:get_all", since="3.12", wrap="volume-summary")
async def summarize_volumes(ctx: Ctx, query: Query) -> dict[str, Any]:
    count, gib, pairs = await service.summary(ctx, wish(ctx, query))
    said: dict[str, Any] = {"total_count": count, "total_size": gib}
    return {**said, "metadata": pairs} if ctx.at("3.36") else said


async def shown(ctx: Ctx, here: Here, volume: Volume, *, extended: bool = False) -> dict[str, Any]:
    return (await details(ctx, here, [volume], extended=extended))[volume.id]


@api.post(COLLECTION, rule="volume:create", status=202)
async def create_volume(ctx: Ctx, body: Document, here: Here) -> dict[str, Any]:
    ctx.require(own_project(ctx))
    lax = {
        k: int(v) if k == "size" and isinstance(v, str) and v.isdecimal() and len(v) < 11 else v
        for k, v in body.volume.items()
    }
    sent = converted(lax, CreateStrictly if ctx.at("3.53") else CreateVolume, "volume")
    if sent.multiattach:
        raise BadRequest(
            "multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types. "
            "Contact your administrator to create a multiattach enabled volume type and use it to create multiattach "
            "volumes."
        )
    if sent.group_id or sent.consistencygroup_id:
        raise missing("group_id", sent.group_id or sent.consistencygroup_id)
    if sent.backup_id:
        raise missing("backup_id", sent.backup_id)
    reference = sent.image_id or sent.imageRef
    wanted = Wanted(
        size_gib=sent.size,
        name=clean("Name", sent.display_name if sent.name is None else sent.name),
        description=clean("Description", sent.display_description if sent.description is None else sent.description),
        type=sent.volume_type or None,
        metadata=sent.metadata or {},
        snapshot_id=sent.snapshot_id,
        source_volume_id=sent.source_volid,
        image_id=await find_id(ctx, reference) if reference else None,
        zone=sent.availability_zone,
    )
    volume, type_ = await service.create(ctx, wanted)
    return {"volume": unused(ctx, here, volume, type_.name, wanted.metadata)}


@api.get(ONE, rule="volume:get", wrap="volume")
async def show_volume(ctx: Ctx, volume_id: UUID, here: Here) -> dict[str, Any]:
    volume = await service.get(ctx, volume_id)
    ctx.require({"project_id": volume.project_id})
    return await shown(ctx, here, volume, extended=True)


@api.put(ONE, rule="volume:update", wrap="volume")
async def change_volume(ctx: Ctx, volume_id: UUID, body: ChangeVolume, here: Here) -> dict[str, Any]:
    sent = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
    if not sent and ctx.at("3.53"):
        raise BadRequest("Invalid input for volume: it names nothing that shall change.")
    volume = await service.get(ctx, volume_id)
    ctx.require({"project_id": volume.project_id})
    pairs = sent.pop("metadata", None)
    columns = {name.removeprefix("display_"): clean(name.capitalize(), value) for name, value in sent.items()}
    return await shown(ctx, here, await service.change(ctx, volume, columns, pairs))


@api.delete(ONE, rule="volume:delete", status=202)
async def delete_volume(ctx: Ctx, volume_id: UUID, query: Query) -> None:
    cascade = truth(query, "cascade")
    force = ctx.at("3.23") and truth(query, "force")

    def check(volume: Volume) -> None:
        ctx.require({"project_id": volume.project_id})
        if force:
            ctx.world.policy.check("volume:force_delete", ctx.caller, {"project_id": volume.project_id})

    await service.delete(ctx, volume_id, cascade=cascade, force=force, check=check)


async def own(ctx: Ctx, volume_id: UUID) -> Volume:
    """The volume, for who may do with it what the route's rule says. Raises NotFound, Forbidden."""
    volume = await service.get(ctx, volume_id)
    ctx.require({"project_id": volume.project_id})
    return volume


@api.get(f"{ONE}/encryption", rule="volume_extension:volume_encryption_metadata")
async def show_encryption(ctx: Ctx, volume_id: UUID) -> dict[str, Any]:
    await own(ctx, volume_id)
    return NOT_ENCRYPTED


@api.get(f"{ONE}/encryption/{{key}}", rule="volume_extension:volume_encryption_metadata")
async def show_encryption_item(ctx: Ctx, volume_id: UUID, key: str) -> Any:
    await own(ctx, volume_id)
    return {key: NOT_ENCRYPTED.get(key)}


NOT_ENCRYPTED: dict[str, Any] = {"encryption_key_id": None}
