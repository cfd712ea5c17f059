"""What an operation works on or a request is about, as users call it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.operations import Op
from pileus.services.compute.servers import service as servers
from pileus.services.image.images import service as images
from pileus.services.network.ports import service as ports
from pileus.services.network.tags import service as tags
from pileus.services.volume.volumes import service as volumes
from pileus.services.volume.volumes.service import Volume


async def name_and_tags(op: Op) -> tuple[str, Collection[str]]:
    """Of its server, its volume or its port. Of anything else, nothing."""
    service, ctx = op.saga.name.partition(".")[0], op.ctx
    if service == "compute":
        server_id = UUID(op.memo.get("server_id", str(op.subject_id)))
        server = (await servers.by_ids(ctx, [server_id])).get(server_id)
        return (server.name, await servers.tags_of(ctx, server)) if server else ("", ())
    if service == "volume":
        volume_id = UUID(op.memo.get("volume_id", str(op.subject_id)))
        volume = (await volumes.by_ids(ctx, [volume_id])).get(volume_id)
        return (volume.name or "", worn(await volumes.METADATA.of(ctx, volume_id))) if volume else ("", ())
    port = (await ports.by_ids(ctx, [op.subject_id])).get(op.subject_id)
    return (port.name, (await tags.of(ctx, [port.id])).get(port.id, ())) if port else ("", ())


async def tags_at(ctx: Ctx, path: str) -> set[str]:
    """Of whatever the ids in a path name: servers, volumes, images, and all of a network that has tags."""
    ids = list(ids_in(path))
    if not ids:
        return set()
    async with ctx.read() as ctx:
        found = set().union(*(await tags.of(ctx, ids)).values())
        for server in (await servers.by_ids(ctx, ids)).values():
            found |= set(await servers.tags_of(ctx, server))
        for image in (await images.by_ids(ctx, ids)).values():
            found |= set(image.tags)
        for pairs in (await volumes.METADATA.of_all(ctx, ids)).values():
            found |= set(worn(pairs))
    return found


def ids_in(path: str) -> Iterator[UUID]:
    for segment in path.split("/"):
        try:
            yield UUID(segment)
        except ValueError:
            continue


def worn(metadata: Mapping[str, str]) -> list[str]:
    """What stands for the tags that volumes do not have."""
    return [f"{key}={value}" for key, value in metadata.items()]


async def all_volumes(ctx: Ctx) -> AsyncIterator[tuple[Collection[str], Volume]]:
    """Each with its tags, some at a time."""
    async for some in volumes.in_pages(ctx):
        pairs = await volumes.METADATA.of_all(ctx, [volume.id for volume in some])
        for volume in some:
            yield worn(pairs[volume.id]), volume
