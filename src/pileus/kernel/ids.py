"""Names for things: random by default, reproducible with a seed."""

from __future__ import annotations

import hashlib
import os
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

UUID_MARKS = 0xF000_C000_0000_0000_0000  # where a UUID says what it is
UUID_4 = 0x4000_8000_0000_0000_0000
OPERATION: ContextVar[uuid.UUID | None] = ContextVar("operation", default=None)
NO_SECRETS: Any = random  # the module's own generator begins anew in the child of a fork; for what may be guessed


@contextmanager
def drawing_for(operation_id: uuid.UUID) -> Iterator[None]:
    """A block whose ids are this operation's."""
    token = OPERATION.set(operation_id)
    try:
        yield
    finally:
        OPERATION.reset(token)


class Ids:
    """Where ids come from. With a seed the same calls give the same ids: for simulated clouds only.

    Then neither who looks on meanwhile nor how fast a worker is counts: requests are named from numbers of their own, and
    what each operation makes, too.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._seed, self._drawn = seed, Counter[uuid.UUID]()  # by operation: how often
        self._random = None if seed is None else random.Random(seed)  # noqa: S311 (a seed is asked for to be foreseen)
        self._numbers = NO_SECRETS if seed is None else random.Random(f"requests {seed}")  # noqa: S311

    def bytes(self, n: int) -> bytes:
        """`n` bytes: from the operating system, or from the seed."""
        if self._random is None:
            return os.urandom(n)
        operation = OPERATION.get()
        if operation is None:
            return self._random.randbytes(n)
        self._drawn[operation] += 1
        return hashlib.shake_256(f"{self._seed} {operation} {self._drawn[operation]}".encode()).digest(n)

    def uuid(self) -> uuid.UUID:
        """A version 4 UUID."""
        return uuid.UUID(bytes=self.bytes(16), version=4)

    def hex(self) -> str:
        """32 hexadecimal digits, as Identity names its things."""
        return self.uuid().hex

    def request(self) -> str:
        """The id of an API request, as clients know it: req-<uuid>."""
        bits = (
            self._numbers.getrandbits(128) & ~UUID_MARKS | UUID_4
        )  # the text of `uuid`, which costs ten times as much
        text = f"{bits:032x}"
        return f"req-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
