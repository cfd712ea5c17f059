"""Explanations of the policy: each part of a rule with what came of it for a caller, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UnsetType

from pileus.kernel.context import Caller, Ctx
from pileus.kernel.errors import NotFound, Unauthorized
from pileus.kernel.policy import Explanation, default_rules
from pileus.services.identity.auth import service as auth
from pileus.services.identity.auth.service import WantedScope
from pileus.services.identity.methods import UserRef, user_of
from pileus.services.identity.users import service as users
from pileus.services.identity.users.service import User

__all__ = ["Answer", "UserRef", "WantedScope", "explain"]

NOBODY = "the user, the scope or a domain of theirs is disabled or not there, or they have no role in it"


class Answer(msgspec.Struct, frozen=True):
    """Whether `caller` may do what `rule` guards (None: only a target would tell), and why."""

    rule: str  # its full name
    reads: str
    operations: tuple[str, ...]
    caller: Caller | None  # None: there is no such token
    why: Explanation
    role: str | None  # the least that would do, if the answer is not yes
    looks_at: list[str]  # attributes of the target


async def explain(
    ctx: Ctx, rule: str, user: UserRef | None, scope: WantedScope | UnsetType, target: Mapping[str, Any] | None
) -> Answer:
    """For who asks, or for a user who has logged in for that scope. Raises NotFound for an unknown rule or user, BadRequest."""
    policy = ctx.world.policy
    full = policy.find(rule)
    caller: Caller | None = ctx.caller
    if user is not None:
        caller = await _caller(ctx, await _user(ctx, user), scope)
    why = (
        Explanation("a token of that user for that scope", False, NOBODY)
        if caller is None
        else policy.explain(full, caller, target)
    )
    return Answer(
        rule=full,
        reads=policy.rules()[full],
        operations=default_rules().operations.get(full, ()),
        caller=caller,
        why=why,
        role=policy.least_role(full, caller, target) if caller is not None and why.outcome is not True else None,
        looks_at=policy.looks_at(full),
    )


async def _user(ctx: Ctx, named: UserRef) -> User:
    user_id = await user_of(ctx, named, "explain/user")
    user = await users.find(ctx, user_id) if user_id else None
    if user is None:
        raise NotFound(f"Could not find user: {named.name or named.id}.")
    return user


async def _caller(ctx: Ctx, user: User, scope: WantedScope | UnsetType) -> Caller | None:
    try:
        return await auth.caller_of(ctx, user, scope)
    except Unauthorized:
        return None
