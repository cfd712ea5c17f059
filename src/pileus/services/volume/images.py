"""What Block Storage asks of Image: what an image is, its bytes for a host, and a place for the bytes of a new one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http.plan import parse_uuid


async def get(ctx: Ctx, image_id: UUID) -> Any:
    """The image, if the caller may use it. Raises NotFound."""
    raise NotFound(f"Image {image_id} could not be found.")


async def transfer(ctx: Ctx, image_id: UUID) -> tuple[str, str]:
    """A path at which a host gets the image's bytes, and their format. Raises NotFound."""
    raise NotFound(f"Image {image_id} could not be found.")


async def create_for(ctx: Ctx, facts: dict[str, Any]) -> UUID:
    """A new image whose bytes are to come: name, formats, visibility, protected."""
    raise NotFound("There is no Image service.")


async def receive(ctx: Ctx, image_id: UUID) -> str:
    """A path at which a host puts the image's bytes; when they are whole it is active. Raises NotFound."""
    raise NotFound(f"Image {image_id} could not be found.")


async def abandon(ctx: Ctx, image_id: UUID) -> None:
    """Nothing will come of an image that was made for a volume's bytes. May be repeated."""


def sealed(ctx: Ctx, url: str) -> str:
    """A path with its token, to be kept in an operation."""
    return ctx.world.seal.seal(url.encode()).hex()


def unsealed(ctx: Ctx, text: str) -> str:
    return ctx.world.seal.open(bytes.fromhex(text)).decode()


def described(image: Any) -> dict[str, str]:
    """What a volume made of the image keeps of it, and shows as `volume_image_metadata`."""
    kept = {
        "image_id": str(image.id),
        "image_name": image.name or "",
        "checksum": image.checksum or "",
        "container_format": image.container_format or "",
        "disk_format": image.disk_format or "",
        "min_disk": str(image.min_disk or 0),
        "min_ram": str(image.min_ram or 0),
        "size": str(image.size or 0),
    }
    return kept | {str(key): str(value) for key, value in (image.properties or {}).items()}


async def find_id(ctx: Ctx, reference: str) -> UUID:
    """The id of an image that a client names by its id, its URL or its name. Raises BadRequest."""
    text = reference.rpartition("/")[2]
    try:
        return UUID(str((await get(ctx, parse_uuid(text))).id))
    except (ValueError, NotFound):
        raise BadRequest("Invalid image identifier or unable to access requested image.") from None
