"""Address scopes: what the API and pools of subnets may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.filters import Condition
from pileus.kernel.http import Query
from pileus.kernel.http.queries import boolean
from pileus.services.identity.projects import service as projects
from pileus.services.network.address_scopes import store
from pileus.services.network.address_scopes.store import AddressScope
from pileus.services.network.grounds import Seen, owned_by, require
from pileus.services.network.hooks import Hook
from pileus.services.network.http import no_such
from pileus.services.network.lists import Found
from pileus.services.network.rbac_policies import service as rbac

__all__ = [
    "KIND",
    "AddressScope",
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
    "shared_among",
    "used",
    "users",
    "visible",
]

KIND, TYPE = "network.address_scope", "address_scope"

users: Hook[[Ctx, UUID]] = Hook()
"""Which projects have something in a scope: it is not deleted, nor taken from them, as long."""

by_ids = store.by_ids
count_of = store.names_of


def shared_with(project_id: str | None) -> list[Condition]:
    return [store.scopes.c.id.in_(rbac.objects_for(TYPE, rbac.SHARED, project_id))]


visible = Seen("get_address_scope", store.scopes.c.project_id, shared_with)


def missing(scope_id: object) -> NotFound:
    return no_such("address_scope", scope_id)


async def get(ctx: Ctx, scope_id: UUID) -> AddressScope:
    """One that the caller may see. Raises NotFound."""
    found = await store.find(ctx, scope_id, visible(ctx))
    if found is None:
        raise missing(scope_id)
    return found


async def page(ctx: Ctx, query: Query) -> Found[AddressScope]:
    """Those that the caller may see and the query string asks for. Raises BadRequest."""
    asked = {name: values for name, values in query.items() if name != "shared"}
    ways = {boolean("shared", value) for value in query.get("shared", ())}
    (shared,) = shared_with(ctx.caller.project_id)
    narrowed = [sa.or_(*(shared if way else ~shared for way in sorted(ways)))] if ways else []
    return await store.page(ctx, asked, visible(ctx), *narrowed)


async def create(ctx: Ctx, scope: AddressScope, *, shared: bool) -> AddressScope:
    """Raises Forbidden for who may not share it with everybody."""
    async with ctx.transaction() as ctx:
        ctx.require(owned_by(scope.project_id))
        if shared:
            ctx.world.policy.check("create_address_scope:shared", ctx.caller, {"project_id": scope.project_id})
        await projects.hold(ctx, scope.project_id)
        await store.add(ctx, scope)
        if shared:
            await rbac.share(ctx, TYPE, scope.id, scope.project_id)
        await changed(ctx, KIND, "created", scope.id, project_id=scope.project_id)
    return scope


async def change(ctx: Ctx, scope_id: UUID, columns: dict[str, Any], *, shared: bool | None) -> AddressScope:
    """`shared` None: as it is. Raises NotFound, Forbidden; BadRequest for one that would no longer be shared."""
    async with ctx.transaction() as ctx:
        scope = await get(ctx, scope_id)
        require(ctx, scope.project_id, missing(scope_id))
        if shared is not None:
            ctx.world.policy.check("update_address_scope:shared", ctx.caller, {"project_id": scope.project_id})
        if shared:
            await rbac.share(ctx, TYPE, scope_id, scope.project_id)
        elif shared is False and await rbac.shared_among(ctx, TYPE, [scope_id]):
            raise BadRequest(
                f"Unable to update address scope {scope_id} : Shared address scope can't be unshared.",
                type="AddressScopeUpdateError",
            )
        if columns:
            await store.change(ctx, scope_id, **columns)
        await changed(ctx, KIND, "updated", scope_id, project_id=scope.project_id)
        return await get(ctx, scope_id)


async def used(ctx: Ctx, scope_id: UUID) -> set[str]:
    """The projects that have something in it."""
    return set().union(*await users.run(ctx, scope_id))


async def delete(ctx: Ctx, scope_id: UUID) -> None:
    """Raises NotFound, Forbidden; Conflict when something is in it."""
    async with ctx.transaction() as ctx:
        await hold(ctx, scope_id)
        scope = await get(ctx, scope_id)
        require(ctx, scope.project_id, missing(scope_id))
        if await used(ctx, scope_id):
            raise Conflict(
                f"Unable to complete operation on address scope {scope_id}. There are one or more subnet pools in use "
                "on the address scope.",
                type="AddressScopeInUse",
            )
        await _delete(ctx, scope)


async def hold(ctx: Ctx, scope_id: UUID) -> None:
    """Who puts something into a scope, and who deletes it, come one after the other."""
    await ctx.lock("network_address_scope", scope_id)


async def _delete(ctx: Ctx, scope: AddressScope) -> None:
    await rbac.remove_of(ctx, TYPE, scope.id)
    await store.remove(ctx, scope.id)
    await changed(ctx, KIND, "deleted", scope.id, project_id=scope.project_id)


async def delete_of(ctx: Ctx, project_ids: Sequence[str]) -> int:
    """Delete those of these projects in which nothing is. Returns how many."""
    gone = 0
    for scope in (await by_ids(ctx, await store.ids_of(ctx, project_ids))).values():
        if not await used(ctx, scope.id):
            await _delete(ctx, scope)
            gone += 1
    return gone


async def shared_among(ctx: Ctx, several: Sequence[AddressScope]) -> set[UUID]:
    """Those of them that are shown as shared."""
    return await rbac.shared_among(ctx, TYPE, [scope.id for scope in several])


@rbac.shares(TYPE)
async def owner(ctx: Ctx, scope_id: UUID) -> str | None:
    found = (await by_ids(ctx, [scope_id])).get(scope_id)
    return None if found is None else found.project_id


owner.users(used)
