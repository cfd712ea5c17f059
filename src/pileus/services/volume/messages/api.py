"""/v3/messages: user messages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.http import Here, Query
from pileus.services.volume.http import api, is_admin, links, time
from pileus.services.volume.lists import asked, document
from pileus.services.volume.messages import service
from pileus.services.volume.messages.service import Message


def shown(here: Here, message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "event_id": message.event_id,
        "user_message": message.text,
        "message_level": message.level,
        "created_at": time(message.created_at),
        "guaranteed_until": time(message.expires_at),
        "request_id": message.request_id,
        "resource_type": message.resource_type,
        "resource_uuid": message.resource_id,
        "links": links(here, "messages", message.id),
    }


@api.get("/v3/messages", rule="message:get_all", since="3.3")
async def list_messages(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    wanted = query if ctx.at("3.5") else {}
    wish = asked(ctx, wanted, service.LISTED.names, lenient=is_admin(ctx))
    return document(here, "messages", await service.page(ctx, wish), lambda each: shown(here, each))


@api.get("/v3/messages/{message_id}", rule="message:get", since="3.3", wrap="message")
async def show_message(ctx: Ctx, message_id: UUID, here: Here) -> dict[str, Any]:
    return shown(here, await service.get(ctx, message_id))


@api.delete("/v3/messages/{message_id}", rule="message:delete", since="3.3", status=204)
async def delete_message(ctx: Ctx, message_id: UUID) -> None:
    message = await service.get(ctx, message_id)
    ctx.require({"project_id": message.project_id})
    await service.delete(ctx, message)
