"""/v2.0/networks"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType, field

from pileus.kernel.context import Ctx
from pileus.kernel.http import Body, Here, Query
from pileus.services.network import zones
from pileus.services.network.http import api, ending, given, hidden, links, made, only, project_of, sent, wanted
from pileus.services.network.lists import Found
from pileus.services.network.networks import service
from pileus.services.network.networks.service import Network, New
from pileus.services.network.subnets import service as subnets
from pileus.services.network.tags import service as tags

Text255 = Annotated[str, Meta(max_length=255)]
PROVIDER = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")


class NetworkChange(Body, frozen=True):
    name: Text255 | UnsetType = UNSET
    description: Text255 | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    external: bool | UnsetType = field(name="router:external", default=UNSET)
    is_default: bool | UnsetType = UNSET
    port_security: bool | UnsetType = field(name="port_security_enabled", default=UNSET)
    mtu: Annotated[int, Meta(ge=0, le=65_535)] | UnsetType = UNSET
    dns_domain: Text255 | UnsetType = UNSET
    network_type: Annotated[str, Meta(max_length=32)] | UnsetType | None = field(
        name="provider:network_type", default=UNSET
    )
    physical_network: Annotated[str, Meta(max_length=64)] | UnsetType | None = field(
        name="provider:physical_network", default=UNSET
    )
    segmentation_id: int | UnsetType | None = field(name="provider:segmentation_id", default=UNSET)
    qos_policy_id: UnsetType | None = UNSET


class NetworkCreate(NetworkChange, frozen=True):
    project_id: Text255 | UnsetType = UNSET
    tenant_id: Text255 | UnsetType = UNSET
    availability_zone_hints: list[str] | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    vlan_transparent: bool | UnsetType | None = UNSET


class NetworkBodies(Body, frozen=True):
    network: NetworkCreate | UnsetType = UNSET
    networks: list[NetworkCreate] | UnsetType = UNSET


async def shown(ctx: Ctx, items: Sequence[Network]) -> list[dict[str, Any]]:
    """Networks as the API shows them, with what the caller may see of each."""
    ids = [network.id for network in items]
    async with ctx.read() as reading:
        words, below = await tags.of(reading, ids), await subnets.ids_of(reading, ids)
    return [document(ctx, each, words.get(each.id, ()), below.get(each.id, [])) for each in items]


def document(ctx: Ctx, network: Network, words: Any, subnet_ids: Sequence[UUID]) -> dict[str, Any]:
    whole = {
        "id": network.id,
        "name": network.name,
        "admin_state_up": network.admin_state_up,
        "status": network.status,
        "subnets": subnet_ids,
        "shared": network.shared,
        "router:external": network.external,
        "mtu": network.mtu,
        "port_security_enabled": network.port_security,
        "availability_zone_hints": [],
        "availability_zones": [zones.DEFAULT],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "dns_domain": network.dns_domain,
        "qos_policy_id": None,
        "provider:network_type": network.network_type,
        "provider:physical_network": network.physical_network,
        "provider:segmentation_id": network.segmentation_id,
        **({"is_default": network.is_default} if network.external else {}),
        **ending(network, words),
    }
    for name in hidden(ctx, "get_network", service.target(network), PROVIDER):
        del whole[name]
    return whole


def asked(ctx: Ctx, body: NetworkCreate) -> New:
    """What a body asks for. Raises BadRequest."""
    fields = given(body)
    project_id = project_of(ctx, fields.pop("project_id", UNSET), fields.pop("tenant_id", UNSET))
    zones.check(fields.pop("availability_zone_hints", []))
    for name in ("qos_policy_id", "vlan_transparent"):
        fields.pop(name, None)
    return New(project_id=project_id, named=sent(body), **fields)


@api.post("/v2.0/networks", rule="create_network", status=201, lax=True)
async def create_networks(ctx: Ctx, body: NetworkBodies) -> dict[str, Any]:
    bodies = wanted(body.network, body.networks, "network")
    networks = await service.create(ctx, [asked(ctx, each) for each in bodies])
    documents = [document(ctx, each, one.tags or (), ()) for one, each in zip(bodies, networks, strict=True)]
    return made(body.network, "network", "networks", documents)


@api.get("/v2.0/networks", rule="get_network")
async def list_networks(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    found: Found[Network] = await service.page(ctx, query)
    documents = await shown(ctx, found.items)
    return {"networks": [only(query, each) for each in documents], **links(here, "networks", found)}


@api.get("/v2.0/networks/{network_id}", rule="get_network", wrap="network")
async def show_network(ctx: Ctx, network_id: UUID, query: Query) -> dict[str, Any]:
    (document,) = await shown(ctx, [await service.get(ctx, network_id)])
    return only(query, document)


@api.put("/v2.0/networks/{network_id}", rule="update_network", wrap="network", lax=True)
async def change_network(ctx: Ctx, network_id: UUID, body: NetworkChange) -> dict[str, Any]:
    changes = given(body)
    changes.pop("qos_policy_id", None)
    (document,) = await shown(ctx, [await service.change(ctx, network_id, changes, sent(body))])
    return document


@api.delete("/v2.0/networks/{network_id}", rule="delete_network", status=204)
async def delete_network(ctx: Ctx, network_id: UUID) -> None:
    await service.delete(ctx, network_id)
