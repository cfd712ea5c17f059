"""Messages: what the rest of Block Storage may ask for."""

from __future__ import annotations

from uuid import UUID

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.services.volume.http import missing, seen, visible
from pileus.services.volume.lists import Asked, Found
from pileus.services.volume.messages import store
from pileus.services.volume.messages.store import Message

__all__ = ["ACTIONS", "LISTED", "Message", "delete", "get", "page", "purge", "tell"]

KIND = "volume.message"
KEPT_S = 30 * 86_400.0
LISTED = store.LISTED

ACTIONS = {
    "schedule allocate volume": "001",
    "create volume": "001",
    "attach volume": "002",
    "copy volume to image": "003",
    "update attachment": "004",
    "copy image to volume": "005",
    "extend volume": "007",
    "create volume from backend storage": "008",
    "delete snapshot": "010",
    "create snapshot": "012",
    "update snapshot": "013",
    "reimage volume": "015",
    "delete volume": "016",
    "keep volume": "100",
}
"""What an operation is called in messages, and its number."""


async def tell(ctx: Ctx, action: str, resource: tuple[str, UUID, str], cause: str | None) -> None:
    """In the transaction that ends an operation: what was not done, with which resource (kind, id, project), and why."""
    kind, resource_id, project_id = resource
    message = Message(
        id=ctx.world.ids.uuid(),
        project_id=project_id,
        request_id=ctx.request_id,
        event_id=f"VOLUME_VOLUME_{ACTIONS[action]}_001" if kind == "VOLUME" else f"VOLUME_{kind}_{ACTIONS[action]}_001",
        resource_type=kind,
        resource_id=str(resource_id),
        text=f"{action}:{cause or 'An unknown error occurred.'}",
        created_at=ctx.now(),
        expires_at=ctx.now() + KEPT_S,
    )
    await store.add(ctx, message)
    await changed(ctx, KIND, "created", message.id, project_id=project_id)


async def page(ctx: Ctx, asked: Asked) -> Found[Message]:
    """The caller's project's. Raises BadRequest."""
    shown = visible(ctx, store.messages.c.project_id, all_projects=asked.all_projects)
    return await store.page(ctx, asked, shown)


async def get(ctx: Ctx, message_id: UUID) -> Message:
    """Raises NotFound."""
    found = await store.get(ctx, message_id)
    if found is None or not seen(ctx, found.project_id):
        raise missing("message_id", message_id)
    return found


async def delete(ctx: Ctx, message: Message) -> None:
    async with ctx.transaction() as ctx:
        await store.remove(ctx, message.id)
        await changed(ctx, KIND, "deleted", message.id, project_id=message.project_id)


async def purge(ctx: Ctx, before: float, batch: int = 1000) -> int:
    """Delete a batch of what is guaranteed no longer, whatever the retention (`before`). Returns how many."""
    async with ctx.transaction() as ctx:
        return await store.purge(ctx, ctx.now(), batch)


async def forget(ctx: Ctx, project_ids: list[str]) -> None:
    """These projects go, and with them what they were told."""
    await store.forget(ctx, project_ids)
