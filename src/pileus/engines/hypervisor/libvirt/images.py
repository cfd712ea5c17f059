"""Images that were fetched: checked once, then read by the disks of any number of guests, and never written again.

<home>/<image id>-<checksum>         the bytes
<home>/<image id>-<checksum>.json    what they are; written last
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import BinaryIO

import msgspec

from pileus.engines.disk_formats import BadImage, check_use
from pileus.engines.files import UNFINISHED, read_or_none, sync_directory, write_whole
from pileus.engines.hypervisor import Image
from pileus.engines.hypervisor.libvirt.guest import PASS_THROUGH
from pileus.engines.hypervisor.libvirt.refusal import Refusal, qemu_img
from pileus.engines.transfers import Transfers
from pileus.kernel.errors import NotFound

RAW = frozenset({"raw", "ami", "aki", "ari", "iso"})
CONVERTED = {"vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}  # to qcow2, by what QEMU calls them
UNUSED_S = 7 * 86_400.0  # an image that no disk needs is kept so long
SHARED = 0o444
LARGEST_BYTES = 64 * 2**40
PIECE_BYTES = 2**20


class Base(msgspec.Struct, frozen=True):
    """An image on this host. `bytes_`: what its guest sees."""

    name: str
    format: str
    bytes_: int


class Images:
    """The images of one host."""

    def __init__(self, home: Path, transfers: Transfers) -> None:
        home.mkdir(mode=PASS_THROUGH, exist_ok=True)
        home.chmod(PASS_THROUGH)
        self._home, self._transfers = home, transfers
        self._turns: dict[str, asyncio.Lock] = {}

    def path(self, name: str) -> Path:
        return self._home / name

    async def base(self, image: Image) -> Base:
        """The image, fetched if it is not here. Raises Refusal, Unavailable."""
        name = f"{image.id}-{(image.sha512 or 'unchecked')[:32]}"
        async with self._turns.setdefault(name, asyncio.Lock()):
            found = self._found(name)
            if found is None:
                found = await self._fetch(image, name)
            os.utime(self.path(f"{name}.json"))
            return found

    def _found(self, name: str) -> Base | None:
        data = read_or_none(self.path(f"{name}.json"))
        return None if data is None else msgspec.json.decode(data, type=Base)

    async def _fetch(self, image: Image, name: str) -> Base:
        part = self.path(f".{name}{UNFINISHED}")
        try:
            await self._receive(image, part)
            form = await checked_format(part, image.format)
            if form in CONVERTED.values():
                await convert(part, form)
                form = "qcow2"
            base = Base(name, form, await virtual_bytes(part, form))
            part.chmod(SHARED)
            await asyncio.to_thread(settle, part, self.path(name))
            write_whole(self.path(f"{name}.json"), msgspec.json.encode(base), durable=True)
            return base
        finally:
            part.unlink(missing_ok=True)

    async def _receive(self, image: Image, part: Path) -> None:
        """Raises Refusal for bytes that are not what was promised."""
        if shutil.disk_usage(self._home).free < image.size:
            raise Refusal("No space is left on this host for the image.")
        try:
            size, checksum = await self._poured(image, part)
        except NotFound as e:
            raise Refusal(f"The image {image.id} cannot be fetched: {e.message}") from e
        if size != image.size:
            raise Refusal(f"The image {image.id} has {size} bytes, not {image.size}.")
        if image.sha512 is not None and checksum != image.sha512:
            raise Refusal(f"The image {image.id} is damaged: its checksum is another.")

    async def _poured(self, image: Image, part: Path) -> tuple[int, str]:
        """How many bytes came, and their checksum."""
        digest = hashlib.sha512()
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            async with self._transfers.get(image.url) as pieces:
                async for piece in gathered(pieces, image.size):
                    await asyncio.to_thread(take, piece, file, digest)
            return file.tell(), digest.hexdigest()

    def sweep(self, used: Collection[str]) -> None:
        """Remove what no disk needs and nobody asked for in a week."""
        before = time.time() - UNUSED_S
        for facts in self._home.glob("*.json"):
            if facts.stem not in used and facts.stat().st_mtime < before:
                facts.unlink(missing_ok=True)
                self.path(facts.stem).unlink(missing_ok=True)


async def gathered(pieces: AsyncIterator[bytes], enough: int) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces, each of which is a turn of a thread; not many more than are enough."""
    waiting, given = bytearray(), 0
    async for piece in pieces:
        waiting += piece
        if len(waiting) >= PIECE_BYTES:
            yield bytes(waiting)
            given += len(waiting)
            waiting.clear()
        if given > enough:
            return
    yield bytes(waiting)


def take(piece: bytes, file: BinaryIO, digest: hashlib._Hash) -> None:
    file.write(piece)
    digest.update(piece)


def settle(part: Path, path: Path) -> None:
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    sync_directory(path.parent)


async def checked_format(path: Path, said: str) -> str:
    """The format for QEMU of bytes that are said to be of this one. Raises Refusal when they are not, or point elsewhere."""
    form = "raw" if said in RAW else CONVERTED.get(said, said)
    if form not in ("raw", "qcow2", *CONVERTED.values()):
        raise Refusal(f"This host cannot use images of the format {said}.")
    try:
        await asyncio.to_thread(check_bytes, path, said)
    except BadImage as e:
        raise Refusal(f"The image cannot be used: {e}") from e
    return form


def check_bytes(path: Path, said: str) -> None:
    """Raises BadImage: what was looked at on upload is looked at again before use."""
    with path.open("rb") as file:

        def read(offset: int, count: int) -> bytes:
            return os.pread(file.fileno(), count, offset)

        check_use(read, path.stat().st_size, declared=said, most_virtual_bytes=LARGEST_BYTES)


async def virtual_bytes(path: Path, form: str) -> int:
    return int(msgspec.json.decode(await qemu_img("info", "-U", "--output=json", "-f", form, path))["virtual-size"])


async def convert(path: Path, form: str) -> None:
    """Make it the same disk as a qcow2."""
    made = path.with_name(f"{path.name}.qcow2{UNFINISHED}")
    await qemu_img("convert", "-f", form, "-O", "qcow2", path, made)
    os.replace(made, path)
