"""Who writes the bytes of an image: one at a time, named in its row before the first byte, so that nothing is ever nobody's.

A writer moves the row's `beat` while it lives. One that stands still was killed: housekeeping takes its image back.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any, Literal
from uuid import UUID

import msgspec

from pileus.engines.blobs import Blobs
from pileus.engines.disk_formats import Found
from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx, World
from pileus.kernel.errors import Conflict, Gone
from pileus.kernel.hosts import LOCAL
from pileus.kernel.operations.start import refuse_if_busy
from pileus.kernel.quota import UNLIMITED, Owners, claim, limits
from pileus.services.image.images import rules, store
from pileus.services.image.images.rules import Image
from pileus.services.image.quotas import MIB, SIZE_MIB, STAGED_MIB, UPLOADING, mib

logger = logging.getLogger("pileus.image")

IMAGE = "image.image"
STILL_S = 120.0  # longer than a client may take between two pieces of a body
HASH = "sha512"
DIGESTS = ("md5", HASH)

Aim = Literal["saving", "uploading"]


class Writing(msgspec.Struct, frozen=True, kw_only=True):
    """A right to write: `id` names the bytes. `aim`: to become the image's data, or to be staged."""

    id: UUID
    image: Image
    aim: Aim
    most_bytes: int


class Written(msgspec.Struct, frozen=True, kw_only=True):
    size: int
    digests: dict[str, str]


def blobs(ctx: Ctx) -> Blobs:
    """Where the bytes are."""
    found: Blobs = ctx.engine(Blobs.KIND, LOCAL)
    return found


async def begin(ctx: Ctx, image: Image, aim: Aim, *, declared: int = 0) -> Writing:
    """Become the one who writes. Raises Conflict unless the image waits for data, BadRequest, OverQuota."""
    rules.check_described(image)
    writer_id = ctx.world.ids.uuid()
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", image.id)
        await refuse_if_busy(ctx, [image.id])
        now = await store.find(ctx, image.id, store.THERE)
        if now is None or now.status != "queued":
            status = "deleted" if now is None else now.status
            raise Conflict(f"Image status transition from {status} to {aim} is not allowed")
        if now.owner is not None:
            await claim(ctx, UPLOADING, now.owner, wanted=1, used=store.uploading)
            await claim_bytes(ctx, now.owner, aim, max(declared, 1))
        most_bytes = await room(ctx, now.owner, aim)
        await store.change(ctx, image.id, status=aim, writer_id=writer_id, beat=0, updated_at=ctx.now())
        await changed(ctx, IMAGE, "updated", image.id, project_id=now.owner)
    return Writing(id=writer_id, image=now, aim=aim, most_bytes=most_bytes)


async def claim_bytes(ctx: Ctx, owner: str, aim: Aim, size: int) -> None:
    kind, total = (SIZE_MIB, store.total_bytes) if aim == "saving" else (STAGED_MIB, store.staged_bytes)

    def used(owners: Owners) -> Any:
        return store.in_mib(total(owners))

    await claim(ctx, kind, owner, wanted=mib(size), used=used)


async def room(ctx: Ctx, owner: str | None, aim: Aim) -> int:
    """So many bytes there may be: what an image may have, and what the project's limit leaves."""
    cap = ctx.world.config.image.size_cap_bytes
    if owner is None:
        return cap
    kind, total = (SIZE_MIB, store.total_bytes) if aim == "saving" else (STAGED_MIB, store.staged_bytes)
    limit = (await limits(ctx, kind.service, [kind.resource], owner))[kind.resource]
    if limit == UNLIMITED:
        return cap
    used = (await ctx.execute(total([owner]))).scalar() or 0
    return min(cap, max(0, (limit - used // MIB) * MIB))


async def beat(ctx: Ctx, writing: Writing) -> None:
    """Show that the writer lives. Raises Gone when the image was deleted or taken back meanwhile."""
    async with ctx.transaction() as ctx:
        moved = await store.change(ctx, writing.image.id, store.written_by(writing.id), beat=store.images.c.beat + 1)
    if not moved:
        raise gone(writing)


def gone(writing: Writing) -> Gone:
    return Gone(f"Image {writing.image.id} could not be found after upload: it was deleted meanwhile.")


async def filled(ctx: Ctx, writing: Writing, written: Written, found: Found) -> None:
    """The bytes are whole, and were looked at: now they are the image's, or staged. Raises Gone, OverQuota."""
    image = writing.image
    facts = {**facts_of(written), "virtual_size": found.virtual_size, "writer_id": None, "updated_at": ctx.now()}
    state = {"status": "active", "blob_id": writing.id} if writing.aim == "saving" else {"staged_id": writing.id}
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", image.id)
        if image.owner is not None:
            await claim_bytes(ctx, image.owner, writing.aim, written.size)
        if not await store.change(ctx, image.id, store.written_by(writing.id), **facts, **state):
            raise gone(writing)
        await changed(ctx, IMAGE, "updated", image.id, project_id=image.owner)


def facts_of(written: Written) -> dict[str, Any]:
    digests = {"checksum": written.digests["md5"], "hash_algo": HASH, "hash_value": written.digests[HASH]}
    return {"size": written.size, **digests}


EMPTY: dict[str, Any] = {
    **{"size": None, "virtual_size": None, "checksum": None, "hash_algo": None, "hash_value": None},
    **{"status": "queued", "writer_id": None, "staged_id": None},
}
"""What the row of an image says that waits for data."""


async def give_up(ctx: Ctx, image_id: UUID, writer_id: UUID) -> bool:
    """Nothing was written after all: the image waits for data again, unless it is somebody else's to say. Repeatable.

    Whether the bytes are nobody's: they are the image's when a commit counted whose answer did not come.
    """
    async with ctx.transaction() as ctx:
        await store.change(ctx, image_id, store.written_by(writer_id), **EMPTY, updated_at=ctx.now())
        image = await store.find(ctx, image_id, store.THERE)
        return image is None or writer_id not in (image.blob_id, image.staged_id)


async def set_without_bytes(ctx: Ctx, image_id: UUID) -> None:
    """The image is all that its properties say, and has no bytes: now it is active. Raises Gone; Conflict when it is given
    some meanwhile."""
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", image_id)
        image = await store.find(ctx, image_id, store.THERE)
        if image is None:
            raise Gone(f"Image {image_id} was deleted.")
        if image.status != "queued":
            raise Conflict(f"Image status transition from {image.status} to active is not allowed")
        nothing = Written(size=0, digests={name: hashlib.new(name).hexdigest() for name in DIGESTS})
        await store.change(ctx, image_id, **facts_of(nothing), status="active", updated_at=ctx.now())
        await changed(ctx, IMAGE, "updated", image_id, project_id=image.owner)


# imports: their bytes are named as staged ones, and an operation looks after them


async def room_for(ctx: Ctx, image: Image, *, fresh: bool) -> int:
    """So many bytes an import may bring. `fresh`: they are not staged yet. Raises OverQuota."""
    if image.owner is not None:
        if fresh:
            await claim(ctx, UPLOADING, image.owner, wanted=1, used=store.uploading)
        await claim_bytes(ctx, image.owner, "saving", 1 if fresh else image.size or 1)
    return await room(ctx, image.owner, "saving")


async def set_importing(ctx: Ctx, image_id: UUID, staged_id: UUID) -> None:
    state = {"status": "importing", "staged_id": staged_id, "import_failed": False}
    await store.change(ctx, image_id, store.THERE, **state, updated_at=ctx.now())


async def empty(ctx: Ctx, image_id: UUID) -> None:
    """The import came to nothing: the image waits for data again. One that was deleted stays so."""
    await store.change(ctx, image_id, store.THERE, **EMPTY, import_failed=True, updated_at=ctx.now())


async def set_imported(ctx: Ctx, image_id: UUID, written: Written | None, virtual_size: int | None) -> None:
    """The staged bytes are the image's. `written`: what is not in its row yet. Raises Gone, OverQuota."""
    image = await store.find(ctx, image_id, store.THERE)
    if image is None:
        raise Gone(f"Image {image_id} was deleted.")
    facts = {} if written is None else facts_of(written)
    if image.owner is not None:
        await claim_bytes(ctx, image.owner, "saving", written.size if written else image.size or 0)
    state = {"status": "active", "blob_id": image.staged_id, "staged_id": None, "virtual_size": virtual_size}
    await store.change(ctx, image_id, **facts, **state, updated_at=ctx.now())
    await changed(ctx, IMAGE, "updated", image_id, project_id=image.owner)


class Watched:
    """How long this process has seen the beat of each writer stand still."""

    def __init__(self) -> None:
        self.seen: dict[UUID, tuple[int, float]] = {}  # by writer: its beat, and since when

    def still_s(self, writer_id: UUID, beat: int, now: float) -> float:
        known = self.seen.get(writer_id)
        if known is None or known[0] != beat:
            self.seen[writer_id] = (beat, now)
            return 0.0
        return now - known[1]

    def forget_others(self, writer_ids: set[UUID]) -> None:
        self.seen = {id_: known for id_, known in self.seen.items() if id_ in writer_ids}


def watched(world: World) -> Watched:
    found = world.memory.setdefault(Watched, Watched())
    assert isinstance(found, Watched)
    return found


async def clean(ctx: Ctx) -> None:
    """A chore: take images back from writers that were killed, and remove bytes that are nobody's."""
    there = await blobs(ctx).observe()  # before the rows: what is written from now on is named by one
    watch, now = watched(ctx.world), ctx.world.clock.monotonic()
    writers = await store.writers(ctx)
    watch.forget_others({row.writer_id for row in writers})
    for row in writers:
        if watch.still_s(row.writer_id, row.beat, now) > STILL_S:
            logger.warning("who wrote an image has died", extra={"facts": {"image": str(row.id)}})
            await give_up(ctx, row.id, row.writer_id)
    named = {str(blob_id) for blob_id in await store.named_blobs(ctx)}
    for blob_id in there.keys() - named:
        await blobs(ctx).ensure_gone(blob_id)
