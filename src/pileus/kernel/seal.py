"""Secrets at rest: what is sealed can be read and changed only by who holds the site's key.

The key is a file of this machine, never a row: whoever copies the database alone has copied no secret. AES-256-GCM with a
random nonce for each seal; a site may seal 2^32 things before two nonces become likely to meet.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
FORM = b"\x01"  # the first byte of a seal, so that a later form can be told apart


class SealError(ValueError):
    """The key file cannot be used, or a seal is broken or of another key. The message names file and way out."""


class Seal:
    """Seals and opens with one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise SealError(f"a site key has {KEY_BYTES} bytes, this one {len(key)}")
        self._cipher = AESGCM(key)
        self._signs = hmac.digest(key, b"to sign with", "sha256")  # another key, for another use

    def seal(self, plain: bytes, *, place: bytes = b"") -> bytes:
        """`plain`, unreadable and unchangeable. `place` names where it is kept: it opens at no other place."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return FORM + nonce + self._cipher.encrypt(nonce, plain, FORM + place)

    def sign(self, text: bytes, *, place: bytes = b"") -> bytes:
        """32 bytes that only who holds the key can tell: the same each time, for who shows `text` and them again."""
        return hmac.digest(self._signs, len(place).to_bytes(4) + place + text, "sha256")

    def open(self, sealed: bytes, *, place: bytes = b"") -> bytes:
        """What was sealed for this place with this key. Raises SealError."""
        nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        if sealed[:1] != FORM or len(nonce) < NONCE_BYTES:
            raise SealError("this was not sealed by pileus")
        try:
            return self._cipher.decrypt(nonce, rest, FORM + place)
        except InvalidTag:
            raise SealError("the seal is broken, or was made with another site key") from None

    @classmethod
    def from_file(cls, path: Path) -> Seal:
        """The seal of the key in `path`; a new key, mode 0600, if there is no such file. Raises SealError.

        Of many processes that start at once one makes the key and all use it.
        """
        try:
            if not path.exists():
                create_key(path)
            return cls(read_key(path))
        except OSError as e:
            raise SealError(f"site key {path}: {e.strerror}") from e


def read_key(path: Path) -> bytes:
    """The key in a file that only its owner can read. Raises SealError, OSError."""
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise SealError(f"site key {path}: others can read it (mode {mode:04o}); say: chmod 600 {path}")
        text = file.read(2 * KEY_BYTES + 2)
    try:
        key = bytes.fromhex(text.decode())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise SealError(
            f"site key {path}: this is no key ({2 * KEY_BYTES} hexadecimal digits); restore it from a backup"
        )
    return key


def create_key(path: Path) -> None:
    """Make the file with a new key: whole and durable, or not at all. A file that is there by now stays as it is."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(opened, "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first: its key is the site's
            os.link(draft, path)
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
