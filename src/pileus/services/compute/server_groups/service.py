"""Server groups: what the rest of Compute may ask for. Which servers are in one, the servers know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from uuid import UUID

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.kernel.quota import Used, claim
from pileus.services.compute.quotas import SERVER_GROUP_MEMBERS, SERVER_GROUPS, counted
from pileus.services.compute.server_groups import store
from pileus.services.compute.server_groups.store import Group
from pileus.services.identity.projects import service as projects

__all__ = [
    "Group",
    "by_ids",
    "claim_members",
    "create",
    "delete",
    "get",
    "list_",
    "members",
    "members_of",
    "on_delete",
]

GROUP = "compute.server_group"
NAMES, BATCH = 5, 500

Members = Callable[[Ctx, Sequence[UUID]], Awaitable[Mapping[UUID, Sequence[UUID]]]]
Deleted = Callable[[Ctx, Sequence[UUID]], Awaitable[None]]

_members: list[Members] = []
_deleted: list[Deleted] = []

by_ids = store.by_ids
counted(SERVER_GROUPS, store.count_of)


def members(call: Members) -> Members:
    """Ask this which servers are in these groups. For the servers above."""
    _members.append(call)
    return call


def on_delete(call: Deleted) -> Deleted:
    """Call this with groups in the transaction that deletes them. For the servers above."""
    _deleted.append(call)
    return call


async def members_of(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """The servers in these groups; each group is there."""
    found: dict[UUID, list[UUID]] = {id_: [] for id_ in ids}
    for call in _members if ids else ():
        for id_, servers in (await call(ctx, sorted(ids))).items():
            found[id_] += servers
    return found


async def get(ctx: Ctx, id_: UUID) -> Group:
    """A group with which the caller may do what the route's rule guards. Raises NotFound."""
    found = (await store.by_ids(ctx, [id_])).get(id_)
    if found is None or not ctx.world.policy.allows(ctx.rule, ctx.caller, {"project_id": found.project_id}):
        raise NotFound(f"Instance group {id_} could not be found.")
    return found


async def list_(ctx: Ctx, *, everywhere: bool, offset: int, limit: int) -> list[Group]:
    """Some of the groups of the caller's project, or of all."""
    project_id = None if everywhere else ctx.caller.project_id or ""
    return await store.list_(ctx, project_id, offset=offset, limit=limit)


async def create(ctx: Ctx, name: str, policy: str, most_on_host: int | None) -> Group:
    """Raises OverQuota, Conflict."""
    project_id = ctx.caller.project_id or ""
    new = Group(
        id=ctx.world.ids.uuid(),
        project_id=project_id,
        user_id=ctx.caller.user_id,
        name=name,
        policy=policy,
        most_on_host=most_on_host,
        made_at=ctx.now(),
    )
    async with ctx.transaction() as ctx:
        await claim(ctx, SERVER_GROUPS, project_id, wanted=1, used=store.count_of)
        await projects.hold(ctx, project_id)
        await store.add(ctx, new)
        await changed(ctx, GROUP, "created", new.id, project_id=project_id)
    return new


async def claim_members(ctx: Ctx, group: Group, wanted: int, used: Used) -> None:
    """Make sure that so many more may be in the group; `used` counts those that are. Raises OverQuota."""
    await claim(ctx, SERVER_GROUP_MEMBERS, group.project_id, wanted=wanted, used=lambda _: used)


async def delete(ctx: Ctx, id_: UUID) -> None:
    """Its servers stay, in no group. Raises NotFound."""
    async with ctx.transaction() as ctx:
        group = await get(ctx, id_)
        await _delete(ctx, {group.id: group.project_id})


async def _delete(ctx: Ctx, owners: Mapping[UUID, str]) -> None:
    for call in _deleted:
        await call(ctx, sorted(owners))
    await store.delete(ctx, sorted(owners))
    for id_, project_id in owners.items():
        await changed(ctx, GROUP, "deleted", id_, project_id=project_id)


@projects.owner(GROUP, at_once=True)
async def owned(ctx: Ctx, ids: Sequence[str]) -> projects.Owned:
    count, rows = await store.owned(ctx, ids, NAMES)
    return projects.Owned(count, [row.name for row in rows])


@owned.delete
async def delete_owned(ctx: Ctx, ids: Sequence[str]) -> int:
    rows = (await store.owned(ctx, ids, BATCH))[1]
    await _delete(ctx, {row.id: row.project_id for row in rows})
    return len(rows)
