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
        while at < end and (begin := next_data(file.fileno(), at)) is not None:
            at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            parts.append((begin, at - begin))
    return parts


def next_data(fd: int, at: int) -> int | None:
    """Where the next part begins that is not a hole; None when there is none."""
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError as e:
        if e.errno == errno.ENXIO:
            return None
        raise


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
    """The processes that have the file open, but for this one."""
    wanted = os.stat(path)
    return [pid for pid in processes() if (wanted.st_dev, wanted.st_ino) in open_files(pid)]


def processes() -> list[int]:
    return [int(e.name) for e in os.scandir("/proc") if e.name.isdigit() and int(e.name) != os.getpid()]


def open_files(pid: int) -> set[tuple[int, int]]:
    """(device, inode) of each; none of a process that has gone."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return set()
    found = (stat_or_none(f"/proc/{pid}/fd/{name}") for name in names)
    return {(each.st_dev, each.st_ino) for each in found if each is not None}


def stat_or_none(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def wake_holders(folder: Path) -> None:
    """After a crash in the middle of a copy: nobody who has a file of this folder open stands still any more."""
    found = [stat_or_none(entry.path) for entry in os.scandir(folder) if not entry.name.startswith(".")]
    wanted = {(each.st_dev, each.st_ino) for each in found if each is not None}
    for pid in processes() if wanted else ():
        if is_stopped(pid) and wanted & open_files(pid):
            send(pid, signal.SIGCONT)


def is_stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
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
