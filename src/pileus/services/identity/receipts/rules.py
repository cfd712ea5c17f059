"""What a receipt says, and which methods a user must log in by. Pure.

A receipt is a text like a token's, made with the same keys, and can never be taken for one: its first word is another.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from cryptography.fernet import InvalidToken, MultiFernet

from pileus.services.identity.methods import Proof

LONGEST = 2048  # characters; more is no receipt of ours
ENABLED = "multi_factor_auth_enabled"
RULES = "multi_factor_auth_rules"


class Receipt(msgspec.Struct, frozen=True, array_like=True, tag="receipt"):
    """Times are whole seconds since the epoch."""

    proof: Proof  # so far
    issued_at: int
    expires_at: int
    revision: int  # of Identity, when the login began: what was revoked later revokes the token that this leads to


ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(Receipt)


def encode(receipt: Receipt, ring: MultiFernet) -> str:
    """The text that a client carries."""
    return ring.encrypt_at_time(ENCODER.encode(receipt), receipt.issued_at).rstrip(b"=").decode()


def decode(text: str, ring: MultiFernet) -> Receipt | None:
    """What the text says; None when it is no receipt made with one of the keys."""
    if len(text) > LONGEST or not text.isascii():
        return None
    try:
        return DECODER.decode(ring.decrypt(text + "=" * (-len(text) % 4)))
    except (InvalidToken, msgspec.MsgspecError):
        return None


def wanted(options: Mapping[str, Any], known: Collection[str]) -> list[list[str]]:
    """The user's rules, one of which a login must meet, without methods that are not known here. None: there are none."""
    if options.get(ENABLED) is False:
        return []
    rules = [[method for method in rule if method in known] for rule in options.get(RULES) or []]
    return [rule for rule in rules if rule]


def enough(rules: list[list[str]], methods: Collection[str]) -> bool:
    """Whether these methods meet one of the rules."""
    return not rules or any(set(rule) <= set(methods) for rule in rules)


def going_on(rules: list[list[str]], methods: Collection[str]) -> list[list[str]]:
    """The rules of which these methods meet a part."""
    return [rule for rule in rules if set(rule) & set(methods)]
