"""What may be done to a volume in which status."""

from __future__ import annotations

from collections.abc import Iterable

DELETABLE = ("available", "error", "error_restoring", "error_extending", "error_managing")
SOURCES = ("available", "in-use")
ATTACHED = frozenset({"attached", "detaching", "attaching"})
STATUSES = frozenset(
    [
        "creating",
        "available",
        "deleting",
        "error",
        "error_deleting",
        "error_managing",
        "managing",
        "attaching",
        "in-use",
        "detaching",
        "maintenance",
        "restoring-backup",
        "error_restoring",
        "reserved",
        "awaiting-transfer",
        "backing-up",
        "error_backing-up",
        "error_extending",
        "downloading",
        "uploading",
        "retyping",
        "extending",
    ]
)
"""What an administrator may set a volume to."""


def either(words: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`, each in quotes: how Block Storage lists what it expects."""
    *most, last = [f"'{word}'" for word in words]
    return f"{', '.join(most)} or {last}" if most else last
