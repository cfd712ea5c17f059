"""What `pileus verify` looks at: the bytes there are, and the rows that name them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pileus.engines.blobs import BlobFacts, Blobs
from pileus.kernel import verify
from pileus.kernel.context import Ctx
from pileus.kernel.hosts import LOCAL
from pileus.kernel.verify import Difference, Looking
from pileus.services.image.images import store


@verify.check("image.blobs")
async def bytes_are_what_the_rows_say(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """Each image has its bytes, all of them; and there are no bytes that are nobody's."""
    seen: dict[str, BlobFacts] | None = await looking.at(Blobs.KIND, LOCAL)
    if seen is None:
        return
    for row in await store.with_bytes(ctx):
        facts = seen.get(str(row.blob_id))
        if facts is None or not facts.whole or facts.size != row.size:
            found = "not there" if facts is None else f"{facts.size} bytes"
            cause = f"The rows say {row.size} bytes, and they are {found}."
            yield Difference(subject="image", subject_id=str(row.id), cause=cause)
    named = {str(blob_id) for blob_id in await store.named_blobs(ctx)}
    for blob_id in seen.keys() - named:
        yield Difference(subject="blob", subject_id=blob_id, cause="It is there, and no image has it.")
