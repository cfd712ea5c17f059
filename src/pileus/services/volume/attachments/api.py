"""/v3/attachments"""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from msgspec import UNSET, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, Here, Query
from pileus.services.volume.attachments import service
from pileus.services.volume.attachments.service import Attachment
from pileus.services.volume.http import api, is_admin, time
from pileus.services.volume.lists import asked, document
from pileus.services.volume.volumes import service as volumes

ONE = "/v3/attachments/{attachment_id}"
Connector = dict[str, Any]
MOST_KEYS = 64


class CreateAttachment(Body, frozen=True):
    volume_uuid: UUID
    instance_uuid: UUID | UnsetType = UNSET
    connector: Connector | None = None


class CreateWithMode(CreateAttachment, frozen=True):
    mode: Literal["rw", "ro"] | UnsetType = UNSET


class ChangeAttachment(Body, frozen=True):
    connector: Connector


def summary(attachment: Attachment) -> dict[str, Any]:
    return {
        "id": attachment.id,
        "status": attachment.status,
        "instance": attachment.server_id,
        "volume_id": attachment.volume_id,
    }


def connection_info(attachment: Attachment) -> dict[str, Any]:
    """How whoever asked opens the volume, in the words that clients of Block Storage know."""
    facts = attachment.connection
    if facts is None:
        return {}
    return {
        "driver_volume_type": facts.get("driver"),
        "attachment_id": attachment.id,
        "volume_id": attachment.volume_id,
        "access_mode": attachment.mode,
        "qos_specs": None,
        "encrypted": False,
        "cacheable": False,
        **{name: value for name, value in facts.items() if name != "driver" and value is not None},
    }


def shown(attachment: Attachment) -> dict[str, Any]:
    return {
        **summary(attachment),
        "attached_at": time(attachment.attached_at) or "",
        "detached_at": "",
        "attach_mode": attachment.mode,
        "connection_info": connection_info(attachment),
    }


@api.get("/v3/attachments", rule="volume:get_all", since="3.27")
async def list_attachments(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    found = await service.page(ctx, asked(ctx, query, service.LISTED.names, lenient=is_admin(ctx)))
    return document(here, "attachments", found, summary)


@api.get("/v3/attachments/detail", rule="volume:get_all", since="3.27")
async def list_attachments_in_detail(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    found = await service.page(ctx, asked(ctx, query, service.LISTED.names, lenient=is_admin(ctx)))
    return document(here, "attachments", found, shown)


@api.get(ONE, rule="volume:get", since="3.27", wrap="attachment")
async def show_attachment(ctx: Ctx, attachment_id: UUID) -> dict[str, Any]:
    attachment = await service.get(ctx, attachment_id)
    ctx.require({"project_id": attachment.project_id})
    return shown(attachment)


async def created(ctx: Ctx, body: CreateAttachment, mode: str | None) -> dict[str, Any]:
    if body.connector:  # an empty one is none, as clients send it
        check(body.connector)
    server_id = body.instance_uuid if isinstance(body.instance_uuid, UUID) else None
    volume = await volumes.get(ctx, body.volume_uuid)
    ctx.require({"project_id": volume.project_id})
    attachment = await service.reserve(ctx, volume.id, server_id=server_id, mode=mode)
    if body.connector:
        attachment = await service.connect_now(ctx, attachment, body.connector)
    return shown(attachment)


def check(connector: Connector) -> None:
    """Raises BadRequest for one that names no host."""
    host = connector.get("host")
    if not isinstance(host, str) or not 0 < len(host) <= 255:
        raise BadRequest("Invalid input received: the connector names no host.")
    if len(connector) > MOST_KEYS:
        raise BadRequest("Invalid input received: the connector has too many keys.")


@api.post(
    "/v3/attachments", rule="volume:attachment_create", since="3.27", until="3.53", wrap="attachment", atomic=False
)
async def create_attachment(ctx: Ctx, body: CreateAttachment) -> dict[str, Any]:
    return await created(ctx, body, None)


@api.post("/v3/attachments", rule="volume:attachment_create", since="3.54", wrap="attachment", atomic=False)
async def create_attachment_with_mode(ctx: Ctx, body: CreateWithMode) -> dict[str, Any]:
    return await created(ctx, body, body.mode if isinstance(body.mode, str) else None)


@api.put(ONE, rule="volume:attachment_update", since="3.27", wrap="attachment", atomic=False)
async def change_attachment(ctx: Ctx, attachment_id: UUID, body: ChangeAttachment) -> dict[str, Any]:
    attachment = await service.get(ctx, attachment_id)
    ctx.require({"project_id": attachment.project_id})
    check(body.connector)
    return shown(await service.connect_now(ctx, attachment, body.connector))


@api.delete(ONE, rule="volume:attachment_delete", since="3.27", atomic=False)
async def delete_attachment(ctx: Ctx, attachment_id: UUID) -> dict[str, Any]:
    attachment = await service.get(ctx, attachment_id)
    ctx.require({"project_id": attachment.project_id})
    await service.delete(ctx, attachment)
    return {"attachments": [summary(each) for each in await service.of_volume(ctx, attachment.volume_id)]}


@api.action(f"{ONE}/action", "os-complete", rule="volume:attachment_complete", since="3.44", status=204)
async def complete_attachment(ctx: Ctx, attachment_id: UUID, body: Any = None) -> None:
    attachment = await service.get(ctx, attachment_id)
    ctx.require({"project_id": attachment.project_id})
    await service.complete(ctx, attachment.id)
