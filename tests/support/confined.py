"""Run a command behind the filters of system calls that systemd would put before it:

    python confined.py CALLS FAMILIES COMMAND...

CALLS, parted by commas, are refused; sockets are of FAMILIES alone; nothing is made that runs as its owner or its group.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import stat
import sys
from collections.abc import Iterable, Sequence

ALLOW, REFUSE = 0x7FFF0000, 0x00050000  # SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(0)
EQUAL, MASKED_EQUAL = 4, 7  # SCMP_CMP_EQ, SCMP_CMP_MASKED_EQ
FAMILIES = 46  # AF_MAX
UNKNOWN = -1  # __NR_SCMP_ERROR
MODES = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "mkdir": 1, "mkdirat": 2, "mknod": 1, "mknodat": 2, "creat": 1}
"""Where the mode is among the arguments."""
OPENS = {"open": 1, "openat": 2}
"""Where the flags are; the mode follows."""


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp"""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


class Filter:
    """What is refused of this process and all that it starts, once it is loaded."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(ALLOW)))

    def refuse(self, call: str, error: int, *where: tuple[int, int, int, int]) -> None:
        """A call that the machine does not know is not refused. Raises OSError."""
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number != UNKNOWN:
            comparisons = (Comparison * len(where))(*(Comparison(*each) for each in where))
            self._done(
                self._library.seccomp_rule_add_array(self._context, REFUSE | error, number, len(where), comparisons)
            )

    def load(self) -> None:
        """Raises OSError."""
        self._done(self._library.seccomp_load(self._context))

    @staticmethod
    def _done(result: int) -> None:
        if result:
            raise OSError(-result, os.strerror(-result))


def confine(calls: Iterable[str], families: Sequence[str]) -> None:
    """SystemCallFilter, RestrictAddressFamilies and RestrictSUIDSGID of systemd.exec(5). Raises OSError."""
    made = Filter()
    for call in calls:
        made.refuse(call, errno.EPERM)
    known = {getattr(socket, family) for family in families}
    for family in set(range(FAMILIES)) - known:
        made.refuse("socket", errno.EAFNOSUPPORT, (0, EQUAL, family, 0))
    for bit in (stat.S_ISUID, stat.S_ISGID):
        for call, mode in MODES.items():
            made.refuse(call, errno.EPERM, (mode, MASKED_EQUAL, bit, bit))
        for call, flags in OPENS.items():
            creates = (flags, MASKED_EQUAL, os.O_CREAT, os.O_CREAT)
            made.refuse(call, errno.EPERM, creates, (flags + 1, MASKED_EQUAL, bit, bit))
    made.load()


if __name__ == "__main__":
    confine(sys.argv[1].split(","), sys.argv[2].split(","))
    os.execvp(sys.argv[3], sys.argv[3:])
