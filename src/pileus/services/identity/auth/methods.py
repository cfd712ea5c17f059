"""The two ways to log in that Identity itself knows: a password, and a token that is there already."""

from __future__ import annotations

from msgspec import UNSET

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Forbidden
from pileus.services.identity.auth.rules import WantedScope
from pileus.services.identity.methods import Attempt, Part, Proof, UserRef, asked, method, user_of
from pileus.services.identity.tokens import service as tokens
from pileus.services.identity.users import service as users

LENT = {"trust": "trust", "access_token": "OAuth"}
"""Grounds whose tokens are not exchanged for others, and what such a token is called."""


class UserWithPassword(UserRef, frozen=True):
    password: str = ""


class Password(Part, frozen=True):
    user: UserWithPassword


class TokenRef(Part, frozen=True):
    id: str


@method("password", Password)
async def by_password(ctx: Ctx, data: Password, attempt: Attempt) -> Proof:
    """An unknown user, one without a password and a wrong password take as long."""
    user_id = await user_of(ctx, data.user, "identity/password/user")
    user = await users.authenticate(ctx, user_id, data.user.password, asked=asked(data.user))
    return Proof(user_id=user.id)


@method("token", TokenRef)
async def by_token(ctx: Ctx, data: TokenRef, attempt: Attempt) -> Proof:
    """Raises NotFound for what is no token, and Forbidden for one that cannot be exchanged, or not for such a scope."""
    parent = (await tokens.subject(ctx, data.id)).token
    wanted = attempt.scope
    narrower = isinstance(wanted, WantedScope) and (wanted.project is not UNSET or wanted.domain is not UNSET)
    if parent.basis is not None and parent.basis.kind in LENT:
        kind = LENT[parent.basis.kind]
        raise refused(f"Using {kind}-scoped token to create another token. Create a new {kind}-scoped token instead")
    if parent.scope.system and narrower:
        raise refused("Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.")
    if parent.basis is not None and wanted is not UNSET:
        raise refused("Using an application credential token to create a scoped token is not allowed.")
    return Proof(
        user_id=parent.user_id,
        methods=parent.methods,
        project_id=parent.scope.project_id if parent.basis is not None else None,
        basis=parent.basis,
        expires_at=parent.expires_at,
        chain_id=parent.audit_ids[-1],
    )


def refused(what: str) -> Forbidden:
    return Forbidden(f"You are not authorized to perform the requested action: {what}")
