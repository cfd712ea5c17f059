"""What an operation works on, as its users call it."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from pileus.kernel.operations import Op
from pileus.services.compute.servers import service as servers
from pileus.services.network.ports import service as ports
from pileus.services.network.tags import service as tags
from pileus.services.volume.volumes import service as volumes


async def name_and_tags(op: Op) -> tuple[str, Collection[str]]:
    """Of its server, its volume (which has no tags) or its port. Of anything else, nothing."""
    service, ctx = op.saga.name.partition(".")[0], op.ctx
    if service == "compute":
        server_id = UUID(op.memo.get("server_id", str(op.subject_id)))
        server = (await servers.by_ids(ctx, [server_id])).get(server_id)
        return (server.name, await servers.tags_of(ctx, server)) if server else ("", ())
    if service == "volume":
        volume_id = UUID(op.memo.get("volume_id", str(op.subject_id)))
        volume = (await volumes.by_ids(ctx, [volume_id])).get(volume_id)
        return (volume.name or "", ()) if volume else ("", ())
    port = (await ports.by_ids(ctx, [op.subject_id])).get(op.subject_id)
    return (port.name, (await tags.of(ctx, [port.id])).get(port.id, ())) if port else ("", ())
