"""Passwords as text: their form, and their hashes, both looked at off the event loop.

Hashes are bcrypt's, a few at a time.

bcrypt reads 72 bytes and stops at a NUL, so what it is given is a digest of the password, never the password: keyed with
the name of this use, so that a digest stolen elsewhere is no password here.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from typing import Any, TypeVar

import bcrypt
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest

LOG = logging.getLogger(__name__)

T = TypeVar("T")
SCHEME = "bcrypt-hmac-sha256:"
USE = b"pileus password"
NOBODY = "." * 22 + "/" * 31  # salt and digest of no password: the work is as much as with anybody's


KEPT: list[sa.Column[Any]] = []
"""Where hashes are kept. Filled at import, by those who keep some."""


class Hasher:
    """Makes hashes of one cost, and checks them. At most one thread a core, so that a flood of logins leaves others free.

    `dearest`: the highest cost of any hash that is kept, of a time when the configured cost was higher. A check takes as
    long as that one would take, whatever the cost of the hash that is looked at, or if there is none: else the time would
    tell who exists when `bcrypt_rounds` has changed.
    """

    def __init__(self, rounds: int, *, dearest: int = 0) -> None:
        self._rounds = rounds
        self.dearest = max(rounds, dearest)
        self._nobody = f"$2b${rounds:02}${NOBODY}".encode()
        self._cores = asyncio.Semaphore(os.cpu_count() or 1)

    async def hash(self, password: str) -> str:
        """What to keep of a password."""
        made = await self._work(lambda: self._bcrypt(digest(password), bcrypt.gensalt(self._rounds)))
        return SCHEME + made.decode()

    async def check(self, password: str, kept: str | None) -> bool:
        """Whether `kept` is of this password. None, for a user who is not there or has no password, takes as long."""
        known = kept.removeprefix(SCHEME).encode() if kept else self._nobody
        self.dearest = max(self.dearest, cost(known))  # another process may be told of a higher one before this is
        fits = await self._work(lambda: self._fits(digest(password), known))
        return fits and kept is not None

    def outdated(self, kept: str) -> bool:
        """Whether a hash is of another cost than it would be if it was made now."""
        return cost(kept.removeprefix(SCHEME).encode()) != self._rounds

    def _fits(self, sent: bytes, known: bytes) -> bool:
        """2^dearest rounds of work: those of the hash, and as many again, and twice as many, until they are so many."""
        made = self._bcrypt(sent, known)
        for missing in range(cost(known), self.dearest):
            self._bcrypt(sent, bcrypt.gensalt(missing))
        return hmac.compare_digest(made, known)

    def _bcrypt(self, sent: bytes, salt: bytes) -> bytes:
        return bcrypt.hashpw(sent, salt)

    async def _work(self, call: Callable[[], T]) -> T:
        async with self._cores:
            return await asyncio.to_thread(call)


def cost(hash_: bytes) -> int:
    """Of a bcrypt hash or salt: 2^n rounds."""
    return int(hash_.split(b"$")[2])


def digest(password: str) -> bytes:
    """44 bytes without NUL, of a password of any length."""
    return b64encode(hmac.digest(USE, password.encode(), hashlib.sha256))


async def hasher(ctx: Ctx) -> Hasher:
    """The hasher of this process."""
    known: dict[type, Any] = ctx.world.memory
    if Hasher not in known:
        dearest = max([await _dearest(ctx, column) for column in KEPT], default=0)
        known.setdefault(Hasher, Hasher(ctx.world.config.identity.bcrypt_rounds, dearest=dearest))
    found: Hasher = known[Hasher]
    return found


async def hashed(ctx: Ctx, password: str) -> str:
    """See `Hasher.hash`."""
    return await (await hasher(ctx)).hash(password)


async def fits(ctx: Ctx, password: str, kept: str | None) -> bool:
    """See `Hasher.check`."""
    return await (await hasher(ctx)).check(password, kept)


async def _dearest(ctx: Ctx, column: sa.Column[Any]) -> int:
    """The highest cost in the column: the two digits behind the scheme and bcrypt's own. Reads all of it, so once a process."""
    digits = sa.func.substr(column, len(f"{SCHEME}$2b$") + 1, 2)
    return int((await ctx.execute(sa.select(sa.func.max(digits)))).scalar_one() or 0)


MATCHER = """
import re, sys
password, _, pattern = sys.stdin.buffer.read().decode().partition(chr(0))
sys.exit(re.match(pattern, password) is None)
"""
MATCHED_WITHIN_S = 2.0


async def check_form(ctx: Ctx, password: str) -> None:
    """Raises BadRequest unless the password matches `identity.password_regex`.

    In a process of its own, and not for ever: some patterns take hours for some passwords, and `re` lets no other thread run.
    """
    limits = ctx.world.config.identity
    if limits.password_regex and not await asyncio.to_thread(matches, limits.password_regex, password):
        raise BadRequest(f"The password does not match the requirements: {limits.password_regex_description}.")


def matches(pattern: str, password: str) -> bool:
    """Whether the password matches from its start; it does not if that cannot be told soon."""
    command = [sys.executable, "-I", "-S", "-c", MATCHER]
    try:
        sent = f"{password}\0{pattern}".encode()
        ended = subprocess.run(command, input=sent, timeout=MATCHED_WITHIN_S, capture_output=True)  # noqa: S603 (our own words)
    except subprocess.TimeoutExpired:
        LOG.warning("identity.password_regex takes too long for some passwords: write it without nested repetitions.")
        return False
    return ended.returncode == 0
