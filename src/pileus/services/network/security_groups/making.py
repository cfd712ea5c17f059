"""How groups come to be: by somebody's wish, and the default one of a project when it is asked for first."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
from msgspec.structs import replace

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.services.identity.projects import service as projects
from pileus.services.network.default_group_rules import service as default_rules
from pileus.services.network.security_group_rules import service as rules
from pileus.services.network.security_group_rules.service import Match, Rule
from pileus.services.network.security_groups import sagas, store
from pileus.services.network.security_groups.found import KIND
from pileus.services.network.security_groups.store import SecurityGroup

DEFAULT = "default"
"""The name of the group that each project has, and that ports are in of which nothing else is said."""


async def ensure_default(ctx: Ctx, project_id: str) -> UUID:
    """The project's default group, made when it is asked for first: its members may talk to each other.

    Raises Conflict for a project that is disabled or not there.
    """
    found = await store.default_of(ctx, project_id)
    if found is not None:
        return found
    async with ctx.transaction() as ctx:
        group = SecurityGroup(
            id=ctx.world.ids.uuid(),
            project_id=project_id,
            name=DEFAULT,
            description="Default security group",
            is_default=True,
        )
        group = _new(ctx, group)
        if await store.claim_default(ctx, group):
            return (await _fill(ctx, group, await default_rules.of_group(ctx, group.id, default=True))).id
        found = await store.default_of(ctx, project_id)  # of who came first
        assert found is not None
        return found


async def rules_of_new(ctx: Ctx, group: SecurityGroup) -> list[Match]:
    """What a group begins with that somebody makes."""
    return await default_rules.of_group(ctx, group.id, default=False)


async def add(ctx: Ctx, group: SecurityGroup) -> SecurityGroup:
    """In the open transaction: a new group."""
    group = _new(ctx, group)
    await store.add(ctx, group)
    return await _fill(ctx, group, await rules_of_new(ctx, group))


def _new(ctx: Ctx, group: SecurityGroup) -> SecurityGroup:
    return replace(group, created_at=ctx.now(), updated_at=ctx.now(), revision=1)


async def _fill(ctx: Ctx, group: SecurityGroup, matches: Sequence[Match]) -> SecurityGroup:
    await projects.hold(ctx, group.project_id)
    await rules.add(ctx, [_rule(ctx, match, group) for match in matches])
    await sagas.converge_group.want(ctx, group.id)
    await changed(ctx, KIND, "created", group.id, project_id=group.project_id)
    return group


def _rule(ctx: Ctx, match: Match, group: SecurityGroup) -> Rule:
    of_group = Rule(
        id=ctx.world.ids.uuid(),
        project_id=group.project_id,
        security_group_id=group.id,
        direction=match.direction,
        created_at=ctx.now(),
        updated_at=ctx.now(),
    )
    return replace(of_group, **msgspec.structs.asdict(match))
