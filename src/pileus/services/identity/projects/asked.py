"""What the nouns above know of projects, for who shows projects: they say here whom to ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from pileus.kernel.context import Ctx

Limits = dict[str, list[dict[str, Any]]]
"""By project: its limits as the API shows them."""

Reach = Callable[[Ctx, str], Awaitable[Collection[str]]]
LimitsOf = Callable[[Ctx, Collection[str]], Awaitable[Limits]]

_reaches: list[Reach] = []
_limits: list[LimitsOf] = []


def reached_by(call: Reach) -> Reach:
    """Ask this for the ids of the projects in which a user has a role."""
    _reaches.append(call)
    return call


async def reach(ctx: Ctx, user_id: str) -> set[str]:
    """The ids of the projects in which a user has a role."""
    return {id_ for call in _reaches for id_ in await call(ctx, user_id)}


def limited_by(call: LimitsOf) -> LimitsOf:
    """Ask this for the limits of projects."""
    _limits.append(call)
    return call


async def limits_of(ctx: Ctx, ids: Collection[str]) -> Limits:
    """The limits of these projects, of those that have any."""
    return {id_: limits for call in _limits for id_, limits in (await call(ctx, ids)).items()}
