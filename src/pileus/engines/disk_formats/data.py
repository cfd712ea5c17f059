"""Bytes to look at, with their end in mind."""

from __future__ import annotations

import struct
from typing import Any

from pileus.engines.blobs import Read


class BadImage(ValueError):
    """The image must not be used. The message says why, to go on behind "the image is refused:"."""


class Data:
    """Some bytes of which nothing is believed."""

    def __init__(self, read: Read, size: int) -> None:
        self._read, self.size = read, size

    def starts(self, offset: int, magic: bytes) -> bool:
        """Whether these bytes stand at that place."""
        return 0 <= offset <= self.size - len(magic) and self._read(offset, len(magic)) == magic

    def piece(self, offset: int, count: int, what: str) -> bytes:
        """All of these bytes. Raises BadImage when there are fewer."""
        self.within(offset, count, what)
        data = self._read(offset, count)
        if len(data) != count:
            raise BadImage(f"its {what} cannot be read whole")
        return data

    def within(self, offset: int, count: int, what: str) -> None:
        """Raises BadImage for what lies outside of the bytes."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise BadImage(f"it ends before its {what}: it is truncated, or damaged")

    def numbers(self, form: str, offset: int, what: str) -> tuple[Any, ...]:
        """What stands there, by a format of `struct`."""
        return struct.unpack(form, self.piece(offset, struct.calcsize(form), what))
