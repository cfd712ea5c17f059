"""Blobs that suffer troubles on command (`engines.troubles`); else files as the real ones, but for the disk's slowness.

The verbs are writing, keep, look, ensure_gone and observe.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from pileus.engines.blobs import BlobFacts, Look, NoRoom
from pileus.engines.blobs.files import FileBlobs, FileWriter
from pileus.engines.files import make_directory
from pileus.engines.troubles import Trouble, Troubles
from pileus.kernel.clock import Clock
from pileus.kernel.errors import Unavailable

T = TypeVar("T")


class SimBlobs(FileBlobs):
    """`fail` and `deaf` are Unavailable, `mute` too, after it was done; `full` has no room; `slow` and `delay` take time."""

    def __init__(self, home: Path, clock: Clock) -> None:
        super().__init__(make_directory(home) / "blobs", durable=False)
        self.troubles = Troubles(home / "troubles")
        self._clock = clock

    async def _suffer(self, verb: str, subject: str = "") -> Trouble | None:
        trouble = self.troubles.of(verb, subject)
        if trouble is None:
            return None
        if trouble.kind in {"fail", "deaf"}:
            raise Unavailable(trouble.cause)
        if trouble.kind == "full" and verb in {"writing", "keep"}:
            raise NoRoom("There is no space left where images are kept.")
        if trouble.kind in {"slow", "delay"}:
            await self._clock.sleep(trouble.seconds)
        return trouble

    @asynccontextmanager
    async def writing(self, blob_id: str, *, most_bytes: int, digests: Sequence[str] = ()) -> AsyncIterator[FileWriter]:
        await self._suffer("writing", blob_id)
        async with super().writing(blob_id, most_bytes=most_bytes, digests=digests) as writer:
            yield SuffersToo(writer, self, blob_id)  # type: ignore[misc]

    async def look(self, blob_id: str, look: Look[T]) -> T:
        await self._suffer("look", blob_id)
        return await super().look(blob_id, look)

    async def ensure_gone(self, blob_id: str) -> None:
        trouble = await self._suffer("ensure_gone", blob_id)
        await super().ensure_gone(blob_id)
        refuse_to_tell(trouble)

    async def observe(self) -> dict[str, BlobFacts]:
        await self._suffer("observe")
        return await super().observe()


class SuffersToo:
    """A writer whose `keep` has troubles."""

    def __init__(self, writer: FileWriter, blobs: SimBlobs, blob_id: str) -> None:
        self.write, self.look = writer.write, writer.look
        self._writer, self._blobs, self._id = writer, blobs, blob_id

    async def keep(self) -> BlobFacts:
        trouble = await self._blobs._suffer("keep", self._id)
        facts = await self._writer.keep()
        refuse_to_tell(trouble)
        return facts


def refuse_to_tell(trouble: Trouble | None) -> None:
    if trouble is not None and trouble.kind == "mute":
        raise Unavailable("It was done; the answer got lost.")
