"""What a token rests on besides its user: a trust, an application credential, an access token of OAuth.

The noun that hands such things out says here what one is worth:

    @ground("trust")
    async def standing(ctx: Ctx, trust_id: str, token_of: str) -> Ground: ...

It is asked whenever the token is looked at anew: after each change of Identity. `token_of` is the user who logged in. It
raises Unauthorized for what is gone, has run out, or is not that user's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from pileus.kernel.context import Caller, Ctx, Reach
from pileus.kernel.errors import WHO, Forbidden, Unauthorized

__all__ = ["Basis", "Ground", "basis_of", "ground", "refuse_delegated", "refuse_restricted", "standing"]


class Basis(NamedTuple):
    """Which ground: as a token carries it."""

    kind: str
    id: str


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What a ground gives a token, and what it takes from it."""

    user_id: str  # in whose name the token acts
    grantor_id: str  # whose roles it brings: what that user has lost, it has lost
    role_ids: frozenset[str]  # the most it brings of them
    with_implied: bool = False  # and what they imply
    entire: bool = False  # worth nothing once one of them is lost
    expires_at: float | None = None  # seconds since the epoch
    reach: Reach | None = None  # the only requests it may be sent with
    document: dict[str, Any]  # its part of the token as the API shows it
    facts: dict[str, Any]  # its part of Caller.facts


Standing = Callable[[Ctx, str, str], Awaitable[Ground]]

_grounds: dict[str, Standing] = {}


def ground(kind: str) -> Callable[[Standing], Standing]:
    """Ask this function what a token of that kind of ground rests on."""

    def register(standing: Standing) -> Standing:
        _grounds[kind] = standing
        return standing

    return register


async def standing(ctx: Ctx, basis: Basis, token_of: str) -> Ground:
    """What the ground of a token is worth now. Raises Unauthorized, also for a kind that only a newer release knows."""
    look = _grounds.get(basis.kind)
    if look is None:
        raise Unauthorized(WHO)
    return await look(ctx, basis.id, token_of)


def basis_of(caller: Caller) -> Basis | None:
    """What the caller's token rests on."""
    basis: Basis | None = caller.facts.get("basis")
    return basis


def refuse_delegated(ctx: Ctx, what: str) -> None:
    """Raises Forbidden for a token that somebody lent: what is made with it would outlive the loan."""
    basis = basis_of(ctx.caller)
    if basis is not None and basis.kind != "application_credential":
        raise Forbidden(f"Cannot manage {what} with a token issued via delegation.")


def refuse_restricted(ctx: Ctx, what: str) -> None:
    """Raises Forbidden for a token of an application credential that may not make or delete what outlives it."""
    if ctx.caller.facts.get("application_credential", {}).get("restricted"):
        raise Forbidden(
            "You are not authorized to perform the requested action: Using method 'application_credential' is not "
            f"allowed for managing {what}."
        )
