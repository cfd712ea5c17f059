"""Passcodes of RFC 6238: 6 digits of HMAC-SHA1, new every 30 seconds. Pure."""

from __future__ import annotations

import hmac
from base64 import b32decode

STEP_S = 30
SHORTEST_BYTES = 16
"""RFC 4226 asks for 128 bits; with fewer, or none, others could foresee the passcodes."""

NOBODY = bytes(SHORTEST_BYTES)
"""The secret of nobody: a login takes as long where there is none."""


def secret_of(blob: str) -> bytes | None:
    """The secret that a credential holds in Base32, with or without its padding; None if it is none."""
    text = blob.replace(" ", "").rstrip("=")
    try:
        secret = b32decode(text + "=" * (-len(text) % 8), casefold=True)
    except ValueError:
        return None
    return secret if len(secret) >= SHORTEST_BYTES else None


def passcode(secret: bytes, step: int) -> str:
    """What the device shows during that step."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    at = digest[-1] & 0xF
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def step_of(secret: bytes | None, given: str, *, now: float, previous: int) -> int | None:
    """The step whose passcode this is: the present one or one of so many before. Takes as long whatever comes of it."""
    present = int(now) // STEP_S
    fits = [
        step
        for step in range(present, present - previous - 1, -1)
        if hmac.compare_digest(passcode(secret or NOBODY, step).encode(), given.encode())
    ]
    return fits[0] if fits and secret is not None else None
