"""Block storage in files of one host. The package says where they are."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Awaitable
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import msgspec

from pileus.engines.blocks import DiskFormat, Export, Seen, Snapshot, Source, Volume, VolumeFacts
from pileus.engines.blocks.files.copies import copy, resize, settle, wake_holders
from pileus.engines.blocks.files.exports import Exports, Site
from pileus.engines.blocks.files.fetching import MORE_BYTES, QEMU, fetch, unpack
from pileus.engines.files import UNFINISHED, pieces, read_or_none, write_whole
from pileus.engines.hypervisor.libvirt.refusal import Refusal, qemu_img
from pileus.engines.transfers import Transfers
from pileus.engines.verbs import Answer, Done, Failed
from pileus.kernel.errors import NotFound

PASS_THROUGH = 0o711  # QEMU is another user, and opens its files below
GIB = 1 << 30


class FilesBlocks:
    """Volumes that are files below `home`. `resume` before it is used: it looks after what was exported."""

    KIND: ClassVar[str] = "blocks"
    VERSION: ClassVar[int] = 1

    def __init__(self, home: Path, transfers: Transfers, site: Site) -> None:
        for folder in (home, home / "volumes", home / "snapshots", home / "uploads"):
            folder.mkdir(mode=PASS_THROUGH, exist_ok=True)
            folder.chmod(PASS_THROUGH)
        self._home, self._transfers = home, transfers
        self._volumes, self._snapshots, self._uploads = home / "volumes", home / "snapshots", home / "uploads"
        self.exports = Exports(home / "exports", self._volumes, site)

    async def resume(self) -> None:
        """After a restart: nothing unfinished is left, nobody stands still, and what was exported is served again."""
        for folder in (self._volumes, self._snapshots):
            for part in folder.glob(f".*{UNFINISHED}"):
                part.unlink(missing_ok=True)
        await asyncio.to_thread(wake_holders, self._volumes)
        await self.exports.resume()

    # volumes

    async def ensure_volume(self, volume: Volume, *, fence: int) -> Answer:
        path, size = self._volumes / str(volume.id), volume.size_gib * GIB
        return await said(self._made(volume, path, size))

    async def _made(self, volume: Volume, path: Path, size: int) -> None:
        before = size_of(path)
        if before is not None:
            if before < size:
                await asyncio.to_thread(resize, path, size)
            await self.exports.grown(volume.id)  # it may have grown when we were stopped the last time
            return
        part = self._part(path)
        try:
            await self._filled(volume.source or Source(), part, size)
            await asyncio.to_thread(resize, part, size)
            await asyncio.to_thread(settle, part, path)
        finally:
            part.unlink(missing_ok=True)

    async def _filled(self, source: Source, part: Path, size: int) -> None:
        """What a volume begins with. Raises Refusal, OSError."""
        if source.url is not None:
            await self._downloaded(source, part, size)
            return
        origin = self._origin(source)
        if origin is None:
            os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
            return
        if (size_of(origin) or 0) > size:
            raise Refusal(f"A volume of {size // GIB} GiB cannot hold the {size_of(origin)} bytes it is made of.")
        await copy(origin, part)

    def _origin(self, source: Source) -> Path | None:
        """Raises Refusal for one that is not there."""
        if source.snapshot_id is not None:
            found = next(self._snapshots.glob(f"{source.snapshot_id}.*"), None)
        elif source.volume_id is not None:
            named = self._volumes / str(source.volume_id)
            found = named if named.exists() else None
        else:
            return None
        if found is None:
            raise Refusal(f"There is no {source.snapshot_id or source.volume_id} on this host to make a volume of.")
        return found

    async def _downloaded(self, source: Source, part: Path, size: int) -> None:
        fetched = part.with_name(part.name.replace(UNFINISHED, f".image{UNFINISHED}"))
        try:
            got = await fetch(self._transfers, source.url or "", fetched, most_bytes=size + MORE_BYTES)
            await unpack(fetched, part, size=got, declared=source.format or "raw", most_bytes=size)
        finally:
            fetched.unlink(missing_ok=True)

    async def ensure_volume_gone(self, volume_id: UUID, *, fence: int) -> Answer:
        if self.exports.of(volume_id):
            return Failed(f"The volume {volume_id} is exported.")
        path = self._volumes / str(volume_id)
        for each in (path, self._part(path), self._uploads / str(volume_id)):
            await asyncio.to_thread(each.unlink, missing_ok=True)
        return Done()

    # snapshots

    async def ensure_snapshot(self, snapshot: Snapshot, *, fence: int) -> Answer:
        return await said(self._taken(snapshot))

    async def _taken(self, snapshot: Snapshot) -> None:
        path = self._snapshots / f"{snapshot.id}.{snapshot.volume_id}"
        source = self._volumes / str(snapshot.volume_id)
        if path.exists():
            return
        if not source.exists():
            raise Refusal(f"There is no volume {snapshot.volume_id} on this host.")
        part = self._part(path)
        try:
            await copy(source, part)
            part.chmod(0o400)
            await asyncio.to_thread(settle, part, path)
        finally:
            part.unlink(missing_ok=True)

    async def ensure_snapshot_gone(self, snapshot_id: UUID, *, fence: int) -> Answer:
        for path in [*self._snapshots.glob(f"{snapshot_id}.*"), *self._snapshots.glob(f".{snapshot_id}.*")]:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        return Done()

    # exports

    async def ensure_exported(self, export: Export, *, fence: int) -> Answer:
        if not (self._volumes / str(export.volume_id)).exists():
            return Failed(f"There is no volume {export.volume_id} on this host.")
        return Done(facts=msgspec.to_builtins(await self.exports.ensure(export)))

    async def ensure_unexported(self, attachment_id: UUID, *, fence: int) -> Answer:
        await self.exports.ensure_gone(attachment_id)
        return Done()

    # uploads

    async def ensure_uploaded(
        self, volume_id: UUID, url: str, disk_format: DiskFormat = "raw", *, fence: int
    ) -> Answer:
        path = self._volumes / str(volume_id)
        if not path.exists():
            return Failed(f"There is no volume {volume_id} on this host.")
        if self.exports.of(volume_id):
            return Failed(f"The volume {volume_id} is exported: its bytes are of no one moment.")
        return await said(self._sent(volume_id, path, url, disk_format))

    async def _sent(self, volume_id: UUID, path: Path, url: str, disk_format: DiskFormat) -> None:
        mark, place = self._uploads / str(volume_id), url.encode()
        if read_or_none(mark) == place:
            return
        form, made = QEMU.get(disk_format, disk_format), path.with_name(f".{path.name}.upload{UNFINISHED}")
        try:
            if form != "raw":
                await qemu_img("convert", "-f", "raw", "-O", form, path, made)
            await self._transfers.put(url, pieces(path if form == "raw" else made))
        except NotFound as e:
            raise Refusal(f"The image cannot be sent: {e.message}") from e
        finally:
            made.unlink(missing_ok=True)
        write_whole(mark, place, durable=True)

    # the rest

    async def cancel(self, subject_id: UUID, verb: str, *, fence: int) -> Answer:
        for folder in (self._volumes, self._snapshots):
            for part in folder.glob(f".{subject_id}.*{UNFINISHED}"):
                part.unlink(missing_ok=True)
        return Done()

    async def observe(self) -> Seen:
        return await asyncio.to_thread(self._seen)

    def _seen(self) -> Seen:
        volumes = {
            UUID(entry.name): VolumeFacts(size_gib=entry.stat().st_size // GIB)
            for entry in os.scandir(self._volumes)
            if not entry.name.startswith(".")
        }
        names = [entry.name for entry in os.scandir(self._snapshots) if not entry.name.startswith(".")]
        snapshots = {UUID(name.partition(".")[0]): UUID(name.partition(".")[2]) for name in names}
        room = shutil.disk_usage(self._home)
        exports = {held.export.id: held.export.volume_id for held in self.exports.all().values()}
        return Seen(
            volumes=volumes,
            snapshots=snapshots,
            exports=exports,
            free_gib=room.free / GIB,
            total_gib=room.total / GIB,
        )

    def _part(self, path: Path) -> Path:
        """Where a file is made that will be there."""
        return path.with_name(f".{path.name}.{UNFINISHED.removeprefix('.')}")


def size_of(path: Path) -> int | None:
    """In bytes; None when it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


async def said(work: Awaitable[None]) -> Answer:
    """Done, or Failed for what trying again will not mend. Raises Unavailable."""
    try:
        await work
    except Refusal as e:
        return Failed(str(e))
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            return Failed("No space is left on this host for the volume.")
        return Failed(f"{e.strerror or e}: {e.filename or 'a file of this host'}")
    return Done()
