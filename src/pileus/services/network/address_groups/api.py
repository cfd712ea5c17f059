"""/v2.0/address-groups: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType, field

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, Here, Query
from pileus.services.network.address_groups import service
from pileus.services.network.address_groups.service import AddressGroup
from pileus.services.network.http import api, given, listed, only, owned, project_of, stamped

ALL, ONE = "/v2.0/address-groups", "/v2.0/address-groups/{address_group_id}"

Name = Annotated[str, Meta(max_length=255)]
Addresses = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=1000)]


class NewGroup(Body, frozen=True):
    name: Name = ""
    description: Annotated[str, Meta(max_length=1024)] = ""
    addresses: Addresses = field(default_factory=list)
    project_id: Name | UnsetType = UNSET
    tenant_id: Name | UnsetType = UNSET


class Change(Body, frozen=True):
    name: Name | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=1024)] | UnsetType = UNSET


class Some(Body, frozen=True):
    addresses: Addresses


class SomeOf(Body, frozen=True):
    """Addresses, as Neutron reads them: bare, or as those of a group."""

    addresses: Addresses | UnsetType = UNSET
    address_group: Some | UnsetType = UNSET


def addresses_of(body: SomeOf) -> list[str]:
    """Raises BadRequest."""
    found = body.addresses if isinstance(body.address_group, UnsetType) else body.address_group.addresses
    if isinstance(found, UnsetType):
        raise BadRequest("Unable to find 'addresses' in request body")
    return service.read_addresses(found)


def shown(group: AddressGroup, *, shared: bool) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "addresses": group.addresses,
        "shared": shared,
        "created_at": stamped(group.created_at),
        "updated_at": stamped(group.updated_at),
        "revision_number": group.revision,
        **owned(group.project_id),
    }


async def whole(ctx: Ctx, group: AddressGroup) -> dict[str, Any]:
    return shown(group, shared=bool(await service.shared_among(ctx, [group])))


@api.post(ALL, rule="create_address_group", status=201, wrap="address_group")
async def create_group(ctx: Ctx, body: NewGroup) -> dict[str, Any]:
    group = AddressGroup(
        id=ctx.world.ids.uuid(),
        project_id=project_of(ctx, body.project_id, body.tenant_id),
        name=body.name,
        description=body.description,
        addresses=service.read_addresses(body.addresses),
    )
    return shown(await service.create(ctx, group), shared=False)


@api.get(ALL, rule="get_address_group")
async def list_groups(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    async with ctx.read() as ctx:
        found = await service.page(ctx, query)
        shared = await service.shared_among(ctx, found.items)
    return listed(here, query, "address_groups", found, lambda group: shown(group, shared=group.id in shared))


@api.get(ONE, rule="get_address_group", wrap="address_group")
async def show_group(ctx: Ctx, address_group_id: UUID, query: Query) -> dict[str, Any]:
    return only(query, await whole(ctx, await service.get(ctx, address_group_id)))


@api.put(ONE, rule="update_address_group", wrap="address_group")
async def change_group(ctx: Ctx, address_group_id: UUID, body: Change) -> dict[str, Any]:
    return await whole(ctx, await service.change(ctx, address_group_id, given(body)))


@api.put(f"{ONE}/add_addresses", rule="add_addresses", wrap="address_group", wrap_body="")
async def add_addresses(ctx: Ctx, address_group_id: UUID, body: SomeOf) -> dict[str, Any]:
    await service.get(ctx, address_group_id)
    return await whole(ctx, await service.add_addresses(ctx, address_group_id, addresses_of(body)))


@api.put(f"{ONE}/remove_addresses", rule="remove_addresses", wrap="address_group", wrap_body="")
async def remove_addresses(ctx: Ctx, address_group_id: UUID, body: SomeOf) -> dict[str, Any]:
    await service.get(ctx, address_group_id)
    return await whole(ctx, await service.remove_addresses(ctx, address_group_id, addresses_of(body)))


@api.delete(ONE, rule="delete_address_group", status=204)
async def delete_group(ctx: Ctx, address_group_id: UUID) -> None:
    await service.delete(ctx, address_group_id)
