"""Unix sockets: who may connect is said by the file's owner and mode, and asked of the kernel once more."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred
LONGEST_PATH = 107  # bytes; sun_path


def bound_socket(path: Path, owner: int | None = None) -> socket.socket:
    """A bound socket whose file is 0600 and belongs to `owner` (a uid; None: us). Replaces what a killed one left.

    Raises OSError.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise OSError(f"the path of a socket has at most {LONGEST_PATH} bytes: {path}")
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # there must be no moment in which others may connect
    try:
        sock.bind(str(path))
        if owner is not None:
            os.chown(path, owner, -1)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
    return sock


def peer_uid(sock: socket.socket) -> int:
    """Whose process is at the other end, as the kernel saw it connect."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return int(CREDENTIALS.unpack(credentials)[1])
