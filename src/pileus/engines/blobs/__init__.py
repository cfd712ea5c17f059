"""Where bytes rest: the data of images. An engine of the control process, not of a host: no rim, no fence.

A blob is written aside and appears whole under its id, or not at all. An id is used once: other bytes get another id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

import msgspec

from pileus.kernel.errors import TooLarge

T = TypeVar("T")

Read = Callable[[int, int], bytes]
"""(offset, how many) -> the bytes there; fewer where they end."""

Look = Callable[[Read, int], T]
"""What looks closer at some bytes: it is given how to read them and how many there are. Called in a thread."""


class NoRoom(TooLarge):
    """There is no space left where bytes rest."""


class BlobFacts(msgspec.Struct, frozen=True, kw_only=True):
    """`whole` is False of what is being written, or was when its writer was killed."""

    size: int
    digests: dict[str, str] = {}  # in hexadecimal, by the algorithm: those that were asked for
    whole: bool = True


class Writer(Protocol):
    """A blob that is being written."""

    async def write(self, piece: bytes) -> None:
        """Append, at the pace of the slower side. Raises TooLarge beyond `most_bytes`, NoRoom."""
        ...

    async def look(self, look: Look[T]) -> T:
        """What `look` finds in all that was written so far: to inspect it before it is kept."""
        ...

    async def keep(self) -> BlobFacts:
        """The blob is there, whole, and survives the machine. Raises NotFound when it was taken away meanwhile, NoRoom."""
        ...


class Blobs(Protocol):
    """The bytes of a cloud."""

    KIND: ClassVar[str] = "blobs"

    def writing(
        self, blob_id: str, *, most_bytes: int, digests: Sequence[str] = ()
    ) -> AbstractAsyncContextManager[Writer]:
        """A block in which one blob is written; of what is not kept nothing is left. Raises Unavailable, NoRoom.

        `digests` are names of hashlib's, computed while writing.
        """
        ...

    async def path(self, blob_id: str) -> Path:
        """A file that holds its bytes and may be sent. Raises NotFound."""
        ...

    async def look(self, blob_id: str, look: Look[T]) -> T:
        """What `look` finds in a whole blob. Raises NotFound."""
        ...

    async def ensure_gone(self, blob_id: str) -> None:
        """Nothing of it is left. Who is writing it is told when keeping it; who is reading it reads on."""
        ...

    async def observe(self) -> dict[str, BlobFacts]:
        """Everything there is, without digests; also what is being written."""
        ...
