"""What systemd is told by a process that it started: that it is ready, and while it watches, that the event loop turns."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import MutableMapping


class Systemd:
    """Who started us, if it was systemd; else nobody, who is told nothing.

    What it says in the environment is taken out of that: programs that we start are not to speak in our name.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        usec, pid = environment.pop("WATCHDOG_USEC", "0"), environment.pop("WATCHDOG_PID", "")
        self._every_s = int(usec) / 2e6 if pid in ("", str(os.getpid())) else 0.0

    def ready(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """We serve. With a `loop` it is told, twice in the time that it grants, that this turns."""
        self._say(b"READY=1")
        if loop is not None and self._every_s:
            self._turns(loop)

    def _turns(self, loop: asyncio.AbstractEventLoop) -> None:
        self._say(b"WATCHDOG=1")
        loop.call_later(self._every_s, self._turns, loop)

    def _say(self, words: bytes) -> None:
        if self._address:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to_it, contextlib.suppress(OSError):
                to_it.setblocking(False)
                to_it.sendto(words, self._address)
