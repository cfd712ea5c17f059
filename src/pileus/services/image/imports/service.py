"""Imports: what the API may ask for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict
from pileus.services.image.images import service as images
from pileus.services.image.imports import sagas
from pileus.services.image.settings import METHODS, STORE
from pileus.services.image.web import check_url


async def begin(ctx: Ctx, image_id: UUID, body: dict[str, Any]) -> None:
    """Let an operation make the data of an image. Raises NotFound, Forbidden, BadRequest, Conflict, OverQuota."""
    await images.get(ctx, image_id)
    method = method_of(body)
    uri = str(method.get("uri") or "") if method["name"] == "web-download" else None
    if uri is not None:
        check_url(uri, ctx.world.config.image)
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", image_id)
        image = await images.get(ctx, image_id, "modify_image")
        check_state(image, method["name"])
        most_bytes = await images.room_for(ctx, image, fresh=uri is not None)
        staged_id = image.staged_id or ctx.world.ids.uuid()  # named in the row before the first byte comes
        asked = {"image_id": str(image_id), "import_req": body, "backend": [STORE]}
        await sagas.import_image.start(
            ctx, image_id, staged=str(staged_id), uri=uri, most_bytes=most_bytes, asked=asked
        )
        await images.set_importing(ctx, image_id, staged_id)


def check_state(image: images.Image, name: str) -> None:
    """Raises Conflict unless the image waits for this."""
    if image.status == "active":
        raise Conflict("Image with status active cannot be target for import")
    if image.status == "importing":
        raise Conflict(f"New operation on image '{image.id}' is not permitted as prior operation is still in progress")
    if name == "web-download" and image.status != "queued":
        raise Conflict(f"Image needs to be in 'queued' state to use '{name}' method")
    if name == "glance-direct" and (image.status != "uploading" or image.staged_id is None):
        raise Conflict(f"Image needs to be staged before '{name}' method can be used")
    for field in ("container_format", "disk_format"):
        if not getattr(image, field):
            raise Conflict(f"'{field}' needs to be set before import")


def method_of(body: dict[str, Any]) -> dict[str, Any]:
    """How to import. Raises BadRequest."""
    method = body.get("method")
    if not isinstance(method, dict):
        raise BadRequest("Import request requires a 'method' field.", field="method")
    name = method.get("name")
    if name is None:
        raise BadRequest("Import request requires a 'name' field.", field="method.name")
    if name not in METHODS:
        raise BadRequest(f"Unknown import method name '{str(name)[:80]}'.", field="method.name")
    for flag in ("all_stores", "all_stores_must_succeed"):
        if not isinstance(body.get(flag, False), bool):
            raise BadRequest(f"'{flag}' must be boolean value only", field=flag)
    stores = body.get("stores", [STORE])
    if not isinstance(stores, list) or set(map(str, stores)) != {STORE}:
        raise Conflict(f"There is no such store: this cloud has {STORE}.", field="stores")
    return method
