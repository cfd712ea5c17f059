"""The bytes of images: how they come in, and where they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from pileus.engines.blobs import BlobFacts, Blobs, Look, Writer
from pileus.engines.disk_formats import BadImage, check
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Forbidden, Gone, UnsupportedMediaType
from pileus.kernel.hosts import LOCAL
from pileus.services.image.images import service as images
from pileus.services.image.images.service import DIGESTS, Found, Image, Writing, Written

GIB = 1 << 30
BEAT_S = 10.0


class Refused(UnsupportedMediaType):
    """The bytes are not what was said, or must not be used."""


def blobs(ctx: Ctx) -> Blobs:
    found: Blobs = ctx.engine(Blobs.KIND, LOCAL)
    return found


class Incoming(NamedTuple):
    """Bytes that come: their pieces, and how many were announced (0: nobody said)."""

    pieces: AsyncIterator[bytes]
    declared: int


Open = Callable[[], Incoming]
"""Begins to read what comes: called when it is known that the caller may send it."""


async def upload(ctx: Ctx, image_id: UUID, body: Open) -> None:
    """Give an image that waits for them its bytes; then it is active. Of what fails nothing is left.

    Raises NotFound, Forbidden, Conflict, BadRequest, TooLarge, OverQuota, Refused, Gone.
    """
    image = await images.get(ctx, image_id, "upload_image")
    pieces, declared = body()
    await take_in(ctx, await images.begin(ctx, image, "saving", declared=declared), pieces)


async def stage(ctx: Ctx, image_id: UUID, body: Open) -> None:
    """Put bytes aside, to be imported later. Raises as `upload` does; what they are is looked at on import."""
    image = await images.get(ctx, image_id, "modify_image")
    pieces, declared = body()
    await take_in(ctx, await images.begin(ctx, image, "uploading", declared=declared), pieces)


async def take_in(ctx: Ctx, writing: Writing, pieces: AsyncIterator[bytes]) -> None:
    """Write the bytes while the right to do so lasts; give it up, whatever goes wrong."""
    try:
        async with blobs(ctx).writing(str(writing.id), most_bytes=writing.most_bytes, digests=DIGESTS) as writer:
            await copy(ctx, pieces, writer, partial(images.beat, ctx, writing))
            found = await inspected(ctx, writing, writer)
            facts = await writer.keep()
        await images.filled(ctx, writing, Written(size=facts.size, digests=facts.digests), found)
    except BaseException:
        if await images.give_up(ctx, writing.image.id, writing.id):
            await blobs(ctx).ensure_gone(str(writing.id))
        raise


async def copy(ctx: Ctx, pieces: AsyncIterator[bytes], writer: Writer, alive: Callable[[], Awaitable[None]]) -> None:
    """Write all pieces; `alive` is called now and then."""
    beaten = ctx.world.clock.monotonic()
    async with aclosing(pieces) as open_pieces:  # type: ignore[type-var]
        async for piece in open_pieces:
            await writer.write(piece)
            if ctx.world.clock.monotonic() - beaten > BEAT_S:
                beaten = ctx.world.clock.monotonic()
                await alive()


async def keep(ctx: Ctx, blob_id: str, pieces: AsyncIterator[bytes], *, most_bytes: int, image_id: UUID) -> BlobFacts:
    """For an operation: keep bytes that come from elsewhere. May be repeated. Raises TooLarge, Gone when the image is."""

    async def alive() -> None:
        if await images.find(ctx, image_id) is None:
            raise Gone(f"Image {image_id} was deleted.")

    async with blobs(ctx).writing(blob_id, most_bytes=most_bytes, digests=DIGESTS) as writer:
        await copy(ctx, pieces, writer, alive)
        return await writer.keep()


def sight(ctx: Ctx, image: Image) -> Look[Found]:
    """How the bytes of an image are looked at."""
    return partial(
        check,
        declared=image.disk_format or "",
        container=image.container_format or "",
        most_virtual_bytes=ctx.world.config.image.virtual_size_cap_gib * GIB,
    )


async def inspected(ctx: Ctx, writing: Writing, writer: Writer) -> Found:
    """What the bytes are. Raises Refused; staged ones are looked at on import."""
    image = writing.image
    if writing.aim == "uploading":
        return Found(image.disk_format or "", None)
    try:
        return await writer.look(sight(ctx, image))
    except BadImage as e:
        raise refused(image, e) from e


async def look(ctx: Ctx, image: Image, blob_id: str) -> Found:
    """What bytes are that were kept. Raises Refused, NotFound."""
    try:
        return await blobs(ctx).look(blob_id, sight(ctx, image))
    except BadImage as e:
        raise refused(image, e) from e


def refused(image: Image, why: BadImage) -> Refused:
    return Refused(f"Image {image.id} is refused: {why}.")


async def download(ctx: Ctx, image_id: UUID) -> tuple[Image, Path | None]:
    """The image, and the file that holds its bytes; None when it has none. Raises NotFound, Forbidden."""
    image = await images.get(ctx, image_id)
    if image.status == "deactivated" and not images.is_admin(ctx):
        raise Forbidden("The requested image has been deactivated. Image data download is forbidden.")
    image = await images.get(ctx, image_id, "download_image")
    if image.blob_id is None:
        return image, None
    return image, await blobs(ctx).path(str(image.blob_id))


async def fetch(ctx: Ctx, token: str) -> tuple[Image, Path]:
    """For a host: the image that a token names, and the file with its bytes. Raises NotFound."""
    image = await images.of_token(ctx, token)
    return image, await blobs(ctx).path(str(image.blob_id))


async def put(ctx: Ctx, token: str, body: Open) -> None:
    """From a host: the bytes of an image that waits for them. One that has them already is as it shall be.

    Raises NotFound, and as `upload` does.
    """
    image = await images.to_fill(ctx, token)
    if image.blob_id is None:
        pieces, declared = body()
        await take_in(ctx, await images.begin(ctx, image, "saving", declared=declared), pieces)
