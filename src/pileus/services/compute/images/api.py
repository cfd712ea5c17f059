"""/images and /images/{image_id}/metadata: what Compute passed on to Image before 2.36, and before 2.39."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Here, Query
from pileus.services.compute.http import api, limit, links, next_link, stamp
from pileus.services.compute.images import service
from pileus.services.compute.images.service import SAVING, Image
from pileus.services.compute.metadata import checked_metadata, item

LIST = "/v2.1/images"
ONE = "/v2.1/images/{image_id}"
METADATA = "/v2.1/images/{image_id}/metadata"
LOOK = "pileus:compute:images"
CHANGE = "pileus:compute:images:change"
STATUSES = {"active": "ACTIVE", "killed": "ERROR", "deleted": "DELETED", "pending_delete": "DELETED"}
PROGRESS = {"queued": 25, "saving": 50, "uploading": 50, "importing": 50, "active": 100}


def brief(here: Here, image: Image) -> dict[str, Any]:
    service_url = here.base.removesuffix(api.prefix)
    own = {
        "rel": "alternate",
        "type": "application/vnd.openstack.image",
        "href": f"{service_url}/image/images/{image.id}",
    }
    return {"id": image.id, "name": image.name, "links": [*links(here, "images", str(image.id)), own]}


def whole(here: Here, image: Image) -> dict[str, Any]:
    shown = {
        **brief(here, image),
        "minRam": image.min_ram,
        "minDisk": image.min_disk,
        "metadata": image.properties,
        "created": stamp(image.created_at),
        "updated": stamp(image.updated_at),
        "status": "SAVING" if image.status in SAVING else STATUSES.get(image.status, "UNKNOWN"),
        "progress": PROGRESS.get(image.status, 0),
        "OS-EXT-IMG-SIZE:size": image.size or 0,
    }
    if server := image.properties.get("instance_uuid"):
        shown["server"] = {"id": server, "links": links(here, "servers", server)}
    if (own := image.properties.get("auto_disk_config")) is not None:
        shown["OS-DCF:diskConfig"] = "AUTO" if own.lower() == "true" else "MANUAL"
    return shown


async def listed(ctx: Ctx, query: Query, here: Here, show: Any) -> dict[str, Any]:
    given = {name: values[-1] for name, values in query.items()}
    limit(given)
    found, page = await service.page(ctx, given)
    return {"images": [show(here, image) for image in found], **next_link(here, "images", page)}


@api.get(LIST, rule=LOOK, until="2.35")
async def list_images(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return await listed(ctx, query, here, brief)


@api.get(f"{LIST}/detail", rule=LOOK, until="2.35")
async def detail_images(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return await listed(ctx, query, here, whole)


@api.get(ONE, rule=LOOK, until="2.35", wrap="image")
async def show_image(ctx: Ctx, image_id: UUID, here: Here) -> dict[str, Any]:
    return whole(here, await service.get(ctx, image_id))


@api.delete(ONE, rule=CHANGE, until="2.35", status=204)
async def delete_image(ctx: Ctx, image_id: UUID) -> None:
    await service.delete(ctx, image_id)


@api.get(METADATA, rule=LOOK, until="2.38", wrap="metadata")
async def list_image_metadata(ctx: Ctx, image_id: UUID) -> dict[str, str]:
    return (await service.get(ctx, image_id)).properties


@api.post(METADATA, rule=CHANGE, until="2.38", wrap="metadata")
async def add_image_metadata(ctx: Ctx, image_id: UUID, body: dict[str, str]) -> dict[str, str]:
    image = await service.get(ctx, image_id)
    return await service.set_metadata(ctx, image, {**image.properties, **checked_metadata(body)})


@api.put(METADATA, rule=CHANGE, until="2.38", wrap="metadata")
async def replace_image_metadata(ctx: Ctx, image_id: UUID, body: dict[str, str]) -> dict[str, str]:
    return await service.set_metadata(ctx, await service.get(ctx, image_id), checked_metadata(body))


@api.get(f"{METADATA}/{{key}}", rule=LOOK, until="2.38", wrap="meta")
async def show_image_meta(ctx: Ctx, image_id: UUID, key: str) -> dict[str, str]:
    return {key: item((await service.get(ctx, image_id)).properties, key)}


@api.put(f"{METADATA}/{{key}}", rule=CHANGE, until="2.38", wrap="meta")
async def set_image_meta(ctx: Ctx, image_id: UUID, key: str, body: dict[str, str]) -> dict[str, str]:
    image = await service.get(ctx, image_id)
    if set(body) != {key}:
        raise BadRequest("Request body and URI mismatch")
    await service.set_metadata(ctx, image, {**image.properties, **checked_metadata(body)})
    return body


@api.delete(f"{METADATA}/{{key}}", rule=CHANGE, until="2.38", status=204)
async def delete_image_meta(ctx: Ctx, image_id: UUID, key: str) -> None:
    image = await service.get(ctx, image_id)
    item(image.properties, key)
    await service.set_metadata(ctx, image, {name: value for name, value in image.properties.items() if name != key})
