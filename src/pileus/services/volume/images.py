"""What Block Storage asks of Image: what an image is, its bytes for a host, and a place for the bytes of a new one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http.plan import parse_uuid
from pileus.services.image.images import service as images
from pileus.services.image.images.service import Image

abandon = images.abandon


class Disk(msgspec.Struct, frozen=True):
    """A disk in the mapping of an image that a server left behind which runs from volumes; of all there is, what is looked at."""

    boot_index: int | None = None
    snapshot_id: UUID | None = None


async def get(ctx: Ctx, image_id: UUID) -> Image:
    """The image, if the caller may use it. Raises NotFound."""
    return await images.get(ctx, image_id)


def snapshot_of(image: Image) -> UUID | None:
    """The snapshot that an image stands for which has no bytes of its own. None for what cannot be read, too."""
    try:
        found = msgspec.json.decode(image.properties.get("block_device_mapping", "[]"), type=list[Disk], strict=False)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return next((each.snapshot_id for each in found if each.boot_index == 0), None)


async def find_id(ctx: Ctx, reference: str) -> UUID:
    """The id of an image that a client names by its id or its URL. Raises BadRequest."""
    try:
        return (await get(ctx, parse_uuid(reference.rpartition("/")[2]))).id
    except (ValueError, NotFound):
        raise BadRequest("Invalid image identifier or unable to access requested image.") from None


async def transfer(ctx: Ctx, image_id: UUID, volume_id: UUID) -> tuple[str, str]:
    """A path at which the volume's host gets the image's bytes, and their format. Raises NotFound, Conflict."""
    path = await images.transfer(ctx, image_id, subject_id=volume_id)
    return path, (await get(ctx, image_id)).disk_format or "raw"


async def create_for(ctx: Ctx, facts: dict[str, Any]) -> UUID:
    """A new image whose bytes are to come: name, formats, visibility, protected. Raises Conflict, OverQuota."""
    return (await images.create_for(ctx, **facts)).id


async def receive(ctx: Ctx, image_id: UUID, volume_id: UUID) -> str:
    """A path at which the volume's host puts the image's bytes; when they are whole it is active. Raises NotFound."""
    return await images.receive(ctx, image_id, subject_id=volume_id)


def sealed(ctx: Ctx, url: str) -> str:
    """A path with its token, to be kept in an operation."""
    return ctx.world.seal.seal(url.encode()).hex()


def unsealed(ctx: Ctx, text: str) -> str:
    return ctx.world.seal.open(bytes.fromhex(text)).decode()


def described(image: Image) -> dict[str, str]:
    """What a volume made of the image keeps of it, and shows as `volume_image_metadata`."""
    kept = {
        "image_id": str(image.id),
        "image_name": image.name or "",
        "checksum": image.checksum or "",
        "container_format": image.container_format or "",
        "disk_format": image.disk_format or "",
        "min_disk": str(image.min_disk),
        "min_ram": str(image.min_ram),
        "size": str(image.size or 0),
    }
    return kept | image.properties
