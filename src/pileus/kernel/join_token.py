"""A join token as text: what an operator carries from the cloud to the machine that shall become a host.

It knows no database: the machine reads it before it knows anybody.
"""

from __future__ import annotations

import base64
import hashlib
import re

import msgspec

PREFIX = "pileus-join-"
HOST_NAME = re.compile(r"[a-z]([a-z0-9.-]{0,61}[a-z0-9])?")


class JoinToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ca` is the fingerprint of the hosts' authority: by it the machine knows whom to tell the secret."""

    host: str
    secret: str
    ca: str

    def __str__(self) -> str:
        return PREFIX + base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @property
    def digest(self) -> str:
        """Which token this is, without telling it."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    @classmethod
    def parse(cls, text: str) -> JoinToken:
        """Raises ValueError."""
        if not text.startswith(PREFIX):
            raise ValueError(f"it begins with {PREFIX}")
        data = text.removeprefix(PREFIX).strip()
        return msgspec.json.decode(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)), type=cls)
