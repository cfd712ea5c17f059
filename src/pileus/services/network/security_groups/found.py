"""Security groups as the caller may see them, and how they are held and touched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.kernel.filters import Condition
from pileus.services.network.grounds import Seen
from pileus.services.network.http import no_such
from pileus.services.network.rbac_policies import service as rbac
from pileus.services.network.security_groups import sagas, store
from pileus.services.network.security_groups.store import SecurityGroup

KIND, TYPE = "network.security_group", "security_group"


def shared_with(project_id: str | None) -> Condition:
    """Those that others share with that project."""
    return store.groups.c.id.in_(rbac.objects_for(TYPE, rbac.SHARED, project_id))


visible = Seen(
    "get_security_group",
    store.groups.c.project_id,
    lambda project_id: [shared_with(project_id)],
    there=store.is_there,
)


def missing(*group_ids: object) -> NotFound:
    return no_such("security_group", ", ".join(map(str, group_ids)))


async def get(ctx: Ctx, group_id: UUID) -> SecurityGroup:
    """One that the caller may see. Raises NotFound."""
    found = await store.find(ctx, group_id, visible(ctx))
    if found is None:
        raise missing(group_id)
    return found


async def hold(ctx: Ctx, group_ids: Iterable[UUID]) -> None:
    """Who decides on the rules and members of these groups comes one after the other."""
    await store.hold(ctx, set(group_ids))


async def touch(ctx: Ctx, group: SecurityGroup, **columns: Any) -> None:
    """Write these columns, and let the overlay hear of what the group is now."""
    await store.change(ctx, group.id, **columns)
    await sagas.converge_group.want(ctx, group.id)
    await changed(ctx, KIND, "updated", group.id, project_id=group.project_id)
