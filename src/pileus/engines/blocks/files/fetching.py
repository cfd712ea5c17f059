"""Bytes of images, that become volumes: fetched, looked at, and laid out as a raw disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from pileus.engines.disk_formats import BadImage, check
from pileus.engines.hypervisor.libvirt.refusal import Refusal, qemu_img
from pileus.engines.transfers import Transfers
from pileus.kernel.errors import NotFound

PIECE_BYTES = 1 << 20
MORE_BYTES = 64 << 20  # what a format may need beside the disk
QEMU = {"vhd": "vpc", "ploop": "parallels", "ami": "raw", "aki": "raw", "ari": "raw", "iso": "raw"}
"""Formats that QEMU calls otherwise."""


async def fetch(transfers: Transfers, url: str, path: Path, *, most_bytes: int) -> int:
    """Pour what waits at the url into a file, zeros as holes. How many bytes. Raises Refusal, Unavailable."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "r+b", buffering=0) as file:
        try:
            async with transfers.get(url) as pieces:
                total = await pour(pieces, file, most_bytes)
        except NotFound as e:
            raise Refusal(f"The image cannot be fetched: {e.message}") from e
        os.ftruncate(file.fileno(), total)
    return total


async def pour(pieces: AsyncIterator[bytes], file: BinaryIO, most_bytes: int) -> int:
    total, waiting = 0, bytearray()
    async for piece in pieces:
        waiting += piece
        total += len(piece)
        if total > most_bytes:
            raise Refusal("The image does not fit into the volume.")
        if len(waiting) >= PIECE_BYTES:
            await asyncio.to_thread(lay, file, bytes(waiting), total - len(waiting))
            waiting.clear()
    await asyncio.to_thread(lay, file, bytes(waiting), total - len(waiting))
    return total


def lay(file: BinaryIO, data: bytes, at: int) -> None:
    """Write it, unless it is zeros."""
    if data.strip(b"\0"):
        left = memoryview(data)
        while left:
            done = os.pwrite(file.fileno(), left, at)
            left, at = left[done:], at + done


async def unpack(fetched: Path, target: Path, *, size: int, declared: str, most_bytes: int) -> None:
    """`target` becomes the disk that the image is. Raises Refusal for one that is not what it is said to be, or too large."""
    try:
        found = await asyncio.to_thread(looked_at, fetched, size, declared, most_bytes)
    except BadImage as e:
        raise Refusal(f"The image cannot be used: {e}") from e
    form = QEMU.get(found, found)
    if form == "raw":
        os.replace(fetched, target)
        return
    await qemu_img("convert", "-f", form, "-O", "raw", "-t", "writeback", fetched, target)


def looked_at(path: Path, size: int, declared: str, most_bytes: int) -> str:
    """The format of the bytes. Raises BadImage."""
    with open(path, "rb") as file:
        read = lambda offset, count: os.pread(file.fileno(), count, offset)  # noqa: E731
        return check(read, size, declared=declared, most_virtual_bytes=most_bytes).format
