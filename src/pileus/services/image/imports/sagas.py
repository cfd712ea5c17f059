"""The import of an image's data. Read top to bottom: that is the order it runs in."""

from __future__ import annotations

from typing import Any

from pileus.kernel.errors import Gone
from pileus.kernel.operations import Op, Saga
from pileus.services.image.image_data import service as image_data
from pileus.services.image.images import service as images
from pileus.services.image.images.service import DIGESTS, Image, Written
from pileus.services.image.web import download

import_image = Saga("image.import_image")


@import_image.step(deadline_s=86_400)
async def fetch(op: Op) -> Any:
    """What was fetched; None of what was staged. A download has a deadline of its own, which an operator sets."""
    if op.memo["uri"] is None:
        return None
    most_bytes, pieces = op.memo["most_bytes"], download(op.memo["uri"], op.ctx.world.config.image)
    facts = await image_data.keep(op.ctx, op.memo["staged"], pieces, most_bytes=most_bytes, image_id=op.subject_id)
    return {"size": facts.size, **facts.digests}


@fetch.undo
async def remove_bytes(op: Op) -> None:
    await image_data.blobs(op.ctx).ensure_gone(op.memo["staged"])


@import_image.step(deadline_s=300)
async def inspect(op: Op) -> Any:
    """What the bytes are; refused when they are something else, or nothing that may be used."""
    found = await image_data.look(op.ctx, await there(op), op.memo["staged"])
    return {"virtual_size": found.virtual_size}


@import_image.rows
async def mark_active(op: Op) -> None:
    facts = op.memo.get("fetch")
    written = None if facts is None else Written(size=facts["size"], digests={each: facts[each] for each in DIGESTS})
    await images.set_imported(op.ctx, op.subject_id, written, op.memo["inspect"]["virtual_size"])


@import_image.undone
@import_image.parked
async def mark_queued(op: Op) -> None:
    """Bytes that could not be removed are nobody's from now on: housekeeping finds them."""
    await images.empty(op.ctx, op.subject_id)


async def there(op: Op) -> Image:
    """Raises Gone when it was deleted meanwhile."""
    found = await images.find(op.ctx, op.subject_id)
    if found is None:
        raise Gone(f"Image {op.subject_id} was deleted.")
    return found
