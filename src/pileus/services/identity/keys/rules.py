"""What is known of a key, and when it has done its work. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

SLACK_S = 600  # a login that was under way when its key was retired may still use it


class Key(msgspec.Struct, frozen=True):
    id: str
    sealed: bytes
    state: str
    made_at: float
    retired_at: float | None
    lasts_s: float = 0.0


def is_worn(key: Key, now: float) -> bool:
    """Whether every token that was made with it has expired."""
    return key.retired_at is not None and key.retired_at + key.lasts_s + SLACK_S < now


def has_room(keys: Sequence[Key], most: int, now: float) -> bool:
    """Whether one more is not too many, without those that are worn."""
    return len([key for key in keys if not is_worn(key, now)]) < most


def is_due(keys: Sequence[Key], every_s: float, now: float) -> bool:
    """Whether the last rotation is that long ago: each stages a key."""
    return any(key.state == "staged" and key.made_at + every_s <= now for key in keys)
