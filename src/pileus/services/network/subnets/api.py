"""/v2.0/subnets"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType, field

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, Here, Query
from pileus.services.network.addresses import routes_of
from pileus.services.network.http import api, ending, given, links, made, only, project_of, sent, wanted
from pileus.services.network.subnets import service
from pileus.services.network.subnets.rules import MOST_SERVICE_TYPES
from pileus.services.network.subnets.service import New, Subnet
from pileus.services.network.tags import service as tags

Text255 = Annotated[str, Meta(max_length=255)]
Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"] | None


class Pool(Body, frozen=True):
    start: Annotated[str, Meta(max_length=64)]
    end: Annotated[str, Meta(max_length=64)]


class Route(Body, frozen=True):
    destination: Annotated[str, Meta(max_length=64)]
    nexthop: Annotated[str, Meta(max_length=64)]


class SubnetChange(Body, frozen=True):
    name: Text255 | UnsetType = UNSET
    description: Text255 | UnsetType = UNSET
    gateway_ip: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    enable_dhcp: bool | UnsetType = UNSET
    pools: list[Pool] | UnsetType = field(name="allocation_pools", default=UNSET)
    dns: list[str] | UnsetType | None = field(name="dns_nameservers", default=UNSET)
    routes: list[Route] | UnsetType | None = field(name="host_routes", default=UNSET)
    service_types: Annotated[list[Text255], Meta(max_length=MOST_SERVICE_TYPES)] | UnsetType = UNSET
    dns_publish_fixed_ip: bool | UnsetType = UNSET


class SubnetCreate(SubnetChange, frozen=True, kw_only=True):
    network_id: UUID
    ip_version: Literal[4, 6]
    cidr: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    ipv6_ra_mode: Mode | UnsetType = UNSET
    ipv6_address_mode: Mode | UnsetType = UNSET
    project_id: Text255 | UnsetType = UNSET
    tenant_id: Text255 | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET


class SubnetBodies(Body, frozen=True):
    subnet: SubnetCreate | UnsetType = UNSET
    subnets: list[SubnetCreate] | UnsetType = UNSET


async def shown(ctx: Ctx, items: Sequence[Subnet]) -> list[dict[str, Any]]:
    """Subnets as the API shows them."""
    words = await tags.of(ctx, [subnet.id for subnet in items])
    outside = await service.external_among(ctx, items)
    return [document(each, words.get(each.id, ()), external=each.network_id in outside) for each in items]


def document(subnet: Subnet, words: Any, *, external: bool) -> dict[str, Any]:
    return {
        "id": subnet.id,
        "name": subnet.name,
        "network_id": subnet.network_id,
        "ip_version": subnet.ip_version,
        "subnetpool_id": subnet.subnetpool_id,
        "enable_dhcp": subnet.enable_dhcp,
        "ipv6_ra_mode": subnet.ipv6_ra_mode,
        "ipv6_address_mode": subnet.ipv6_address_mode,
        "gateway_ip": subnet.gateway_ip,
        "cidr": subnet.cidr,
        "allocation_pools": [{"start": first, "end": last} for first, last in subnet.pools],
        "host_routes": subnet.routes,
        "dns_nameservers": subnet.dns,
        "service_types": subnet.service_types,
        "dns_publish_fixed_ip": subnet.dns_publish_fixed_ip,
        "router:external": external,
        **ending(subnet, words),
    }


def read(body: SubnetChange) -> dict[str, Any]:
    """What a body says, by the names of `Subnet`. Raises BadRequest."""
    fields = given(body)
    if isinstance(body.pools, list):
        fields["pools"] = [(pool.start, pool.end) for pool in body.pools]
    if "dns" in fields:
        fields["dns"] = fields["dns"] or []
    if "routes" in fields:
        fields["routes"] = routes_of(fields["routes"] or [])
    return fields


def asked(ctx: Ctx, body: SubnetCreate) -> New:
    """What a body asks for. Raises BadRequest."""
    fields = read(body)
    project_id = project_of(ctx, fields.pop("project_id", UNSET), fields.pop("tenant_id", UNSET))
    named = sent(body)
    if body.cidr is None:
        raise BadRequest("Invalid input for cidr. Reason: 'None' is not a valid IP subnet.")
    return New(project_id=project_id, gateway_named="gateway_ip" in named, named=named, **fields)


@api.post("/v2.0/subnets", rule="create_subnet", status=201, lax=True)
async def create_subnets(ctx: Ctx, body: SubnetBodies) -> dict[str, Any]:
    bodies = wanted(body.subnet, body.subnets, "subnet")
    subnets = await service.create(ctx, [asked(ctx, each) for each in bodies])
    return made(body.subnet, "subnet", "subnets", await shown(ctx, subnets))


@api.get("/v2.0/subnets", rule="get_subnet")
async def list_subnets(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    found = await service.page(ctx, query)
    documents = await shown(ctx, found.items)
    return {"subnets": [only(query, each) for each in documents], **links(here, "subnets", found)}


@api.get("/v2.0/subnets/{subnet_id}", rule="get_subnet", wrap="subnet")
async def show_subnet(ctx: Ctx, subnet_id: UUID, query: Query) -> dict[str, Any]:
    (found,) = await shown(ctx, [await service.get(ctx, subnet_id)])
    return only(query, found)


@api.put("/v2.0/subnets/{subnet_id}", rule="update_subnet", wrap="subnet", lax=True)
async def change_subnet(ctx: Ctx, subnet_id: UUID, body: SubnetChange) -> dict[str, Any]:
    (found,) = await shown(ctx, [await service.change(ctx, subnet_id, read(body), sent(body))])
    return found


@api.delete("/v2.0/subnets/{subnet_id}", rule="delete_subnet", status=204)
async def delete_subnet(ctx: Ctx, subnet_id: UUID) -> None:
    await service.delete(ctx, subnet_id)
