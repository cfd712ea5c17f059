"""Copies of sparse files: at once where the file system can share blocks, else what is written of them, piece by piece."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pileus.engines.files import sync_directory

FICLONE = 0x40049409
PIECE_BYTES = 64 << 20
CANNOT_SHARE = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS}


async def copy(source: Path, target: Path) -> None:
    """`target` becomes the same as `source` at one moment of this call, whoever writes to it.

    Where blocks cannot be shared, processes that have the source open stand still while it is copied. Stops soon when it is
    cancelled; whoever called removes what is there of the target. Raises OSError.
    """
    if await asyncio.to_thread(share, source, target):
        return
    with await asyncio.to_thread(standing_still, source):
        for offset, length in await asyncio.to_thread(written, source):
            done = 0
            while done < length:
                done += await asyncio.to_thread(copy_piece, source, target, offset + done, length - done)


def share(source: Path, target: Path) -> bool:
    """Let both be of the same blocks. False where the file system cannot; then the target is as large, and empty."""
    with open(source, "rb") as old, open(os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "r+b") as new:
        try:
            fcntl.ioctl(new, FICLONE, old.fileno())
        except OSError as e:
            if e.errno not in CANNOT_SHARE:
                raise
            os.ftruncate(new.fileno(), os.fstat(old.fileno()).st_size)
            return False
        return True


def written(path: Path) -> list[tuple[int, int]]:
    """(offset, length) of each part that is not a hole."""
    parts = []
    with open(path, "rb") as file:
        end, at = os.fstat(file.fileno()).st_size, 0
        while at < end:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError as e:
                if e.errno == errno.ENXIO:
                    break
                raise
            at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            parts.append((begin, at - begin))
    return parts


def copy_piece(source: Path, target: Path, offset: int, length: int) -> int:
    """How much of it was copied."""
    with open(source, "rb") as old, open(target, "r+b") as new:
        return os.copy_file_range(old.fileno(), new.fileno(), min(length, PIECE_BYTES), offset, offset) or length


@contextmanager
def standing_still(path: Path) -> Iterator[None]:
    """Whoever has the file open stands still inside the block: nothing that it has not been told is written comes to be."""
    stopped = holders(path)
    try:
        for pid in stopped:
            send(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in stopped:
            send(pid, signal.SIGCONT)


def send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def holders(path: Path) -> list[int]:
    """The processes that have the file open to write to it, but for this one."""
    wanted = os.stat(path)
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid() and holds(entry.name, wanted):
            found.append(int(entry.name))
    return found


def holds(pid: str, wanted: os.stat_result) -> bool:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    for name in names:
        with suppress(OSError):
            if os.path.samestat(os.stat(f"/proc/{pid}/fd/{name}"), wanted):
                return True
    return False


def wake_holders(folder: Path) -> None:
    """After a crash in the middle of a copy: nobody who has a file of this folder open stands still any more."""
    wanted = {(s.st_dev, s.st_ino) for path in folder.iterdir() if not path.name.startswith(".") for s in [path.stat()]}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and wanted and is_stopped(entry.name) and holds_any(entry.name, wanted):
            send(int(entry.name), signal.SIGCONT)


def is_stopped(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False


def holds_any(pid: str, wanted: set[tuple[int, int]]) -> bool:
    with suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                found = os.stat(f"/proc/{pid}/fd/{name}")
                if (found.st_dev, found.st_ino) in wanted:
                    return True
    return False


def settle(part: Path, path: Path) -> None:
    """What was made aside appears whole under its name, and stays."""
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    sync_directory(path.parent)


def resize(path: Path, size_bytes: int) -> None:
    """Durably larger."""
    with open(path, "r+b") as file:
        os.ftruncate(file.fileno(), size_bytes)
        os.fsync(file.fileno())
