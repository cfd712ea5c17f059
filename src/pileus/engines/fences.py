"""The newest fence that was seen per subject, kept in files.

A file per subject holds one number of a fixed width, overwritten in place. Its lock is held while the caller acts, so
that nobody with an older number can slip in between "am I the newest?" and the act, not even from another process.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pileus.engines.files import at_home, make_directory, read_or_none, safe_name, sync_directory, write_whole
from pileus.engines.verbs import StaleFence
from pileus.kernel.errors import Unavailable

PATIENCE_S = 1.0
PAUSE_S = 0.01


class Fences:
    """The fences of one host. `durable`: a number is on the disk before anybody acts on it."""

    def __init__(self, home: Path, *, durable: bool = False) -> None:
        self._home = make_directory(home) if durable else home
        self._durable = durable
        self._floor_file = home / "floor"
        self._floor = int(read_or_none(self._floor_file) or 0)

    @asynccontextmanager
    async def hold(self, subject: str, fence: int) -> AsyncIterator[None]:
        """Nobody else speaks about the subject inside this block.

        Raises StaleFence when a newer one has spoken, Unavailable when another is speaking for longer than a second, or when
        the host cannot write down who speaks.
        """
        fd = await self._locked(self._home / f"{safe_name(subject)}.fence", subject)
        try:
            seen = max(int(os.pread(fd, 32, 0) or 0), self._floor)
            if fence < seen:
                raise StaleFence(f"fence {fence} is older than {seen}, the newest seen for {subject}")
            if fence > seen:
                await self._note(fd, fence)
            yield
        finally:
            os.close(fd)

    async def _locked(self, path: Path, subject: str) -> int:
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            try:
                fd = at_home(path, lambda: os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            except OSError as e:
                raise Unavailable(f"The host cannot write down who speaks: {e.strerror}.", subject=subject) from e
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(fd).st_nlink:  # else `forget` removed it between our open and our lock
                    return fd
            except BlockingIOError:
                pass
            os.close(fd)
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(f"Another worker is just speaking about {subject}.", subject=subject)
            await asyncio.sleep(PAUSE_S)

    async def _note(self, fd: int, fence: int) -> None:
        """Raises Unavailable when the host has no room for it, for one."""
        try:
            os.pwrite(fd, b"%020d\n" % fence, 0)
            if self._durable:
                await asyncio.to_thread(self._sync, fd)
        except OSError as e:
            raise Unavailable(f"The host cannot write down who speaks: {e.strerror}.") from e

    def _sync(self, fd: int) -> None:
        os.fsync(fd)
        sync_directory(self._home)

    def forget(self, before: float) -> int:
        """Drop subjects nobody has spoken about with a new fence since `before` (wall time); how many.

        Fences are drawn from one growing sequence and no lease lives that long, so the highest number dropped becomes
        the floor for all subjects: forgetting lets nobody in. For the one process that serves the host.
        """
        forgotten = 0
        for path in self._home.glob("*.fence"):
            if path.stat().st_mtime >= before:
                continue
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._raise_floor(int(os.pread(fd, 32, 0) or 0))
                path.unlink()
                forgotten += 1
            except BlockingIOError:
                continue
            finally:
                os.close(fd)
        return forgotten

    def _raise_floor(self, fence: int) -> None:
        if fence > self._floor:
            self._floor = fence
            write_whole(self._floor_file, str(fence).encode(), durable=self._durable)
