"""/v3/snapshots/{snapshot_id}/metadata"""

from __future__ import annotations

from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.services.volume.http import Pairs, api, only_item
from pileus.services.volume.snapshots import service
from pileus.services.volume.snapshots.api import ONE, own

ALL = f"{ONE}/metadata"
ITEM = f"{ONE}/metadata/{{key}}"

READ, WRITE, DELETE = (f"volume:{verb}_snapshot_metadata" for verb in ("get", "update", "delete"))


@api.get(ALL, rule=READ, wrap="metadata")
async def list_metadata(ctx: Ctx, snapshot_id: UUID) -> dict[str, str]:
    return await service.METADATA.of(ctx, (await own(ctx, snapshot_id)).id)


@api.post(ALL, rule=WRITE, wrap="metadata")
async def add_metadata(ctx: Ctx, snapshot_id: UUID, body: Pairs) -> dict[str, str]:
    await service.change(ctx, await own(ctx, snapshot_id), {}, body)
    return await service.METADATA.of(ctx, snapshot_id)


@api.put(ALL, rule=WRITE, wrap="metadata")
async def replace_metadata(ctx: Ctx, snapshot_id: UUID, body: Pairs) -> dict[str, str]:
    await service.change(ctx, await own(ctx, snapshot_id), {}, body, replace=True)
    return await service.METADATA.of(ctx, snapshot_id)


async def item(ctx: Ctx, snapshot_id: UUID, key: str) -> str:
    found = await service.METADATA.of(ctx, (await own(ctx, snapshot_id)).id)
    if key not in found:
        raise NotFound(f"Snapshot {snapshot_id} has no metadata with key {key}.")
    return found[key]


@api.get(ITEM, rule=READ, wrap="meta")
async def show_metadata_item(ctx: Ctx, snapshot_id: UUID, key: str) -> dict[str, str]:
    return {key: await item(ctx, snapshot_id, key)}


@api.put(ITEM, rule=WRITE, wrap="meta")
async def put_metadata_item(ctx: Ctx, snapshot_id: UUID, key: str, body: Pairs) -> dict[str, str]:
    snapshot = await own(ctx, snapshot_id)
    only_item(key, body)
    await service.change(ctx, snapshot, {}, body)
    return body


@api.delete(ITEM, rule=DELETE)
async def delete_metadata_item(ctx: Ctx, snapshot_id: UUID, key: str) -> None:
    await item(ctx, snapshot_id, key)
    snapshot = await own(ctx, snapshot_id)
    left = {name: value for name, value in (await service.METADATA.of(ctx, snapshot_id)).items() if name != key}
    await service.change(ctx, snapshot, {}, left, replace=True)
