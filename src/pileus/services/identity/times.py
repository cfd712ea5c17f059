"""Times as Identity's documents spell them."""

from __future__ import annotations

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.filters import seconds

MALFORMED = (
    " The server could not comply with the request since it is either malformed or otherwise incorrect. The client is "
    "assumed to be in error."
)


def expiry(ctx: Ctx, text: str) -> float:
    """The moment in seconds since the epoch, which must be to come. Raises BadRequest, in Keystone's words."""
    try:
        at = seconds("expires_at", text)
        iso(at)  # a year that no document can show
    except (BadRequest, ValueError, OverflowError):
        raise BadRequest(f"Timestamp not in expected format.{MALFORMED}") from None
    if at <= ctx.now():
        raise BadRequest(f"The 'expires_at' must not be before now.{MALFORMED}")
    return at


def shown_time(at: float | None) -> str | None:
    """With six decimals and no Z: how Keystone shows what it keeps as a date without a zone."""
    return None if at is None else iso(at, microseconds=True).removesuffix("Z")
