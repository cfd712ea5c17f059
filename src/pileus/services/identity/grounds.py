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

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Unauthorized
from pileus.services.identity.users.service import WHO

__all__ = ["Basis", "Ground", "ground", "standing"]


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
