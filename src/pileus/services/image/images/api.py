"""/v2/images: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from starlette.requests import Request

from pileus.kernel.context import Ctx
from pileus.kernel.errors import UnsupportedMediaType
from pileus.kernel.http import Answer, Here, Query
from pileus.kernel.http.rendered import rendered
from pileus.kernel.paging import image_links
from pileus.services.image.http import api, stamp
from pileus.services.image.images import rules, service
from pileus.services.image.images.service import Image
from pileus.services.image.settings import METHODS, STORE

LIST = "/v2/images"
ONE = "/v2/images/{image_id}"
TAG = "/v2/images/{image_id}/tags/{tag_value}"
KEPT = 2_000  # documents, of 1 KB
ACCEPTED = ", ".join(sorted(rules.DRAFTS))


def import_of(image: Image) -> dict[str, str]:
    """How the last import stands, by the stores it is for and those it failed in."""
    if image.import_failed is None:
        return {}
    importing, failed = image.status == "importing", image.import_failed
    return {
        "os_glance_importing_to_stores": STORE if importing else "",
        "os_glance_failed_import": STORE if failed else "",
    }


def shown(image: Image) -> dict[str, Any]:
    """What was found out of staged bytes is told when they are the image's."""
    id_ = str(image.id)
    path, whole = f"{LIST}/{id_}", image.status in rules.WHOLE
    stores = {"stores": STORE} if image.blob_id else {}
    return {
        **image.properties,
        **import_of(image),
        "name": image.name,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "visibility": image.visibility,
        "size": image.size,
        "virtual_size": image.virtual_size if whole else None,
        "status": image.status,
        "checksum": image.checksum if whole else None,
        "protected": image.protected,
        "min_ram": image.min_ram,
        "min_disk": image.min_disk,
        "owner": image.owner,
        "os_hidden": image.hidden,
        "os_hash_algo": image.hash_algo if whole else None,
        "os_hash_value": image.hash_value if whole else None,
        "id": id_,
        "created_at": stamp(image.created_at),
        "updated_at": stamp(image.updated_at),
        "tags": image.tags,
        "self": path,
        "file": f"{path}/file",
        "schema": "/v2/schemas/image",
        **stores,
    }


@rendered(KEPT)
def listed_image(row: tuple[Any, ...]) -> dict[str, Any]:
    """An image of a list: most are as they were when they were listed last."""
    return shown(service.read_row(row))


@api.post(LIST, rule="add_image", status=201)
async def create_image(ctx: Ctx, body: dict[str, Any]) -> Answer:
    image = await service.create(ctx, body)
    headers = {
        "Location": f"{LIST}/{image.id}",
        "OpenStack-image-import-methods": ",".join(METHODS),
        "OpenStack-image-store-ids": STORE,
    }
    return Answer(shown(image), headers=headers)


@api.get(LIST, rule="get_images")
async def list_images(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    page = await service.page_of_rows(ctx, query)
    return {"images": [*map(listed_image, page.rows)], **image_links(here, page), "schema": "/v2/schemas/images"}


@api.get(ONE, rule="get_image", late=True)
async def show_image(ctx: Ctx, image_id: UUID) -> dict[str, Any]:
    return shown(await service.get(ctx, image_id))


@api.patch(ONE, rule="modify_image", late=True, media=("*/*",))
async def update_image(ctx: Ctx, image_id: UUID, body: Any, request: Request) -> dict[str, Any]:
    await service.get(ctx, image_id)
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in rules.DRAFTS:
        raise UnsupportedMediaType(
            f"Image PATCH expects Content-Type one of: {ACCEPTED}", headers={"Accept-Patch": ACCEPTED}
        )
    return shown(await service.patch(ctx, image_id, rules.changes_of(body, media)))


@api.delete(ONE, rule="delete_image", late=True, status=204)
async def delete_image(ctx: Ctx, image_id: UUID) -> None:
    await service.delete(ctx, image_id)


@api.put(TAG, rule="modify_image", late=True, status=204)
async def add_tag(ctx: Ctx, image_id: UUID, tag_value: str) -> None:
    await service.put_tags(ctx, image_id, add=rules.checked_tag(tag_value))


@api.delete(TAG, rule="modify_image", late=True, status=204)
async def delete_tag(ctx: Ctx, image_id: UUID, tag_value: str) -> None:
    await service.put_tags(ctx, image_id, remove=tag_value)


@api.post("/v2/images/{image_id}/actions/deactivate", rule="deactivate", late=True, status=204)
async def deactivate_image(ctx: Ctx, image_id: UUID) -> None:
    await service.set_status(ctx, image_id, "deactivated", "deactivate")


@api.post("/v2/images/{image_id}/actions/reactivate", rule="reactivate", late=True, status=204)
async def reactivate_image(ctx: Ctx, image_id: UUID) -> None:
    await service.set_status(ctx, image_id, "active", "reactivate")
