"""How older clients attach: by POST /v3/volumes/{volume_id}/action."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http import Body
from pileus.services.volume.attachments import service
from pileus.services.volume.attachments.api import check, connection_info
from pileus.services.volume.attachments.service import Attachment
from pileus.services.volume.http import api
from pileus.services.volume.volumes import service as volumes
from pileus.services.volume.volumes.service import Volume

ACTION = "/v3/volumes/{volume_id}/action"
RULE = "volume_extension:volume_actions"


class Attach(Body, frozen=True):
    mountpoint: Annotated[str, Meta(min_length=1, max_length=255)]
    instance_uuid: UUID | None = None
    host_name: Annotated[str, Meta(max_length=255)] | None = None
    mode: Literal["rw", "ro"] = "rw"


class Detach(Body, frozen=True):
    attachment_id: UUID | None = None


class ForceDetach(Body, frozen=True):
    attachment_id: UUID | None = None
    connector: dict[str, Any] | str | None = None


class Connect(Body, frozen=True):
    connector: dict[str, Any]


class Disconnect(Body, frozen=True):
    connector: dict[str, Any] | str | None


async def own(ctx: Ctx, volume_id: UUID) -> Volume:
    """The volume, for who may do with it what the route's rule says. Raises NotFound, Forbidden."""
    volume = await volumes.get(ctx, volume_id)
    ctx.require({"project_id": volume.project_id})
    return volume


@api.action(ACTION, "os-attach", rule=f"{RULE}:attach")
async def attach_volume(ctx: Ctx, volume_id: UUID, body: Attach) -> None:
    volume = await own(ctx, volume_id)
    if body.instance_uuid is None and body.host_name is None:
        raise BadRequest("Invalid input for os-attach: it names neither an instance nor a host.")
    attachment = Attachment(
        id=ctx.world.ids.uuid(),
        volume_id=volume_id,
        project_id=volume.project_id,
        server_id=body.instance_uuid,
        status="attached",
        mode=body.mode,
        host=body.host_name,
        mountpoint=body.mountpoint,
        created_at=ctx.now(),
        attached_at=ctx.now(),
    )
    await service.attach_at_once(ctx, volume, attachment)


async def detached(ctx: Ctx, volume: Volume, attachment_id: UUID | None) -> None:
    found = await service.of_volume(ctx, volume.id)
    attachment = service.by_id(found, attachment_id)
    if attachment is None and attachment_id is not None:
        raise NotFound(f"Volume attachment could not be found with filter: attachment_id = {attachment_id}.")
    if attachment is None:
        await service.settle_status(ctx, volume.id)
    else:
        await service.delete(ctx, attachment)


@api.action(ACTION, "os-detach", rule=f"{RULE}:detach", atomic=False)
async def detach_volume(ctx: Ctx, volume_id: UUID, body: Detach | None) -> None:
    await detached(ctx, await own(ctx, volume_id), body.attachment_id if body else None)


@api.action(ACTION, "os-force_detach", rule="volume_extension:volume_admin_actions:force_detach", atomic=False)
async def force_detach_volume(ctx: Ctx, volume_id: UUID, body: ForceDetach) -> None:
    await detached(ctx, await own(ctx, volume_id), body.attachment_id)


@api.action(ACTION, "os-reserve", rule=f"{RULE}:reserve")
async def reserve_volume(ctx: Ctx, volume_id: UUID, body: Any = None) -> None:
    volume = await own(ctx, volume_id)
    expected = ("available", "in-use") if volume.multiattach else ("available",)
    await service.move(ctx, volume, expected, "attaching", "Volume status must be {} to reserve, but the status is {}.")


@api.action(ACTION, "os-unreserve", rule=f"{RULE}:unreserve")
async def unreserve_volume(ctx: Ctx, volume_id: UUID, body: Any = None) -> None:
    volume = await own(ctx, volume_id)
    if volume.status == "attaching":
        await service.settle_status(ctx, volume_id)


@api.action(ACTION, "os-begin_detaching", rule=f"{RULE}:begin_detaching")
async def begin_detaching_volume(ctx: Ctx, volume_id: UUID, body: Any = None) -> None:
    said = (
        "Unable to detach volume. Volume status must be '{}' and attach_status must be 'attached' to detach; it is {}."
    )
    await service.move(ctx, await own(ctx, volume_id), ("in-use",), "detaching", said)


@api.action(ACTION, "os-roll_detaching", rule=f"{RULE}:roll_detaching")
async def roll_detaching_volume(ctx: Ctx, volume_id: UUID, body: Any = None) -> None:
    volume = await own(ctx, volume_id)
    if volume.status == "detaching":
        await service.move(ctx, volume, ("detaching",), "in-use", "")


@api.action(ACTION, "os-initialize_connection", rule=f"{RULE}:initialize_connection", status=200, atomic=False)
async def initialize_connection(ctx: Ctx, volume_id: UUID, body: Connect) -> dict[str, Any]:
    volume = await own(ctx, volume_id)
    check(body.connector)
    found = await service.of_volume(ctx, volume_id)
    mine = [each for each in found if each.host in (None, body.connector["host"]) and each.status != "attached"]
    attachment = mine[0] if mine else await service.begin(ctx, volume)
    connected = await service.connect_now(ctx, attachment, body.connector)
    info = connection_info(connected)
    data = {name: value for name, value in info.items() if name != "driver_volume_type"}
    return {
        "connection_info": {
            "driver_volume_type": info.get("driver_volume_type"),
            "data": data,
            "enforce_multipath": body.connector.get("enforce_multipath", False),
        }
    }


@api.action(ACTION, "os-terminate_connection", rule=f"{RULE}:terminate_connection", atomic=False)
async def terminate_connection(ctx: Ctx, volume_id: UUID, body: Disconnect) -> None:
    """Of who has not said os-attach yet: what is attached is closed when it is detached."""
    volume = await own(ctx, volume_id)
    host = body.connector.get("host") if isinstance(body.connector, dict) else None
    for each in await service.of_volume(ctx, volume.id):
        if each.status != "attached" and host in (None, each.host):
            await service.delete(ctx, each)
