"""How a screen without a password greets who looks at it: the handshake of RFB 3 (RFC 6143), as QEMU does it."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Generator

VERSION = b"RFB 003.008\n"
NO_PASSWORD = 1
SPOKEN = re.compile(rb"RFB 003\.00([34578])\n")
REASON = b"There is no such security here."
PIXELS = struct.pack(">4B3H3B3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)


class Refused(Exception):
    """The peer speaks no RFB that is spoken here: hang up."""


def handshake(say: Callable[[bytes], None], name: str, size: tuple[int, int]) -> Generator[int, bytes, None]:
    """Greet, and yield how many bytes are to be heard next until the screen is open. Raises Refused."""
    say(VERSION)
    spoken = SPOKEN.fullmatch((yield len(VERSION)))
    if spoken is None:
        raise Refused
    minor = int(spoken[1])
    if minor < 7:  # it is told, not asked
        say(struct.pack(">I", NO_PASSWORD))
    else:
        say(bytes((1, NO_PASSWORD)))
        agree(say, minor, (yield 1))
    yield 1  # whether others may look, too: they may
    title = name.encode()
    say(struct.pack(">2H", *size) + PIXELS + struct.pack(">I", len(title)) + title)


def agree(say: Callable[[bytes], None], minor: int, chosen: bytes) -> None:
    """Answer the choice of a security; only 3.8 hears of it."""
    good = chosen[0] == NO_PASSWORD
    if minor == 8:
        say(struct.pack(">I", 0) if good else struct.pack(">2I", 1, len(REASON)) + REASON)
    if not good:
        raise Refused


class Peer:
    """Feeds a handshake, however its bytes are cut; what comes after it is heard and forgotten."""

    def __init__(self, steps: Generator[int, bytes, None]) -> None:
        self._steps, self._heard = steps, bytearray()
        self._wants = next(steps)

    def hear(self, data: bytes) -> None:
        """Raises Refused."""
        if not self._wants:
            return
        self._heard += data
        while 0 < self._wants <= len(self._heard):
            piece = bytes(self._heard[: self._wants])
            del self._heard[: self._wants]
            self._wants = 0
            self._step(piece)
        if not self._wants:
            self._heard.clear()

    def _step(self, piece: bytes) -> None:
        try:
            self._wants = self._steps.send(piece)
        except StopIteration:
            return
