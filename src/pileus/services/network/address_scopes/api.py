"""/v2.0/address-scopes: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Body, Here, Query
from pileus.services.network.address_scopes import service
from pileus.services.network.address_scopes.service import AddressScope
from pileus.services.network.http import api, listed, only, owned, project_of

ALL, ONE = "/v2.0/address-scopes", "/v2.0/address-scopes/{address_scope_id}"

Name = Annotated[str, Meta(max_length=255)]


class NewScope(Body, frozen=True):
    ip_version: Literal[4, 6]
    name: Name = ""
    shared: bool = False
    project_id: Name | UnsetType = UNSET
    tenant_id: Name | UnsetType = UNSET


class Change(Body, frozen=True):
    name: Name | UnsetType = UNSET
    shared: bool | UnsetType = UNSET


def shown(scope: AddressScope, *, shared: bool) -> dict[str, Any]:
    return {
        "id": scope.id,
        "name": scope.name,
        "ip_version": scope.ip_version,
        "shared": shared,
        **owned(scope.project_id),
    }


async def whole(ctx: Ctx, scope: AddressScope) -> dict[str, Any]:
    return shown(scope, shared=bool(await service.shared_among(ctx, [scope])))


@api.post(ALL, rule="create_address_scope", status=201, wrap="address_scope", lax=True)
async def create_scope(ctx: Ctx, body: NewScope) -> dict[str, Any]:
    scope = AddressScope(
        id=ctx.world.ids.uuid(),
        project_id=project_of(ctx, body.project_id, body.tenant_id),
        name=body.name,
        ip_version=body.ip_version,
    )
    return shown(await service.create(ctx, scope, shared=body.shared), shared=body.shared)


@api.get(ALL, rule="get_address_scope")
async def list_scopes(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    async with ctx.read() as ctx:
        found = await service.page(ctx, query)
        shared = await service.shared_among(ctx, found.items)
    return listed(here, query, "address_scopes", found, lambda scope: shown(scope, shared=scope.id in shared))


@api.get(ONE, rule="get_address_scope", wrap="address_scope")
async def show_scope(ctx: Ctx, address_scope_id: UUID, query: Query) -> dict[str, Any]:
    return only(query, await whole(ctx, await service.get(ctx, address_scope_id)))


@api.put(ONE, rule="update_address_scope", wrap="address_scope", lax=True)
async def change_scope(ctx: Ctx, address_scope_id: UUID, body: Change) -> dict[str, Any]:
    columns = {} if isinstance(body.name, UnsetType) else {"name": body.name}
    shared = None if isinstance(body.shared, UnsetType) else body.shared
    return await whole(ctx, await service.change(ctx, address_scope_id, columns, shared=shared))


@api.delete(ONE, rule="delete_address_scope", status=204)
async def delete_scope(ctx: Ctx, address_scope_id: UUID) -> None:
    await service.delete(ctx, address_scope_id)
