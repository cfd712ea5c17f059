"""On which grounds somebody sees or changes a thing of Networking, as conditions of SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Forbidden, NotFound

Condition = sa.ColumnElement[bool]
Shared = Callable[..., Sequence[Condition]]
"""What is shared with a project."""

EVERYTHING = sa.true()
KEPT = 256  # conditions of a noun: so many projects ask at a time


def is_admin(ctx: Ctx) -> bool:
    """Whether the caller administers all of Networking, not just a project."""
    return ctx.world.policy.allows("network/context_is_admin", ctx.caller, {})


def nothing(project_id: str | None, *more: Any) -> Sequence[Condition]:
    return ()


class Seen:
    """Which rows a rule lets a caller see, as a condition that is built once for all who see the same: all rows, or the
    own project's, of `project_id`, and those that are `shared` with it. Of each only what is `there`.
    """

    def __init__(
        self, rule: str, project_id: sa.ColumnElement[Any], shared: Shared = nothing, *, there: Condition = EVERYTHING
    ) -> None:
        self._rule, self._owner, self._shared, self._there = rule, project_id, shared, there
        self._condition = lru_cache(KEPT)(self._built)

    def __call__(self, ctx: Ctx, *more: Any) -> Condition:
        """`more` is what `shared` is to know besides the project."""
        allows, caller, rule = ctx.world.policy.allows, ctx.caller, self._rule
        if allows(rule, caller, owned_by(None)):
            return self._there
        own = caller.project_id is not None and allows(rule, caller, owned_by(caller.project_id))
        shared = self._shared is not nothing and allows(rule, caller, {**owned_by(None), "shared": True})
        return self._condition(own, shared, caller.project_id, *more)

    def _built(self, own: bool, shared: bool, project_id: str | None, *more: Any) -> Condition:
        grounds = [self._owner == project_id] if own else []
        return self._there & sa.or_(sa.false(), *grounds, *(self._shared(project_id, *more) if shared else ()))


def require(ctx: Ctx, project_id: str, missing: NotFound, **more: Any) -> None:
    """The route's rule, for a thing of that project. What is another's reads as missing; what is one's own is refused.

    Raises NotFound, Forbidden.
    """
    try:
        ctx.require({**owned_by(project_id), **more})
    except Forbidden:
        if project_id != ctx.caller.project_id:
            raise missing from None
        raise


def owned_by(project_id: str | None) -> dict[str, str | None]:
    """A thing of that project, also for rules that look at what it is a part of."""
    parents = ("security_group", "network", "ext_parent")
    return {"project_id": project_id, **{f"{parent}:project_id": project_id for parent in parents}}
