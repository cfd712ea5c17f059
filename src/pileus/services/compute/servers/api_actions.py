"""/servers/{server_id}/action: what a server may be asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType, field

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Body, Here
from pileus.services.compute.http import Name, api
from pileus.services.compute.metadata import checked_metadata
from pileus.services.compute.servers import actions, building, checks, guest_data, imaging, rebuilding, service, views
from pileus.services.compute.servers.bodies import USER_DATA_LENGTH, DiskConfig, FileBody, Opt, Ranges, Text255, fits
from pileus.services.compute.servers.checks import said

ACTION = "/v2.1/servers/{server_id}/action"
RULES = "os_compute_api:servers"
LOCK = "os_compute_api:os-lock-server"


class Reboot(Body, frozen=True):
    type: Literal["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]


class Reason(Body, frozen=True):
    locked_reason: Annotated[str, Meta(min_length=1, max_length=255)] | Opt = UNSET


class State(Body, frozen=True):
    state: Literal["active", "error"]


class Resize(Body, frozen=True):
    flavorRef: Annotated[str, Meta(min_length=1)] | int
    disk_config: DiskConfig | Opt = field(default=UNSET, name="OS-DCF:diskConfig")


class Rescue(Body, frozen=True):
    adminPass: str | Opt = UNSET
    rescue_image_ref: str | Opt = UNSET


class Rebuild(Body, frozen=True):
    imageRef: str
    adminPass: str | Opt = UNSET
    name: Name | Opt = UNSET
    metadata: dict[str, str] | Opt = UNSET
    accessIPv4: str | Opt = UNSET
    accessIPv6: str | Opt = UNSET
    disk_config: DiskConfig | Opt = field(default=UNSET, name="OS-DCF:diskConfig")
    preserve_ephemeral: checks.Flag | Opt = UNSET
    personality: list[FileBody] | Opt = UNSET
    description: Text255 | Opt | None = UNSET
    key_name: Name | Opt | None = UNSET
    user_data: str | Opt | None = UNSET
    trusted_image_certificates: list[str] | Opt | None = UNSET
    hostname: str | Opt = UNSET


REBUILD: Ranges = {
    "description": ("2.19", ""),
    "key_name": ("2.54", ""),
    "personality": ("2.1", "2.56"),
    "user_data": ("2.57", ""),
    "trusted_image_certificates": ("2.63", ""),
    "hostname": ("2.90", ""),
}


@api.action(ACTION, "os-start", rule=f"{RULES}:start")
async def start(ctx: Ctx, server_id: UUID) -> None:
    await actions.simple(ctx, await service.get(ctx, server_id), "start")


@api.action(ACTION, "os-stop", rule=f"{RULES}:stop")
async def stop(ctx: Ctx, server_id: UUID) -> None:
    await actions.simple(ctx, await service.get(ctx, server_id), "stop")


@api.action(ACTION, "reboot", rule=f"{RULES}:reboot")
async def reboot(ctx: Ctx, server_id: UUID, body: Reboot) -> None:
    await actions.simple(ctx, await service.get(ctx, server_id), f"{body.type.lower()} reboot")


@api.action(ACTION, "pause", rule="os_compute_api:os-pause-server:pause")
async def pause(ctx: Ctx, server_id: UUID) -> None:
    await actions.simple(ctx, await service.get(ctx, server_id), "pause")


@api.action(ACTION, "unpause", rule="os_compute_api:os-pause-server:unpause")
async def unpause(ctx: Ctx, server_id: UUID) -> None:
    await actions.simple(ctx, await service.get(ctx, server_id), "unpause")


@api.action(ACTION, "suspend", rule="os_compute_api:os-suspend-server:suspend")
async def suspend(ctx: Ctx, server_id: UUID) -> None:
    await actions.simple(ctx, await service.get(ctx, server_id), "suspend")


@api.action(ACTION, "resume", rule="os_compute_api:os-suspend-server:resume")
async def resume(ctx: Ctx, server_id: UUID) -> None:
    await actions.simple(ctx, await service.get(ctx, server_id), "resume")


@api.action(ACTION, "lock", rule=f"{LOCK}:lock", until="2.72")
async def lock(ctx: Ctx, server_id: UUID) -> None:
    await actions.lock(ctx, await service.get(ctx, server_id), None)


@api.action(ACTION, "lock", rule=f"{LOCK}:lock", since="2.73")
async def lock_with_a_reason(ctx: Ctx, server_id: UUID, body: Reason | None = None) -> None:
    reason = None if body is None else said(body.locked_reason)
    await actions.lock(ctx, await service.get(ctx, server_id), reason)


@api.action(ACTION, "unlock", rule=f"{LOCK}:unlock")
async def unlock(ctx: Ctx, server_id: UUID) -> None:
    await actions.unlock(ctx, await service.get(ctx, server_id))


@api.action(ACTION, "os-resetState", rule="os_compute_api:os-admin-actions:reset_state")
async def reset_state(ctx: Ctx, server_id: UUID, body: State) -> None:
    await actions.reset_state(ctx, await service.get(ctx, server_id), body.state)


@api.action(ACTION, "forceDelete", rule="os_compute_api:os-deferred-delete:force")
async def force_delete(ctx: Ctx, server_id: UUID) -> None:
    await service.delete(ctx, await service.get(ctx, server_id))


@api.action(ACTION, "restore", rule="os_compute_api:os-deferred-delete:restore")
async def restore(ctx: Ctx, server_id: UUID) -> None:
    actions.restore(await service.get(ctx, server_id))


@api.action(ACTION, "resize", rule=f"{RULES}:resize")
async def resize(ctx: Ctx, server_id: UUID, body: Resize) -> None:
    flavor_id = str(body.flavorRef).rstrip("/").rpartition("/")[2]
    await actions.resize(ctx, await service.get(ctx, server_id), flavor_id, said(body.disk_config))


@api.action(ACTION, "confirmResize", rule=f"{RULES}:confirm_resize", status=204)
async def confirm_resize(ctx: Ctx, server_id: UUID) -> None:
    await actions.simple(ctx, await service.get(ctx, server_id), "confirmResize")


@api.action(ACTION, "revertResize", rule=f"{RULES}:revert_resize")
async def revert_resize(ctx: Ctx, server_id: UUID) -> None:
    await actions.simple(ctx, await service.get(ctx, server_id), "revertResize")


@api.action(ACTION, "rescue", rule="os_compute_api:os-rescue", status=200)
async def rescue(ctx: Ctx, server_id: UUID, body: Rescue | None = None) -> dict[str, Any]:
    server = await service.get(ctx, server_id)
    given = body or Rescue()
    admin_pass = said(given.adminPass) or building.password()
    ref = said(given.rescue_image_ref)
    await actions.rescue(ctx, server, checks.uuid("rescue_image_ref", ref) if ref else None, admin_pass)
    return {"adminPass": admin_pass}


@api.action(ACTION, "unrescue", rule="os_compute_api:os-unrescue")
async def unrescue(ctx: Ctx, server_id: UUID) -> None:
    await actions.unrescue(ctx, await service.get(ctx, server_id))


@api.action(ACTION, "rebuild", rule=f"{RULES}:rebuild")
async def rebuild(ctx: Ctx, server_id: UUID, body: Rebuild, here: Here) -> Answer:
    fits(ctx, body, REBUILD)
    if said(body.trusted_image_certificates):
        raise BadRequest("Image signature certificates cannot be checked by this cloud.")
    server = await service.get(ctx, server_id)
    image_id = checks.uuid("imageRef", body.imageRef.rstrip("/").rpartition("/")[2])
    admin_pass = said(body.adminPass) or building.password()
    wanted = rebuilding.Rebuild(
        image_id=image_id,
        admin_pass=admin_pass,
        columns=rebuilt_columns(ctx, body),
        reimage=ctx.at("2.93"),
        files=tuple((f.path, checks.base64_text("personality", f.contents, 2**20)) for f in said(body.personality, ())),
        key_name=said(body.key_name),
        new_key=body.key_name is not UNSET,
    )
    new = await rebuilding.rebuild(ctx, server, wanted)
    shown = await views.rebuilt(ctx, here, new)
    if ctx.at("2.54"):
        shown["key_name"] = new.key_name
    if ctx.at("2.57"):
        shown.pop("OS-EXT-SRV-ATTR:user_data", None)
        shown["user_data"] = guest_data.user_data(ctx, new.user_data)
    where = next(link["href"] for link in shown["links"] if link["rel"] == "self")
    return Answer({"server": {**shown, "adminPass": admin_pass}}, headers={"Location": where})


def rebuilt_columns(ctx: Ctx, body: Rebuild) -> dict[str, Any]:
    """What else becomes other, if it was said. Raises BadRequest."""
    columns: dict[str, Any] = {}
    if body.name is not UNSET:
        columns["name"] = checks.printable(ctx, "name", body.name)
    if body.metadata is not UNSET:
        columns["metadata"] = checked_metadata(body.metadata)
    columns |= checks.said_columns(ctx, body)
    if not isinstance(body.user_data, UnsetType):
        data = body.user_data
        given = None if data is None else checks.base64_text("user_data", data, USER_DATA_LENGTH)
        columns["user_data"] = guest_data.sealed_user_data(ctx, given)
    return columns


class Length(Body, frozen=True):
    length: int | str | None = None


@api.action(ACTION, "os-getConsoleOutput", rule="os_compute_api:os-console-output", status=200, atomic=False)
async def get_console_output(ctx: Ctx, server_id: UUID, body: Length) -> dict[str, Any]:
    server = await service.get(ctx, server_id)
    lines = None if body.length is None else checks.count("length", body.length, least=-1)
    return {"output": await actions.console_log(ctx, server, None if lines == -1 else lines)}


class CreateImage(Body, frozen=True):
    name: Name
    metadata: dict[str, str] | Opt = UNSET


class CreateBackup(Body, frozen=True):
    name: Name
    backup_type: str
    rotation: checks.Count
    metadata: dict[str, str] | Opt = UNSET


@api.action(ACTION, "createImage", rule=f"{RULES}:create_image")
async def create_image(ctx: Ctx, server_id: UUID, body: CreateImage, here: Here) -> Answer:
    name = checks.printable(ctx, "name", body.name)
    metadata = checked_metadata(said(body.metadata, {}))
    image_id = await imaging.create_image(ctx, await service.get(ctx, server_id), name, metadata)
    return imaged(ctx, image_id, here)


@api.action(ACTION, "createBackup", rule="os_compute_api:os-create-backup")
async def create_backup(ctx: Ctx, server_id: UUID, body: CreateBackup, here: Here) -> Answer:
    name = checks.printable(ctx, "name", body.name)
    metadata = checked_metadata(said(body.metadata, {}))
    rotation = checks.count("rotation", body.rotation, least=0)
    server = await service.get(ctx, server_id)
    image_id = await imaging.create_backup(ctx, server, name, metadata, kind=body.backup_type, rotation=rotation)
    return imaged(ctx, image_id, here)


def imaged(ctx: Ctx, image_id: UUID, here: Here) -> Answer:
    """From 2.45 on the image's id; before, where it is."""
    if ctx.at("2.45"):
        return Answer({"image_id": image_id})
    return Answer(headers={"Location": f"{here.base.removesuffix(api.prefix)}/image/v2/images/{image_id}"})


class Group(Body, frozen=True):
    name: Annotated[str, Meta(min_length=1)]


@api.action(ACTION, "addSecurityGroup", rule="os_compute_api:os-security-groups:add", atomic=False)
async def add_security_group(ctx: Ctx, server_id: UUID, body: Group) -> None:
    await actions.change_group(ctx, await service.get(ctx, server_id), body.name, leave=False)


@api.action(ACTION, "removeSecurityGroup", rule="os_compute_api:os-security-groups:remove", atomic=False)
async def remove_security_group(ctx: Ctx, server_id: UUID, body: Group) -> None:
    await actions.change_group(ctx, await service.get(ctx, server_id), body.name, leave=True)
