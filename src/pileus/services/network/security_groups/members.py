"""The ports that are in groups, and the groups that ports may be in."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.services.network.grounds import is_admin
from pileus.services.network.ports import service as ports
from pileus.services.network.security_groups import store
from pileus.services.network.security_groups.found import hold, missing, shared_with
from pileus.services.network.security_groups.making import ensure_default


class Groups:
    """What ports ask. See `ports.service.GroupSource`."""

    async def defaults(self, ctx: Ctx, project_ids: Collection[str]) -> dict[str, UUID]:
        return {project_id: await ensure_default(ctx, project_id) for project_id in sorted(project_ids)}

    async def check(
        self, ctx: Ctx, group_ids: Collection[UUID], project_id: str, *, keeps: Collection[UUID] = ()
    ) -> None:
        """The groups stay until the transaction ends. Raises Conflict for stateful and stateless ones together."""
        await hold(ctx, group_ids)
        mine = (store.groups.c.project_id == project_id) | store.groups.c.id.in_(list(keeps))
        usable = sa.true() if is_admin(ctx) else mine | shared_with(project_id)
        found = await store.by_ids(ctx, group_ids, usable)
        if unknown := [group_id for group_id in sorted(group_ids) if group_id not in found]:
            raise missing(*unknown)
        if len({group.stateful for group in found.values()}) > 1:
            raise Conflict(
                "Error Cannot apply both stateful and stateless security groups on the same port at the same time while "
                "attempting the operation.",
                type="SecurityGroupConflict",
            )


ports.group_hook.register(Groups())


async def is_used(ctx: Ctx, group_id: UUID) -> bool:
    """Whether a port is in the group."""
    return bool(await ports.in_groups(ctx, [group_id], most=1))


async def users(ctx: Ctx, group_id: UUID) -> set[str]:
    """The projects with a port in the group."""
    return {port.project_id for port in await ports.in_groups(ctx, [group_id])}


async def names_of(ctx: Ctx, port_ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """The names of the groups that each of these ports is in, as servers show them."""
    known = await ports.by_ids(ctx, set(port_ids))
    groups = await store.by_ids(ctx, {group_id for port in known.values() for group_id in port.groups})
    return {id_: [groups[each].name for each in port.groups if each in groups] for id_, port in known.items()}
