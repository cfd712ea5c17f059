"""Images in the words that Compute had for them: what there is, who sees it and who may change it is Image's to say."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Forbidden, NotFound
from pileus.kernel.paging import Page
from pileus.services.image.images import service as images
from pileus.services.image.images.service import Image

__all__ = ["SAVING", "Image", "delete", "get", "page", "set_metadata"]

FILTERS = {
    "name": "name",
    "server": "instance_uuid",
    "type": "image_type",
    "minRam": "min_ram",
    "minDisk": "min_disk",
    "limit": "limit",
    "marker": "marker",
}
SAVING = ("queued", "saving", "uploading", "importing")
STATUSES = {"ACTIVE": "active", "SAVING": f"in:{','.join(SAVING)}", "ERROR": "killed"}
PROPERTY = "property-"


async def get(ctx: Ctx, image_id: UUID) -> Image:
    """Raises NotFound."""
    try:
        return await images.get(ctx, image_id)
    except NotFound:
        raise NotFound("Image not found.") from None


async def page(ctx: Ctx, given: Mapping[str, str]) -> tuple[list[Image], Page]:
    """Those that the caller sees, the newest first. Raises BadRequest."""
    return await images.page(ctx, asked(given))


def asked(given: Mapping[str, str]) -> dict[str, list[str]]:
    """The same in Image's words."""
    query = {FILTERS[name]: [value] for name, value in given.items() if name in FILTERS}
    query |= {name[len(PROPERTY) :]: [value] for name, value in given.items() if name.startswith(PROPERTY)}
    if "server" in given:  # its id, or where it is
        query["instance_uuid"] = [given["server"].rstrip("/").rpartition("/")[2]]
    if "status" in given:
        query["status"] = [STATUSES.get(given["status"].upper(), given["status"])]
    if "changes-since" in given:
        query["updated_at"] = [f"gte:{given['changes-since']}"]
    return query


async def delete(ctx: Ctx, image_id: UUID) -> None:
    """Raises NotFound, Forbidden."""
    try:
        await images.delete(ctx, (await get(ctx, image_id)).id)
    except Forbidden:
        raise Forbidden("You are not allowed to delete the image.") from None


async def set_metadata(ctx: Ctx, image: Image, wanted: Mapping[str, str]) -> dict[str, str]:
    """These and no other properties. Raises NotFound, BadRequest, Forbidden, TooLarge."""
    try:
        return await images.set_properties(ctx, image.id, wanted)
    except Forbidden:
        raise Forbidden("You are not allowed to change the image.") from None
