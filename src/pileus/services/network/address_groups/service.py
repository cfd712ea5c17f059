"""Address groups: what the API and rules of security groups may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.filters import Condition
from pileus.kernel.http import Query
from pileus.services.identity.projects import service as projects
from pileus.services.network.address_groups import store
from pileus.services.network.address_groups.rules import read_addresses
from pileus.services.network.address_groups.store import AddressGroup
from pileus.services.network.grounds import Seen, owned_by, require
from pileus.services.network.hooks import Hook
from pileus.services.network.http import no_such
from pileus.services.network.lists import Found
from pileus.services.network.rbac_policies import service as rbac

__all__ = [
    "KIND",
    "AddressGroup",
    "add_addresses",
    "by_ids",
    "change",
    "count_of",
    "create",
    "delete",
    "delete_of",
    "get",
    "hold",
    "missing",
    "page",
    "read_addresses",
    "remove_addresses",
    "shared_among",
    "users",
    "visible",
    "when_changed",
]

KIND, TYPE = "network.address_group", "address_group"

users: Hook[[Ctx, UUID]] = Hook()
"""Which projects use a group: it is not deleted, nor taken from them, as long."""

when_changed: Hook[[Ctx, UUID]] = Hook()
"""In the transaction in which a group gets other addresses."""

by_ids = store.by_ids
count_of = store.names_of


def shared_with(project_id: str | None) -> list[Condition]:
    return [store.groups.c.id.in_(rbac.objects_for(TYPE, rbac.SHARED, project_id))]


visible = Seen("get_address_group", store.groups.c.project_id, shared_with)


def missing(group_id: object) -> NotFound:
    return no_such("address_group", group_id)


async def get(ctx: Ctx, group_id: UUID) -> AddressGroup:
    """One that the caller may see. Raises NotFound."""
    found = await store.find(ctx, group_id, visible(ctx))
    if found is None:
        raise missing(group_id)
    return found


async def page(ctx: Ctx, query: Query) -> Found[AddressGroup]:
    """Those that the caller may see and the query string asks for. Raises BadRequest."""
    return await store.page(ctx, query, visible(ctx))


async def shared_among(ctx: Ctx, several: Sequence[AddressGroup]) -> set[UUID]:
    """Those of them that are shown as shared."""
    return await rbac.shared_among(ctx, TYPE, [group.id for group in several])


async def hold(ctx: Ctx, group_id: UUID) -> None:
    """Who uses a group in a rule, changes it, and deletes it, come one after the other."""
    await store.hold(ctx, group_id)


async def create(ctx: Ctx, group: AddressGroup) -> AddressGroup:
    ctx.require(owned_by(group.project_id))
    async with ctx.transaction() as ctx:
        await projects.hold(ctx, group.project_id)
        group = replace(group, created_at=ctx.now(), updated_at=ctx.now(), revision=1)
        await store.add(ctx, group)
        await changed(ctx, KIND, "created", group.id, project_id=group.project_id)
    return group


async def change(ctx: Ctx, group_id: UUID, columns: dict[str, Any]) -> AddressGroup:
    """Its name and description. Raises NotFound, Forbidden."""
    async with ctx.transaction() as ctx:
        await _own(ctx, group_id)
        return await _write(ctx, group_id, **columns)


async def add_addresses(ctx: Ctx, group_id: UUID, several: Sequence[str]) -> AddressGroup:
    """Raises NotFound, Forbidden; BadRequest for an address that is in it already."""
    async with ctx.transaction() as ctx:
        group = await _own(ctx, group_id)
        if known := [each for each in several if each in group.addresses]:
            raise BadRequest(
                f"Addresses {known[:10]} already exist in the address group {group_id}.", type="AddressesAlreadyExist"
            )
        return await _write(ctx, group_id, addresses=[*group.addresses, *several])


async def remove_addresses(ctx: Ctx, group_id: UUID, several: Sequence[str]) -> AddressGroup:
    """Raises NotFound, also for an address that is not in it; Forbidden."""
    async with ctx.transaction() as ctx:
        group = await _own(ctx, group_id)
        if unknown := [each for each in several if each not in group.addresses]:
            raise NotFound(
                f"Addresses {unknown[:10]} not found in the address group {group_id}.", type="AddressesNotFound"
            )
        left = [each for each in group.addresses if each not in several]
        return await _write(ctx, group_id, addresses=left)


async def _own(ctx: Ctx, group_id: UUID) -> AddressGroup:
    await hold(ctx, group_id)
    group = await get(ctx, group_id)
    require(ctx, group.project_id, missing(group_id))
    return group


async def _write(ctx: Ctx, group_id: UUID, **columns: Any) -> AddressGroup:
    await store.change(ctx, group_id, **columns)
    if "addresses" in columns:
        await when_changed.run(ctx, group_id)
    group = await get(ctx, group_id)
    await changed(ctx, KIND, "updated", group_id, project_id=group.project_id)
    return group


async def used(ctx: Ctx, group_id: UUID) -> set[str]:
    """The projects with a rule for these addresses."""
    return set().union(*await users.run(ctx, group_id))


async def delete(ctx: Ctx, group_id: UUID) -> None:
    """Raises NotFound, Forbidden; Conflict when a rule names it."""
    async with ctx.transaction() as ctx:
        group = await _own(ctx, group_id)
        if await used(ctx, group_id):
            raise Conflict(
                f"Address group {group_id} is in use on one or more security group rules.", type="AddressGroupInUse"
            )
        await _delete(ctx, group)


async def _delete(ctx: Ctx, group: AddressGroup) -> None:
    await rbac.remove_of(ctx, TYPE, group.id)
    await store.remove(ctx, group.id)
    await changed(ctx, KIND, "deleted", group.id, project_id=group.project_id)


async def delete_of(ctx: Ctx, project_ids: Sequence[str]) -> int:
    """Delete those of these projects that no rule names. Returns how many."""
    gone = 0
    for group in (await by_ids(ctx, await store.ids_of(ctx, project_ids))).values():
        if not await used(ctx, group.id):
            await _delete(ctx, group)
            gone += 1
    return gone


@rbac.shares(TYPE)
async def owner(ctx: Ctx, group_id: UUID) -> str | None:
    found = (await by_ids(ctx, [group_id])).get(group_id)
    return None if found is None else found.project_id


owner.users(used)


@owner.touched
async def touch(ctx: Ctx, group_id: UUID) -> None:
    await store.change(ctx, group_id)
