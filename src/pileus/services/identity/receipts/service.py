"""Receipts: what logging in may ask for."""

from __future__ import annotations

from typing import Any, NamedTuple

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.kernel.errors import WHO, Unauthorized
from pileus.services.identity.keys import service as keys
from pileus.services.identity.methods import METHODS, Proof
from pileus.services.identity.projects import service as projects
from pileus.services.identity.receipts import rules
from pileus.services.identity.receipts.rules import Receipt
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revision.service import Revision
from pileus.services.identity.users import service as users

__all__ = ["Asked", "Receipt", "ask_for_more", "read"]


class Asked(NamedTuple):
    """A receipt as text, and as the API shows it, with the rules that may be met by more methods."""

    text: str
    document: dict[str, Any]


async def ask_for_more(ctx: Ctx, proof: Proof, at: Revision) -> Asked | None:
    """A receipt for what is proven, if the user's rules ask for more. Raises Unauthorized.

    `at` is the revision at which the first proof was begun to be looked at.
    """
    async with ctx.read() as reading:
        user = await users.find(reading, proof.user_id)
        domain = await projects.find(reading, user.domain_id) if user else None
    if user is None or domain is None:
        raise Unauthorized(WHO)
    wanted = rules.wanted(user.options, METHODS)
    if rules.enough(wanted, proof.methods):
        return None
    now = int(ctx.now())
    receipt = Receipt(proof, now, now + ctx.world.config.identity.receipt_ttl_s, at.number)
    shown = {
        "methods": list(proof.methods),
        "user": {"domain": {"id": domain.id, "name": domain.name}, "id": user.id, "name": user.name},
        "expires_at": iso(receipt.expires_at, microseconds=True),
        "issued_at": iso(receipt.issued_at, microseconds=True),
    }
    document = {"receipt": shown, "required_auth_methods": rules.going_on(wanted, proof.methods)}
    return Asked(rules.encode(receipt, await keys.ring(ctx, await revision.current(ctx))), document)


async def read(ctx: Ctx, text: str, at: Revision) -> Receipt:
    """What a receipt says. Raises Unauthorized for what is none, or none any more."""
    receipt = rules.decode(text, await keys.ring(ctx, at))
    if receipt is None or receipt.expires_at <= ctx.now():
        raise Unauthorized("Could not find auth receipt: it is unknown or has expired.")
    return receipt
