"""Attachments: what Compute and the API may ask for.

How Compute attaches a volume, the id of the attachment being a subject of its operation:

    in the request's transaction   attachment = await reserve(ctx, volume_id, server_id=...)
    in a step that acts            return await connect(op, attachment_id, host)     Done(facts=Connection), Going, Failed
      its undo                     return await disconnect(op, attachment_id)
    in a rows step                 await complete(ctx, attachment_id, mountpoint=..., connection=op.memo[...])
      undo of the reservation      await release(ctx, attachment_id)

and detaches it: `begin_detaching(ctx, attachment_id)` in the request's transaction (`roll_detaching` takes it back), then, once
the guest has let go, `disconnect(op, attachment_id)` in a step and `release(ctx, attachment_id)` in a rows step. `connect` for
another host moves the export there (a migration of the server). `set_aside` keeps a volume for a server that has it made
anew, which disconnects it meanwhile, and connects it again. Every one of them may be repeated, and accepts that the
attachment is gone where that is the end it brings about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from pileus.kernel import events
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.kernel.operations import start as operations
from pileus.services.volume.attachments import sagas, store
from pileus.services.volume.attachments.states import (
    attach_at_once,
    begin,
    begin_detaching,
    by_id,
    complete,
    connect,
    disconnect,
    move,
    of_volume,
    opened_again,
    release,
    reserve,
    roll_detaching,
    set_aside,
    settle_status,
)
from pileus.services.volume.attachments.store import Attachment
from pileus.services.volume.http import missing, seen, visible
from pileus.services.volume.lists import Asked, Found
from pileus.services.volume.volumes import service as volumes
from pileus.services.volume.volumes.service import VOLUME, Deletion, Loose

__all__ = [
    "LISTED",
    "Attachment",
    "attach_at_once",
    "begin",
    "begin_detaching",
    "by_id",
    "by_ids",
    "complete",
    "connect",
    "connect_now",
    "delete",
    "disconnect",
    "find",
    "get",
    "in_pages",
    "in_use",
    "move",
    "of_servers",
    "of_volume",
    "of_volumes",
    "opened_again",
    "page",
    "release",
    "reserve",
    "roll_detaching",
    "set_aside",
    "settle_status",
]

LISTED = store.LISTED
InUse = Callable[[Ctx, Attachment], Awaitable[bool]]
_users: list[InUse] = []

WAIT_S = 10.0
LOOK_S = 0.2

find = store.find
by_ids = store.by_ids
in_pages = store.in_pages
of_volumes = store.of_volumes
of_servers = store.of_servers


async def page(ctx: Ctx, asked: Asked) -> Found[Attachment]:
    """The attachments that the query string asks for. Raises BadRequest."""
    return await store.page(ctx, asked, visible(ctx, store.attachments.c.project_id, all_projects=asked.all_projects))


async def get(ctx: Ctx, attachment_id: UUID) -> Attachment:
    """An attachment that the caller may know of. Raises NotFound."""
    found = await store.find(ctx, attachment_id)
    if found is None or not seen(ctx, found.project_id):
        raise missing("attachment_id", attachment_id)
    return found


async def connect_now(ctx: Ctx, attachment: Attachment, connector: dict[str, Any]) -> Attachment:
    """Let the host that the connector names open the volume, and wait for it. Raises Conflict, with the cause."""
    host = str(connector["host"])
    async with ctx.transaction() as writing:
        operation_id = await sagas.connect_attachment.start(writing, attachment.id, host=host, connector=connector)
    cause = await ended(ctx, operation_id)
    if cause is not None:
        raise Conflict(f"Unable to update attachment: {cause}")
    return await get(ctx, attachment.id)


def in_use(call: InUse) -> InUse:
    """Ask this whether a server really uses an attachment, which then goes only by way of that server. For Compute."""
    _users.append(call)
    return call


async def delete(ctx: Ctx, attachment: Attachment) -> None:
    """Begin to take it away, whatever it is just doing, and wait for it. Raises Conflict while a server uses it."""
    async with ctx.transaction() as writing:
        held = await operations.holder(writing, attachment.id)
        row = None if held is None else await operations.load(writing, held)
        asked = [await call(writing, attachment) for call in _users]
        if any(asked) or (row is not None and not row.saga.startswith("volume.")):
            raise Conflict(f"Detach volume from instance {attachment.server_id} using the Compute API")
        operation_id = await sagas.delete_attachment.supersede(writing, attachment.id)
    await ended(ctx, operation_id)


async def ended(ctx: Ctx, operation_id: UUID) -> str | None:
    """Wait for an operation that takes a moment. Its cause when it came to nothing; None when it is done, or goes on."""
    try:
        async with asyncio.timeout(WAIT_S):
            return await _cause(ctx, operation_id)
    except TimeoutError:
        return None


async def _cause(ctx: Ctx, operation_id: UUID) -> str | None:
    bell = events.bell(ctx.world)
    while True:
        rung = bell.next()
        row = await operations.load(ctx, operation_id)
        if row is not None and row.state in {"done", "undone", "parked"}:
            return None if row.state == "done" else row.cause or "it came to nothing"
        with suppress(TimeoutError):
            await asyncio.wait_for(rung.wait(), LOOK_S)


class OfVolumes(Loose):
    """What attachments have to say when a volume shall go."""

    those = store.attachments.c.volume_id == VOLUME

    async def begin(self, ctx: Ctx, deletion: Deletion) -> bool:
        used = any(each.status in {"attached", "detaching"} for each in await of_volume(ctx, deletion.volume.id))
        return deletion.with_project or not used

    async def exports(self, ctx: Ctx, volume_id: UUID) -> list[UUID]:
        return [each.id for each in await of_volume(ctx, volume_id)]

    async def forget(self, ctx: Ctx, volume_id: UUID) -> None:
        await store.remove_of(ctx, volume_id)


volumes.part(OfVolumes())
