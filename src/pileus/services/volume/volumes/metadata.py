"""/v3/volumes/{volume_id}/metadata"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from uuid import UUID

import msgspec
from starlette.requests import Request

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound, PreconditionFailed
from pileus.kernel.http import Answer
from pileus.services.volume.http import Pairs, api, only_item
from pileus.services.volume.volumes import service
from pileus.services.volume.volumes.api import ONE, own

ALL = f"{ONE}/metadata"
ITEM = f"{ONE}/metadata/{{key}}"

READ, CREATE, WRITE, DELETE = (f"volume:{verb}_volume_metadata" for verb in ("get", "create", "update", "delete"))


def etag(pairs: Mapping[str, str]) -> str:
    """Of the metadata as a whole: the same for the same."""
    return hashlib.md5(msgspec.json.encode({"metadata": pairs}), usedforsecurity=False).hexdigest()


async def check(ctx: Ctx, volume_id: UUID, request: Request) -> None:
    """From 3.15 on a change may ask to be of what was seen. Raises PreconditionFailed."""
    sent = request.headers.get("if-match")
    if not ctx.at("3.15") or sent is None or sent.strip() == "*":
        return
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in sent.split(",")}
    if etag(await service.METADATA.of(ctx, volume_id)) not in tags:
        raise PreconditionFailed("The metadata was changed meanwhile; read it again.")


@api.get(ALL, rule=READ)
async def list_metadata(ctx: Ctx, volume_id: UUID) -> Answer:
    pairs = await service.METADATA.of(ctx, (await own(ctx, volume_id)).id)
    return Answer({"metadata": pairs}, headers={"ETag": etag(pairs)} if ctx.at("3.15") else {})


@api.post(ALL, rule=CREATE, wrap="metadata")
async def add_metadata(ctx: Ctx, volume_id: UUID, body: Pairs) -> dict[str, str]:
    await service.put_metadata(ctx, await own(ctx, volume_id), body)
    return await service.METADATA.of(ctx, volume_id)


@api.put(ALL, rule=WRITE, wrap="metadata")
async def replace_metadata(ctx: Ctx, volume_id: UUID, body: Pairs, request: Request) -> dict[str, str]:
    volume = await own(ctx, volume_id)
    await check(ctx, volume_id, request)
    await service.put_metadata(ctx, volume, body, replace=True)
    return await service.METADATA.of(ctx, volume_id)


async def item(ctx: Ctx, volume_id: UUID, key: str) -> str:
    found = await service.METADATA.of(ctx, (await own(ctx, volume_id)).id)
    if key not in found:
        raise NotFound(f"Volume {volume_id} has no metadata with key {key}.")
    return found[key]


@api.get(ITEM, rule=READ, wrap="meta")
async def show_metadata_item(ctx: Ctx, volume_id: UUID, key: str) -> dict[str, str]:
    return {key: await item(ctx, volume_id, key)}


@api.put(ITEM, rule=WRITE, wrap="meta")
async def put_metadata_item(ctx: Ctx, volume_id: UUID, key: str, body: Pairs, request: Request) -> dict[str, str]:
    volume = await own(ctx, volume_id)
    await check(ctx, volume_id, request)
    only_item(key, body)
    await service.put_metadata(ctx, volume, body)
    return body


@api.delete(ITEM, rule=DELETE)
async def delete_metadata_item(ctx: Ctx, volume_id: UUID, key: str) -> None:
    await item(ctx, volume_id, key)
    await service.drop_metadata(ctx, await own(ctx, volume_id), key)
