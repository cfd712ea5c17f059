"""Groups and their members: what the rest of Identity may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.http import Query
from pileus.services.identity.groups import store
from pileus.services.identity.groups.store import Group
from pileus.services.identity.lists import Found
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revocations import service as revocations
from pileus.services.identity.users import service as users
from pileus.services.identity.users.service import User

__all__ = [
    "Group",
    "by_ids",
    "change",
    "create",
    "delete",
    "get",
    "ids_of",
    "join",
    "leave",
    "member",
    "members",
    "members_of",
    "on_delete",
    "page",
    "refuse_members",
]

GROUP = "identity.group"

_deleted: list[Callable[[Ctx, str], Awaitable[None]]] = []

ids_of = store.ids_of
"""The SELECT of the ids of a user's groups, for an `IN (...)`."""


def on_delete(call: Callable[[Ctx, str], Awaitable[None]]) -> Callable[[Ctx, str], Awaitable[None]]:
    """Call this with the id of a group, in the transaction that deletes it, while its members are there still."""
    _deleted.append(call)
    return call


async def get(ctx: Ctx, group_id: str) -> Group:
    """The group of that id. Raises NotFound."""
    found = (await store.by_ids(ctx, [group_id])).get(group_id)
    if found is None:
        raise NotFound(f"Could not find group: {group_id}.")
    return found


async def by_ids(ctx: Ctx, ids: Collection[str]) -> dict[str, Group]:
    """Those of them that are there."""
    return await store.by_ids(ctx, sorted(ids))


async def page(ctx: Ctx, query: Query, *, domain_id: str | None, user_id: str | None = None) -> Found[Group]:
    """The groups that the query string asks for, of one domain or of all (None); those of a user, if one is said."""
    return await store.page(ctx, query, domain_id, user_id)


async def create(ctx: Ctx, name: str, domain_id: str, *, facts: Mapping[str, Any]) -> Group:
    """A group without members. `facts`: description, extra. Raises NotFound, Conflict."""
    group = Group(
        id=ctx.world.ids.hex(),
        name=name.strip(),
        domain_id=domain_id,
        description=facts.get("description", ""),
        extra=facts.get("extra") or {},
    )
    async with revision.change(ctx) as ctx:
        await projects.get(ctx, domain_id, domain=True)
        await _check_name(ctx, group)
        await store.add(ctx, group)
        await changed(ctx, GROUP, "created", group.id, project_id=None)
    return group


async def _check_name(ctx: Ctx, group: Group) -> None:
    same = await store.named(ctx, group.name, group.domain_id)
    if same is not None and same.id != group.id:
        raise Conflict(
            "Conflict occurred attempting to store group - Duplicate entry found with name "
            f"{group.name} at domain ID {group.domain_id}."
        )


async def change(ctx: Ctx, group_id: str, wanted: Mapping[str, Any]) -> Group:
    """Write these columns. Raises NotFound, BadRequest, Conflict."""
    async with revision.change(ctx) as ctx:
        before = await get(ctx, group_id)
        after = msgspec.structs.replace(before, **wanted)
        if after.domain_id != before.domain_id:
            raise BadRequest("Cannot change Domain ID")
        await _check_name(ctx, after)
        if wanted:
            await store.change(ctx, group_id, **wanted)
        await changed(ctx, GROUP, "updated", group_id, project_id=None)
    return after


async def delete(ctx: Ctx, group_id: str) -> None:
    """Delete a group and what was granted to it; nobody has it from the next request on. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        await get(ctx, group_id)
        await _forget(ctx, group_id)


async def _forget(ctx: Ctx, group_id: str) -> None:
    for call in _deleted:
        await call(ctx, group_id)
    await store.delete(ctx, group_id)
    await changed(ctx, GROUP, "deleted", group_id, project_id=None)


async def members(ctx: Ctx, query: Query, group_id: str, *, domain_id: str | None) -> Found[User]:
    """The users in a group that the query string asks for, of one domain or of all (None). Raises BadRequest."""
    return await users.page(ctx, query, domain_id=domain_id, among=store.member_ids(group_id))


async def member(ctx: Ctx, group_id: str, user_id: str) -> None:
    """Raises NotFound when the user is not in the group."""
    if not await store.is_member(ctx, group_id, user_id):
        raise _no_member(group_id, user_id)


def _no_member(group_id: str, user_id: str) -> NotFound:
    return NotFound(f"User '{user_id}' not found in group '{group_id}'.")


async def join(ctx: Ctx, group_id: str, user_id: str) -> None:
    """Put a user into a group: from the next request on it has the group's roles. May be said twice. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        await get(ctx, group_id)
        await users.get(ctx, user_id)
        if not await store.is_member(ctx, group_id, user_id):
            await store.join(ctx, group_id, user_id)
        await changed(ctx, GROUP, "updated", group_id, project_id=None, facts={"user_id": user_id})


async def leave(ctx: Ctx, group_id: str, user_id: str) -> None:
    """Take a user out of a group, and refuse all tokens that it has. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        if not await store.leave(ctx, group_id, user_id):
            raise _no_member(group_id, user_id)
        await revocations.add(ctx, user_id=user_id)
        await changed(ctx, GROUP, "updated", group_id, project_id=None, facts={"user_id": user_id})


async def members_of(ctx: Ctx, ids: Collection[str]) -> dict[str, list[str]]:
    """The ids of the members of each of these groups that has any."""
    found: dict[str, list[str]] = {}
    for group_id, user_id in await store.members_of(ctx, sorted(ids)):
        found.setdefault(group_id, []).append(user_id)
    return found


async def refuse_members(ctx: Ctx, group_id: str) -> None:
    """Refuse all tokens that the members of a group have. Inside of a change."""
    await revocations.add_users(ctx, [user_id for _, user_id in await store.members_of(ctx, [group_id])])


@projects.on_delete_domain
async def forget_domain(ctx: Ctx, domain_id: str) -> None:
    for group_id in await store.ids_in(ctx, domain_id):
        await _forget(ctx, group_id)
