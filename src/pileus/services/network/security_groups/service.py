"""Security groups: what the API, ports and the services above may ask for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.kernel.filters import Condition
from pileus.kernel.http import Query
from pileus.kernel.http.queries import boolean
from pileus.kernel.quota import Claim, claim_all
from pileus.services.identity.projects import service as projects
from pileus.services.network.grounds import is_admin, owned_by, require
from pileus.services.network.lists import Found, last
from pileus.services.network.quotas import SECURITY_GROUP_RULES, SECURITY_GROUPS, counted
from pileus.services.network.rbac_policies import service as rbac
from pileus.services.network.security_group_rules import service as rules
from pileus.services.network.security_group_rules.service import Rule
from pileus.services.network.security_groups import sagas, store
from pileus.services.network.security_groups.found import KIND, TYPE, get, hold, missing, shared_with, touch, visible
from pileus.services.network.security_groups.making import DEFAULT, add, ensure_default, rules_of_new
from pileus.services.network.security_groups.members import is_used, names_of, users
from pileus.services.network.security_groups.ruling import Ruled, add_rules, delete_rule, get_rule, page_of_rules
from pileus.services.network.security_groups.store import SecurityGroup, every_project
from pileus.services.network.tags import service as tags
from pileus.services.network.tags.service import Taggable


class Whole(msgspec.Struct, frozen=True):
    """A group with all that is shown of it."""

    group: SecurityGroup
    rules: list[Rule]
    tags: set[str]
    shared: bool


async def by_ids(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, SecurityGroup]:
    """Those of them that the caller may see."""
    return await store.by_ids(ctx, ids, visible(ctx))


async def whole(ctx: Ctx, several: Sequence[SecurityGroup]) -> list[Whole]:
    """These groups with all that is shown of them."""
    ids = [group.id for group in several]
    async with ctx.read() as ctx:
        its, words = await rules.of_groups(ctx, ids), await tags.of(ctx, ids)
        shared = await rbac.shared_among(ctx, TYPE, ids)
    return [Whole(each, its[each.id], words.get(each.id, set()), each.id in shared) for each in several]


async def show(ctx: Ctx, group_id: UUID) -> Whole:
    """Raises NotFound."""
    async with ctx.read() as ctx:
        return (await whole(ctx, [await get(ctx, group_id)]))[0]


async def page(ctx: Ctx, query: Query) -> Found[Whole]:
    """Those that the caller may see and the query string asks for. The project's default one is made if it has none.

    Raises BadRequest.
    """
    asked = {name: values for name, values in query.items() if name != "shared"}
    project_id = last(query, "project_id") or last(query, "tenant_id") or ctx.caller.project_id
    if project_id and (project_id == ctx.caller.project_id or (is_admin(ctx) and await projects.find(ctx, project_id))):
        await ensure_default(ctx, project_id)
    async with ctx.read() as ctx:
        found = await store.page(ctx, asked, visible(ctx), *_as_shared(ctx, query.get("shared", ())))
        return Found(await whole(ctx, found.items), found.page, found.limited)


def _as_shared(ctx: Ctx, values: Sequence[str]) -> list[Condition]:
    """What `shared=True` and `shared=False` choose."""
    shared = shared_with(ctx.caller.project_id)
    ways = {boolean("shared", value) for value in values}
    return [sa.or_(*(shared if way else ~shared for way in sorted(ways)))] if ways else []


# Making, changing, deleting


async def create(ctx: Ctx, several: Sequence[SecurityGroup]) -> list[Whole]:
    """Groups with the rules that new ones begin with, all or none. Whoever had no default one gets it, too.

    Raises Forbidden; Conflict for the name of the default one; OverQuota.
    """
    async with ctx.transaction() as ctx:
        for project_id in sorted({group.project_id for group in several}):
            ctx.require(owned_by(project_id))
            mine = [group for group in several if group.project_id == project_id]
            claims = [
                Claim(SECURITY_GROUPS, len(mine), store.count_of),
                Claim(SECURITY_GROUP_RULES, len(mine) * len(await rules_of_new(ctx, mine[0])), rules.count_of),
            ]
            await claim_all(ctx, project_id, claims)
            await ensure_default(ctx, project_id)
        for group in several:
            _refuse_default_name(group.name)
        return await whole(ctx, [await add(ctx, group) for group in several])


def _refuse_default_name(name: str) -> None:
    if name.lower() == DEFAULT:
        raise Conflict("Default security group already exists.", type="SecurityGroupDefaultAlreadyExists")


async def change(ctx: Ctx, group_id: UUID, columns: dict[str, Any]) -> Whole:
    """Raises NotFound, Forbidden; Conflict for the name of the default one, and for `stateful` of one in use."""
    async with ctx.transaction() as ctx:
        await hold(ctx, [group_id])
        group = await get(ctx, group_id)
        require(ctx, group.project_id, missing(group_id))
        if group.is_default and "name" in columns:
            raise Conflict("Updating default security group not allowed.", type="SecurityGroupCannotUpdateDefault")
        _refuse_default_name(columns.get("name", ""))
        if columns.get("stateful", group.stateful) != group.stateful and await is_used(ctx, group_id):
            raise in_use(group_id)
        await touch(ctx, group, **columns)
        return await show(ctx, group_id)


def in_use(group_id: UUID) -> Conflict:
    return Conflict(f"Security Group {group_id} in use.", type="SecurityGroupInUse")


async def delete(ctx: Ctx, group_id: UUID) -> None:
    """With its rules, and those that name it. Raises NotFound, Forbidden; Conflict when a port is in it."""
    async with ctx.transaction() as ctx:
        await hold(ctx, [group_id])
        group = await get(ctx, group_id)
        require(ctx, group.project_id, missing(group_id))
        if await is_used(ctx, group_id):
            raise in_use(group_id)
        if group.is_default and not is_admin(ctx):
            raise Conflict(
                "Insufficient rights for removing default security group.", type="SecurityGroupCannotRemoveDefault"
            )
        await _delete(ctx, group)


async def _delete(ctx: Ctx, group: SecurityGroup) -> None:
    for other_id in await rules.naming_group(ctx, group.id):
        if other_id != group.id:
            await store.change(ctx, other_id)
            await sagas.converge_group.want(ctx, other_id)
    await rules.remove_of(ctx, group.id)
    await rbac.remove_of(ctx, TYPE, group.id)
    await tags.forget(ctx, [group.id])
    await store.change(ctx, group.id, deleted=True)
    await sagas.converge_group.want(ctx, group.id)
    await changed(ctx, KIND, "deleted", group.id, project_id=group.project_id)


# Sharing and tags


@rbac.shares(TYPE)
async def owner(ctx: Ctx, group_id: UUID) -> str | None:
    found = await store.find(ctx, group_id)
    return None if found is None else found.project_id


owner.users(users)


@owner.touched
async def bump(ctx: Ctx, group_id: UUID) -> None:
    await store.change(ctx, group_id)


async def target(ctx: Ctx, group_id: UUID) -> dict[str, Any]:
    """What rules about its tags are asked of. Raises NotFound."""
    async with ctx.read() as ctx:
        found = await show(ctx, group_id)
    return {"project_id": found.group.project_id, "shared": found.shared}


TAGGED = Taggable("security-groups", "security_group", target, bump)


# Projects


async def count_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many groups these projects have, and the names of a few."""
    return await store.names_of(ctx, project_ids)


@projects.on_delete
async def go_with_it(ctx: Ctx, project_ids: Sequence[str]) -> None:
    """The default groups of projects go with them."""
    for group in await store.defaults_of(ctx, project_ids):
        await _delete(ctx, group)


async def delete_of(ctx: Ctx, project_ids: Sequence[str]) -> int:
    """Begin to delete those of these projects that no port is in. Returns how many."""
    found = await store.by_ids(ctx, await store.ids_of(ctx, project_ids))
    free = [group for group in found.values() if not await is_used(ctx, group.id)]
    for group in free:
        await _delete(ctx, group)
    return len(free)


__all__ = [
    "KIND",
    "TAGGED",
    "Ruled",
    "SecurityGroup",
    "Whole",
    "add_rules",
    "by_ids",
    "change",
    "count_of",
    "create",
    "delete",
    "delete_of",
    "delete_rule",
    "ensure_default",
    "every_project",
    "get",
    "get_rule",
    "missing",
    "names_of",
    "page",
    "page_of_rules",
    "show",
    "visible",
    "whole",
]


counted(SECURITY_GROUPS, store.count_of)
counted(SECURITY_GROUP_RULES, rules.count_of)
