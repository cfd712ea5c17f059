"""Files that are whole or not there, whoever is killed in between."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

T = TypeVar("T")

_turn = itertools.count()
UNFINISHED = ".unfinished"
PIECE_BYTES = 2**20


_libc = ctypes.CDLL(None)
SYNC_FILE_RANGE_WRITE = 2


def start_writeback(fd: int, offset: int, count: int) -> None:
    """Let the disk begin with these bytes. A hint: what goes wrong is found out, and what is left done, by fsync."""
    _libc.sync_file_range(fd, ctypes.c_int64(offset), ctypes.c_int64(count), SYNC_FILE_RANGE_WRITE)


def write_whole(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replace the file at once; readers see the old bytes or the new. Mode 0600. `durable`: on the disk when this returns."""
    part = path.with_name(f".{path.name}.{os.getpid()}-{next(_turn)}{UNFINISHED}")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(fd, "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(fd)
    os.replace(part, path)
    if durable:
        sync_directory(path.parent)


def at_home(path: Path, act: Callable[[], T]) -> T:
    """Do what makes this file, in a directory that is made when it is not there: a simulated host has thirty, and most stay
    empty."""
    try:
        return act()
    except FileNotFoundError:
        make_directory(path.parent)
        return act()


def write_at_home(path: Path, data: bytes, *, durable: bool = False) -> None:
    """As `write_whole`."""
    at_home(path, lambda: write_whole(path, data, durable=durable))


def read_or_none(path: Path) -> bytes | None:
    """The bytes, or None when there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


async def pieces(path: Path) -> AsyncIterator[bytes]:
    """The bytes one after the other, read in threads."""
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
    finally:
        file.close()


def make_directory(path: Path) -> Path:
    """The directory, made with mode 0700 when it was not there."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def sweep(path: Path) -> None:
    """Remove what killed writers left. Only for who is alone in the directory."""
    for part in path.glob(f".*{UNFINISHED}"):
        part.unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def safe_name(text: str) -> str:
    """A file name for any text; another for any other."""
    return quote(text, safe="")
