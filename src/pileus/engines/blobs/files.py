"""Blobs as files of one directory, which several control processes may share.

<home>/<id>                   a whole blob
<home>/.<id>.unfinished       one that is being written
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import ParamSpec, TypeVar
from urllib.parse import unquote

from pileus.engines.blobs import BlobFacts, Blobs, Look, NoRoom
from pileus.engines.files import UNFINISHED, make_directory, safe_name, start_writeback, sync_directory
from pileus.kernel.errors import NotFound, TooLarge, Unavailable

BATCH_BYTES = 1_048_576  # so much goes to threads at once
FLUSH_BYTES = 33_554_432  # so much is sent to the disk at once, while more comes: little is left to wait for at the end

T = TypeVar("T")
P = ParamSpec("P")


def unknown(blob_id: str) -> NotFound:
    return NotFound(f"There are no bytes {blob_id}.", blob=blob_id)


def translated(error: OSError, blob_id: str) -> Exception:
    """What the operating system says, in our words."""
    if error.errno == errno.ENOENT:
        return unknown(blob_id)
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return NoRoom("There is no space left where images are kept.", blob=blob_id)
    return Unavailable(f"The place where images are kept cannot be used: {error.strerror}.", blob=blob_id)


async def in_thread(call: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
    """The result of a call in a thread, waited for even when cancelled: what it uses is closed after it."""
    running = asyncio.ensure_future(asyncio.to_thread(call, *args, **more))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        running.exception()  # nobody else will look at it
        raise


def use_each(uses: Sequence[Callable[[bytes], object]], batch: list[bytes]) -> None:
    for piece in batch:
        for use in uses:
            use(piece)


class FileWriter:
    """One file that grows. While threads sum a batch up, each in its way, and the last writes it too, the next is gathered."""

    def __init__(self, blobs: FileBlobs, blob_id: str, most_bytes: int, digests: Sequence[str]) -> None:
        self._blobs, self._id, self._most_bytes = blobs, blob_id, most_bytes
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in digests}
        self._batch: list[bytes] = []
        self._batched = self._size = self._written = self._flushed = 0
        self._running: asyncio.Future[list[None]] | None = None
        self._file = -1

    def open(self) -> None:
        part = self._blobs.part(self._id)
        part.unlink(missing_ok=True)  # of a writer that was killed
        self._file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    async def write(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most_bytes:
            raise TooLarge(
                f"There are more than the {self._most_bytes} bytes that are allowed.", limit=self._most_bytes
            )
        self._batch.append(piece)
        self._batched += len(piece)
        if self._batched >= BATCH_BYTES:
            await self._push()

    async def _push(self) -> None:
        """Give the batch to a thread, as soon as that has taken the one before."""
        await self._taken()
        batch, self._batch, self._batched = self._batch, [], 0
        shares: list[list[Callable[[bytes], object]]] = [[each.update] for each in self._hashes.values()] or [[]]
        shares[-1].insert(0, self._write)
        self._running = asyncio.gather(*(asyncio.to_thread(use_each, uses, batch) for uses in shares))

    async def _taken(self) -> None:
        """Return when no thread uses a batch. Raises what went wrong there."""
        running, self._running = self._running, None
        if running is None:
            return
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise
        except OSError as e:
            raise translated(e, self._id) from e

    def _write(self, piece: bytes) -> None:
        left = memoryview(piece)
        while left:
            left = left[os.write(self._file, left) :]
        self._written += len(piece)
        if self._written - self._flushed >= FLUSH_BYTES:
            self._blobs.flush(self._file, self._flushed, self._written)
            self._flushed = self._written

    async def look(self, look: Look[T]) -> T:
        await self._push()
        await self._taken()
        return await in_thread(look, self._pread, self._size)

    def _pread(self, offset: int, count: int) -> bytes:
        return os.pread(self._file, count, offset)

    async def keep(self) -> BlobFacts:
        await self._push()
        await self._taken()
        try:
            await in_thread(self._blobs.finish, self._id, self._file)
        except OSError as e:
            raise translated(e, self._id) from e
        return BlobFacts(size=self._size, digests={name: each.hexdigest() for name, each in self._hashes.items()})

    async def close(self) -> None:
        """Nothing unfinished is left."""
        with suppress(Exception):  # it was raised already to who wrote
            await self._taken()
        await in_thread(self._close)

    def _close(self) -> None:
        os.close(self._file)
        self._blobs.part(self._id).unlink(missing_ok=True)


class FileBlobs(Blobs):
    """`durable`: what is kept survives the machine; else the process alone (simulators)."""

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self._home, self._durable = make_directory(home), durable

    def part(self, blob_id: str) -> Path:
        return self._home / f".{name_of(blob_id)}{UNFINISHED}"

    def whole(self, blob_id: str) -> Path:
        return self._home / name_of(blob_id)

    def flush(self, file: int, begin: int, end: int) -> None:
        """Begin to write to the disk what `finish` will wait for; where the system cannot, that has more to do."""
        if self._durable:
            start_writeback(file, begin, end - begin)

    def finish(self, blob_id: str, file: int) -> None:
        """On the disk first, then under its name. Raises OSError."""
        if self._durable:
            os.fsync(file)
        os.replace(self.part(blob_id), self.whole(blob_id))
        if self._durable:
            sync_directory(self._home)

    @asynccontextmanager
    async def writing(self, blob_id: str, *, most_bytes: int, digests: Sequence[str] = ()) -> AsyncIterator[FileWriter]:
        writer = FileWriter(self, blob_id, most_bytes, digests)
        try:
            await in_thread(writer.open)
        except OSError as e:
            raise translated(e, blob_id) from e
        try:
            yield writer
        finally:
            await writer.close()

    async def path(self, blob_id: str) -> Path:
        path = self.whole(blob_id)
        if not await asyncio.to_thread(path.exists):
            raise unknown(blob_id)
        return path

    async def look(self, blob_id: str, look: Look[T]) -> T:
        return await in_thread(self._look, blob_id, look)

    def _look(self, blob_id: str, look: Look[T]) -> T:
        try:
            file = os.open(self.whole(blob_id), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as e:
            raise translated(e, blob_id) from e
        try:
            return look(lambda offset, count: os.pread(file, count, offset), os.fstat(file).st_size)
        finally:
            os.close(file)

    async def ensure_gone(self, blob_id: str) -> None:
        await asyncio.to_thread(self._remove, blob_id)

    def _remove(self, blob_id: str) -> None:
        self.part(blob_id).unlink(missing_ok=True)
        self.whole(blob_id).unlink(missing_ok=True)

    async def observe(self) -> dict[str, BlobFacts]:
        return await asyncio.to_thread(self._observe)

    def _observe(self) -> dict[str, BlobFacts]:
        seen = {}
        for entry in os.scandir(self._home):
            with suppress(FileNotFoundError):  # it went while we looked
                seen[id_of(entry.name)] = BlobFacts(size=entry.stat().st_size, whole=not entry.name.startswith("."))
        return seen


def name_of(blob_id: str) -> str:
    """A file's name without a dot."""
    return safe_name(blob_id).replace(".", "%2E")


def id_of(name: str) -> str:
    return unquote(name.removeprefix(".").removesuffix(UNFINISHED))
