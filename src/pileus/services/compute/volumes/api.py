"""/os-volumes and /os-snapshots, which Compute passed on to Block Storage before 2.36."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, field

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Body, Here, Query
from pileus.kernel.http.queries import boolean
from pileus.services.compute.http import api, limit, links, own
from pileus.services.compute.volumes import service
from pileus.services.volume.snapshots.service import Wanted as WantedSnapshot
from pileus.services.volume.volumes.service import Wanted

VOLUMES, VOLUME = "/v2.1/os-volumes", "/v2.1/os-volumes/{volume_id}"
SNAPSHOTS, SNAPSHOT = "/v2.1/os-snapshots", "/v2.1/os-snapshots/{snapshot_id}"
RULE = "os_compute_api:os-volumes"

Text = Annotated[str, Meta(max_length=255)]


class NewVolume(Body, frozen=True):
    size: int | str
    volume_type: Text | None = None
    metadata: dict[str, Text] = field(default_factory=dict)
    snapshot_id: UUID | None = None
    availability_zone: Text | None = None
    display_name: Text | None = None
    display_description: Text | None = None


class NewSnapshot(Body, frozen=True):
    volume_id: UUID
    force: bool | str = False
    display_name: Text | None = None
    display_description: Text | None = None


def size(value: int | str) -> int:
    """Raises BadRequest."""
    if re.fullmatch("0*[1-9][0-9]{0,8}", str(value)) is None:
        raise BadRequest(f"Invalid input for field/attribute size. Value: {str(value)[:80]}. It is a number from 1 on.")
    return int(value)


def span(query: Query) -> tuple[int, int | None]:
    """How many are passed over, and how many are asked for at most. Raises BadRequest."""
    first, most = (limit({"limit": query[name][-1]} if name in query else {}) for name in ("offset", "limit"))
    return first or 0, most


@api.get(f"{VOLUMES}/detail", rule=f"{RULE}:detail", until="2.35", wrap="volumes")
@api.get(VOLUMES, rule=f"{RULE}:list", until="2.35", wrap="volumes")
async def list_volumes(ctx: Ctx, query: Query) -> list[dict[str, Any]]:
    ctx.require(own(ctx))
    return await service.page(ctx, *span(query))


@api.post(VOLUMES, rule=f"{RULE}:create", until="2.35", wrap_body="volume")
async def create_volume(ctx: Ctx, body: NewVolume, here: Here) -> Answer:
    ctx.require(own(ctx))
    wanted = Wanted(
        size_gib=size(body.size),
        name=body.display_name,
        description=body.display_description,
        type=body.volume_type,
        metadata=body.metadata,
        snapshot_id=body.snapshot_id,
        zone=body.availability_zone,
    )
    made = await service.create(ctx, wanted)
    return Answer({"volume": made}, headers={"Location": links(here, "os-volumes", str(made["id"]))[0]["href"]})


@api.get(VOLUME, rule=f"{RULE}:show", until="2.35", wrap="volume")
async def show_volume(ctx: Ctx, volume_id: UUID) -> dict[str, Any]:
    ctx.require(own(ctx))
    return await service.get(ctx, volume_id)


@api.delete(VOLUME, rule=f"{RULE}:delete", until="2.35", status=202)
async def delete_volume(ctx: Ctx, volume_id: UUID) -> None:
    await service.delete(ctx, volume_id)


@api.get(f"{SNAPSHOTS}/detail", rule=f"{RULE}:snapshots:detail", until="2.35", wrap="snapshots")
@api.get(SNAPSHOTS, rule=f"{RULE}:snapshots:list", until="2.35", wrap="snapshots")
async def list_snapshots(ctx: Ctx, query: Query) -> list[dict[str, Any]]:
    ctx.require(own(ctx))
    return await service.page_of_snapshots(ctx, *span(query))


@api.post(SNAPSHOTS, rule=f"{RULE}:snapshots:create", until="2.35", wrap="snapshot")
async def create_snapshot(ctx: Ctx, body: NewSnapshot) -> dict[str, Any]:
    ctx.require(own(ctx))
    wanted = WantedSnapshot(
        volume_id=body.volume_id,
        name=body.display_name,
        description=body.display_description,
        in_use=boolean("force", str(body.force)),
    )
    return await service.create_snapshot(ctx, wanted)


@api.get(SNAPSHOT, rule=f"{RULE}:snapshots:show", until="2.35", wrap="snapshot")
async def show_snapshot(ctx: Ctx, snapshot_id: UUID) -> dict[str, Any]:
    ctx.require(own(ctx))
    return await service.get_snapshot(ctx, snapshot_id)


@api.delete(SNAPSHOT, rule=f"{RULE}:snapshots:delete", until="2.35", status=202)
async def delete_snapshot(ctx: Ctx, snapshot_id: UUID) -> None:
    await service.delete_snapshot(ctx, snapshot_id)
