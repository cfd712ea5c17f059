"""/v2/images/{image_id}/members: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.services.image.http import api, stamp
from pileus.services.image.images import service as images
from pileus.services.image.members import service
from pileus.services.image.members.service import Member

LIST = "/v2/images/{image_id}/members"
ONE = "/v2/images/{image_id}/members/{member_id}"
CHARACTERS = 255


def shown(member: Member) -> dict[str, Any]:
    return {
        "member_id": member.member_id,
        "image_id": member.image_id,
        "status": member.status,
        "created_at": stamp(member.created_at),
        "updated_at": stamp(member.updated_at),
        "schema": "/v2/schemas/member",
    }


def said(body: dict[str, Any], name: str) -> str:
    """Raises BadRequest."""
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= CHARACTERS:
        raise BadRequest(f'Expected a {name} in the form: {{"{name}": "..."}}', field=name)
    return value


@api.post(LIST, rule="add_member", late=True)
async def create_member(ctx: Ctx, image_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
    await images.get(ctx, image_id)
    return shown(await service.create(ctx, image_id, said(body, "member")))


@api.get(LIST, rule="get_members", late=True)
async def list_members(ctx: Ctx, image_id: UUID) -> dict[str, Any]:
    found = await service.list_(ctx, image_id)
    return {"members": [shown(member) for member in found], "schema": "/v2/schemas/members"}


@api.get(ONE, rule="get_member", late=True)
async def show_member(ctx: Ctx, image_id: UUID, member_id: str) -> dict[str, Any]:
    return shown(await service.get(ctx, image_id, member_id))


@api.put(ONE, rule="modify_member", late=True)
async def update_member(ctx: Ctx, image_id: UUID, member_id: str, body: dict[str, Any]) -> dict[str, Any]:
    await images.get(ctx, image_id)
    return shown(await service.set_status(ctx, image_id, member_id, said(body, "status")))


@api.delete(ONE, rule="delete_member", late=True, status=204)
async def delete_member(ctx: Ctx, image_id: UUID, member_id: str) -> None:
    await service.delete(ctx, image_id, member_id)
