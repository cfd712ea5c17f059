"""On which grounds somebody sees or changes a thing of Networking, as conditions of SQL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Forbidden, NotFound

Condition = sa.ColumnElement[bool]


def is_admin(ctx: Ctx) -> bool:
    """Whether the caller administers all of Networking, not just a project."""
    return ctx.world.policy.allows("network/context_is_admin", ctx.caller, {})


def seen(ctx: Ctx, rule: str, project_id: sa.ColumnElement[Any], *shared: Condition) -> Condition:
    """Which rows the rule lets the caller see: all, or the own project's and those that are `shared` with it."""
    allows, caller = ctx.world.policy.allows, ctx.caller
    if allows(rule, caller, owned_by(None)):
        return sa.true()
    grounds: list[Condition] = []
    if caller.project_id is not None and allows(rule, caller, owned_by(caller.project_id)):
        grounds.append(project_id == caller.project_id)
    if shared and allows(rule, caller, {**owned_by(None), "shared": True}):
        grounds += shared
    return sa.or_(sa.false(), *grounds)


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
