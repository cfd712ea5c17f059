"""/v2/images/{image_id}/file and /stage, and /v2/transfers: bytes, at the pace of the slower side."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from starlette.requests import Request

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, UnsupportedMediaType
from pileus.kernel.http import Answer, FilePart, Stream
from pileus.kernel.http.stream import receive_stream
from pileus.services.image.http import api
from pileus.services.image.image_data import service
from pileus.services.image.image_data.service import Incoming
from pileus.services.image.settings import STORE

OCTETS = "application/octet-stream"
FILE = "/v2/images/{image_id}/file"
STAGE = "/v2/images/{image_id}/stage"
TRANSFER = "/v2/transfers/{token}"


def incoming(ctx: Ctx, request: Request) -> Incoming:
    """The body. Raises UnsupportedMediaType, BadRequest."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != OCTETS:
        raise UnsupportedMediaType(f"Invalid content type {kind[:80]}: this takes {OCTETS}.")
    store = request.headers.get("x-image-meta-store", STORE)
    if store != STORE:
        raise BadRequest(f"Store '{store[:80]}' is not one of this cloud: it has {STORE}.")
    config = ctx.world.config
    size = declared(request)
    return Incoming(receive_stream(request, config.image.size_cap_bytes, config.http.body_timeout_s), size)


def declared(request: Request) -> int:
    """How many bytes the client says will come; 0 when it says nothing. Raises BadRequest."""
    text = request.headers.get("x-openstack-image-size") or request.headers.get("content-length") or "0"
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise BadRequest("Invalid or missing image size in request headers.")
    return int(text)


@api.put(FILE, rule="upload_image", late=True, status=204)
async def upload_image(ctx: Ctx, image_id: UUID, request: Request) -> None:
    await service.upload(ctx, image_id, partial(incoming, ctx, request))


@api.put(STAGE, rule="modify_image", late=True, status=204)
async def stage_image(ctx: Ctx, image_id: UUID, request: Request) -> None:
    await service.stage(ctx, image_id, partial(incoming, ctx, request))


@api.get(FILE, rule="download_image", late=True)
async def download_image(ctx: Ctx, image_id: UUID) -> Answer | Stream:
    image, path = await service.download(ctx, image_id)
    if path is None:
        return Answer(status=204)
    headers = {"Content-MD5": image.checksum} if image.checksum else {}
    return Stream(FilePart(path, 0, image.size or 0), headers=headers)


@api.get(TRANSFER, anonymous=True)
async def fetch_image(ctx: Ctx, token: str) -> Stream:
    image, path = await service.fetch(ctx, token)
    return Stream(FilePart(path, 0, image.size or 0), headers={"ETag": f'"{image.hash_value}"'})


@api.put(TRANSFER, anonymous=True, status=204)
async def receive_image(ctx: Ctx, token: str, request: Request) -> None:
    await service.put(ctx, token, partial(incoming, ctx, request))
