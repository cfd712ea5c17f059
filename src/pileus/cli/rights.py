"""How a process of root's becomes one of somebody else's, who must still reach what it runs from.

The interpreter, the packages or the state may lie below a directory that is closed to others (/root is). The process then
gets a view of the file system of its own, in which that directory holds nothing but the way to them.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from pileus.cli import Failure
from pileus.cli.orders import User

CLONE_NEWNS = 0x20000
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000
PR_SET_NO_NEW_PRIVS = 38


def become(user: User, state: Path) -> None:
    """For good, this process is that user's, without any right of ours. Raises Failure."""
    paths = {state, Path(sys.prefix), Path(sys.base_prefix), *map(Path, sys.path)}
    needed = {found for path in paths if path.is_dir() for found in (path.absolute(), path.resolve())}
    closed = {path: door for path in needed if (door := closed_on_the_way(path, user)) is not None}
    if closed:
        open_ways(closed)
    os.setgroups([])
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for path in needed:
        if not os.access(path, os.X_OK):
            raise Failure(
                f"the control process runs as {user.name}, who cannot look into {path}; say: chmod o+rx {path}"
            )


def closed_on_the_way(path: Path, user: User) -> Path | None:
    """The first directory above the path through which the user may not pass."""
    for place in reversed(path.parents):
        found = place.stat()
        right = 0o100 if found.st_uid == user.uid else 0o010 if found.st_gid == user.gid else 0o001
        if not found.st_mode & right:
            return place
    return None


def open_ways(closed: dict[Path, Path]) -> None:
    """Show this process alone, in place of each closed directory, an empty one with ways to the paths below."""
    if libc().unshare(CLONE_NEWNS):
        path, door = next(iter(closed.items()))
        raise Failure(f"others cannot reach {path}, because {door} is closed to them; say: chmod o+x {door}")
    mount("none", Path("/"), "", MS_REC | MS_PRIVATE)
    held = {path: os.open(path, os.O_PATH) for path in closed}  # what is covered can no longer be named
    for door in set(closed.values()):
        mount("tmpfs", door, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")
    before = os.umask(0o022)
    for path, fd in sorted(held.items()):
        if not path.exists():  # else it lies below one that is there by now
            path.mkdir(parents=True)
            mount(f"/proc/self/fd/{fd}", path, "", MS_BIND | MS_REC)
        os.close(fd)
    os.umask(before)


def mount(source: str, target: Path, kind: str, flags: int, options: str = "") -> None:
    """Raises Failure."""
    if libc().mount(source.encode(), os.fsencode(target), kind.encode(), flags, options.encode()):
        raise Failure(f"{target} cannot be covered for the control process: {os.strerror(ctypes.get_errno())}")


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
