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
from typing import TypeVar

import bcrypt

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest

LOG = logging.getLogger(__name__)

T = TypeVar("T")
SCHEME = "bcrypt-hmac-sha256:"
USE = b"pileus password"
NOBODY = "." * 22 + "/" * 31  # salt and digest of no password: the work is as much as with anybody's


class Hasher:
    """Makes and checks hashes of one cost. At most one thread a core, so that a flood of logins leaves other threads free."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self.nobody = f"{SCHEME}$2b${rounds:02}${NOBODY}"
        self._cores = asyncio.Semaphore(os.cpu_count() or 1)

    async def hash(self, password: str) -> str:
        """What to keep of a password."""
        made = await self._work(lambda: bcrypt.hashpw(digest(password), bcrypt.gensalt(self._rounds)))
        return SCHEME + made.decode()

    async def check(self, password: str, kept: str | None) -> bool:
        """Whether `kept` is of this password. None, for a user who is not there or has no password, takes as long."""
        known = (kept or self.nobody).removeprefix(SCHEME).encode()
        fits = await self._work(lambda: bcrypt.checkpw(digest(password), known))
        return fits and kept is not None

    async def _work(self, call: Callable[[], T]) -> T:
        async with self._cores:
            return await asyncio.to_thread(call)


def digest(password: str) -> bytes:
    """44 bytes without NUL, of a password of any length."""
    return b64encode(hmac.digest(USE, password.encode(), hashlib.sha256))


def hasher(ctx: Ctx) -> Hasher:
    """The hasher of this process."""
    found: Hasher | None = ctx.world.memory.get(Hasher)
    if found is None:
        found = ctx.world.memory[Hasher] = Hasher(ctx.world.config.identity.bcrypt_rounds)
    return found


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
