"""Errors that several nouns of Identity say in the same words, as Keystone does."""

from __future__ import annotations

from pileus.kernel.errors import BadRequest, Conflict


def expecting(attribute: str, target: str) -> BadRequest:
    """Something names what is not there, or what it may not name."""
    return BadRequest(
        f"Expecting to find {attribute} in {target}. The server could not comply with the request since it is either "
        "malformed or otherwise incorrect. The client is assumed to be in error."
    )


def duplicate(kind: str, details: str = "Duplicate entry") -> Conflict:
    """There is one already."""
    return Conflict(f"Conflict occurred attempting to store {kind} - {details}.")
