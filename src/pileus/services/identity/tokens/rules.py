"""What a token says, and how that becomes text. Pure.

The text is a Fernet token over msgpack: encrypted and signed, not kept anywhere. Ids of 32 hexadecimal digits travel as
16 bytes, which keeps a token below the 255 characters that old clients reserve.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from cryptography.fernet import InvalidToken, MultiFernet

from pileus.services.identity.grounds import Basis

LONGEST = 1024  # characters; more is no token of ours
FORM = 1
NEVER = 1 << 53  # seconds
WORDS = {
    "access_token": "t",
    "application_credential": "a",
    "oauth1": "o",
    "password": "p",
    "token": "k",
    "totp": "1",
    "trust": "r",
}
"""Methods and grounds as they travel: a token shall stay short. Only ever added to."""
LONG = {short: word for word, short in WORDS.items()}
HEX = re.compile(r"[0-9a-f]{32}")


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a token is good for: one of project, domain and system, or nothing yet (unscoped)."""

    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False

    @property
    def target_id(self) -> str | None:
        """The id under which roles are assigned; None when unscoped."""
        return "system" if self.system else self.project_id or self.domain_id


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says of itself. Times are whole seconds since the epoch."""

    user_id: str
    methods: tuple[str, ...]
    scope: Scope
    issued_at: int
    expires_at: int
    revision: int  # of Identity, when the login began: what was revoked later revokes this
    audit_ids: tuple[str, ...]  # its own, and that of the first of its chain if it is not the first
    basis: Basis | None = None  # what it rests on besides its user


class Wire(msgspec.Struct, array_like=True, frozen=True):
    """As it travels. Fields are only ever added, at the end and with a default; `form` changes when that won't do."""

    form: int
    user_id: bytes
    methods: tuple[str, ...]
    issued_at: int
    expires_at: int
    revision: int
    audit_ids: tuple[bytes, ...]
    project_id: bytes | None = None
    domain_id: bytes | None = None
    system: bool = False
    basis: tuple[str, bytes] | None = None


ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(Wire)


def packed(id_: str) -> bytes:
    """One byte that tells the form, then the id."""
    return b"\x01" + bytes.fromhex(id_) if HEX.fullmatch(id_) else b"\x00" + id_.encode()


def unpacked(data: bytes) -> str:
    return data[1:].hex() if data[:1] == b"\x01" else data[1:].decode()


def audit_id(random: bytes) -> str:
    """16 random bytes as Keystone writes them."""
    return urlsafe_b64encode(random).rstrip(b"=").decode()


def encode(token: Token, ring: MultiFernet) -> str:
    """The text that a client carries."""
    scope = token.scope
    wire = Wire(
        FORM,
        packed(token.user_id),
        tuple(WORDS.get(each, each) for each in token.methods),
        token.issued_at,
        token.expires_at,
        token.revision,
        tuple(urlsafe_b64decode(each + "==") for each in token.audit_ids),
        packed(scope.project_id) if scope.project_id is not None else None,
        packed(scope.domain_id) if scope.domain_id is not None else None,
        scope.system,
        (WORDS.get(token.basis.kind, token.basis.kind), packed(token.basis.id)) if token.basis is not None else None,
    )
    return ring.encrypt_at_time(ENCODER.encode(wire), token.issued_at).rstrip(b"=").decode()


def decode(text: str, ring: MultiFernet) -> Token | None:
    """What the text says; None when it is no token made with one of the keys."""
    if len(text) > LONGEST or not text.isascii():
        return None
    try:
        wire = DECODER.decode(ring.decrypt(text + "=" * (-len(text) % 4)))
    except (InvalidToken, msgspec.MsgspecError):
        return None
    if wire.form != FORM:
        return None
    scope = Scope(
        project_id=unpacked(wire.project_id) if wire.project_id is not None else None,
        domain_id=unpacked(wire.domain_id) if wire.domain_id is not None else None,
        system=wire.system,
    )
    return Token(
        user_id=unpacked(wire.user_id),
        methods=tuple(LONG.get(each, each) for each in wire.methods),
        scope=scope,
        issued_at=wire.issued_at,
        expires_at=wire.expires_at,
        revision=wire.revision,
        audit_ids=tuple(audit_id(each) for each in wire.audit_ids),
        basis=Basis(LONG.get(wire.basis[0], wire.basis[0]), unpacked(wire.basis[1]))
        if wire.basis is not None
        else None,
    )
