"""Subnets: what the API and other nouns may ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.engines.overlay import Dhcp, Route
from pileus.kernel.changes import changed, changed_each
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict
from pileus.kernel.http import Query
from pileus.kernel.http.queries import boolean
from pileus.kernel.quota import claim
from pileus.services.identity.projects import service as projects
from pileus.services.network.addresses import Block, read_block
from pileus.services.network.grounds import Seen
from pileus.services.network.hooks import Hook
from pileus.services.network.http import no_such, require
from pileus.services.network.lists import Condition, Found
from pileus.services.network.networks import service as networks
from pileus.services.network.networks.service import Network
from pileus.services.network.quotas import SUBNETS, counted
from pileus.services.network.subnets import rules, store
from pileus.services.network.subnets.store import Subnet, by_ids, count_of, every_id, names_of, of_networks
from pileus.services.network.tags import service as tags
from pileus.services.network.tags.service import Taggable

__all__ = [
    "KIND",
    "TAGGED",
    "New",
    "Subnet",
    "by_ids",
    "change",
    "changing",
    "count_of",
    "create",
    "delete",
    "delete_of",
    "every_id",
    "external_among",
    "get",
    "going",
    "hold_of",
    "ids_of",
    "made",
    "names_of",
    "of_networks",
    "page",
    "touch",
]

KIND = "network.subnet"
EXTERNAL = "router:external"

made: Hook[[Ctx, Network, Subnet]] = Hook()
"""In the transaction in which a subnet was made."""

changing: Hook[[Ctx, Subnet, Subnet]] = Hook()
"""In the transaction that changes one: (as it was, as it shall be). May refuse."""

going: Hook[[Ctx, Subnet]] = Hook()
"""In the transaction in which one goes: refuses while it is used, and takes along what goes with it."""


class New(msgspec.Struct, frozen=True, kw_only=True):
    """A subnet that is asked for. `gateway_named`: whether one was, be it null. `named`: the attributes that were."""

    project_id: str
    network_id: UUID
    ip_version: int
    cidr: str | None = None
    name: str = ""
    description: str = ""
    gateway_ip: str | None = None
    gateway_named: bool = False
    enable_dhcp: bool = True
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    pools: Sequence[tuple[str, str]] | None = None
    dns: Sequence[str] = ()
    routes: Sequence[dict[str, str]] = ()
    service_types: Sequence[str] = ()
    dns_publish_fixed_ip: bool = False
    tags: Collection[str] = ()
    named: frozenset[str] = frozenset()


def target(subnet_project: str, network: Network) -> dict[str, Any]:
    """A subnet as policies are asked about it."""
    return {
        "project_id": subnet_project,
        "network:project_id": network.project_id,
        "shared": network.shared,
        "router:external": network.external,
    }


def _of_networks_seen(project_id: str | None, seen: Condition) -> list[Condition]:
    return [store.subnets.c.network_id.in_(networks.ids_seen(seen))]


SEEN = Seen("get_subnet", store.subnets.c.project_id, _of_networks_seen)


def visible(ctx: Ctx) -> Condition:
    """Which rows the caller may see: the own, and those of networks that are the own, shared or external."""
    return SEEN(ctx, networks.visible(ctx))


async def get(ctx: Ctx, subnet_id: UUID) -> Subnet:
    """One that the caller may see. Raises NotFound."""
    found = await store.find(ctx, subnet_id, visible(ctx))
    if found is None:
        raise no_such("subnet", subnet_id)
    return found


async def page(ctx: Ctx, query: Query) -> Found[Subnet]:
    """Those that the caller may see and the query string asks for. Raises BadRequest."""
    asked = {name: values for name, values in query.items() if name != EXTERNAL}
    ways = {boolean(EXTERNAL, value) for value in query.get(EXTERNAL, ())}
    outside = store.subnets.c.network_id.in_(networks.ids_outside())
    narrowed = [sa.or_(*(outside if way else ~outside for way in sorted(ways)))] if ways else []
    return await store.page(ctx, asked, visible(ctx), *narrowed)


async def external_among(ctx: Ctx, several: Sequence[Subnet]) -> set[UUID]:
    """Which of the networks of these lead out."""
    known = await networks.by_ids(ctx, {subnet.network_id for subnet in several})
    return {id_ for id_, network in known.items() if network.external}


async def create(ctx: Ctx, wanted: Sequence[New]) -> list[Subnet]:
    """Make all of them, or none. Raises BadRequest, NotFound, Forbidden, Conflict, OverQuota."""
    async with ctx.transaction() as ctx:
        on = await networks.seen(ctx, [new.network_id for new in wanted])
        for new in wanted:
            require(ctx, "create_subnet", target(new.project_id, on[new.network_id]), new.named)
        for project_id in sorted({new.project_id for new in wanted}):
            await projects.hold(ctx, project_id)
            many = sum(new.project_id == project_id for new in wanted)
            await claim(ctx, SUBNETS, project_id, wanted=many, used=count_of)
        on = await networks.hold(ctx, on, "mine")
        there = {id_: [each.block for each in found] for id_, found in (await of_networks(ctx, on)).items()}
        subnets = [_row(ctx, new, there.setdefault(new.network_id, [])) for new in wanted]
        await store.add(ctx, subnets)
        await tags.put(ctx, {subnet.id: new.tags for subnet, new in zip(subnets, wanted, strict=True)})
        for subnet in sorted(subnets, key=lambda subnet: subnet.id):  # as locks are taken
            await made.run(ctx, on[subnet.network_id], subnet)
        await networks.want(ctx, on)
        await changed_each(ctx, KIND, "created", {str(subnet.id): subnet.project_id for subnet in subnets})
    return subnets


def _row(ctx: Ctx, new: New, there: list[Block]) -> Subnet:
    """The row. Its addresses are added to those that are `there`."""
    if new.cidr is None:
        raise BadRequest(
            "Bad subnets request: a subnetpool must be specified in the absence of a cidr.", type="BadSubnetRequest"
        )
    block = read_block(new.cidr, "cidr")
    rules.check_block(block, new.ip_version)
    rules.check_modes(new.ip_version, block, new.ipv6_ra_mode, new.ipv6_address_mode, dhcp=new.enable_dhcp)
    rules.check_overlap(block, there, new.network_id)
    there.append(block)
    gateway = rules.gateway_of(block, new.gateway_ip, named=new.gateway_named)
    rules.check_routes(len(new.routes))
    return Subnet(
        id=ctx.world.ids.uuid(),
        project_id=new.project_id,
        name=new.name,
        description=new.description,
        revision=1,
        created_at=ctx.now(),
        updated_at=ctx.now(),
        network_id=new.network_id,
        ip_version=new.ip_version,
        cidr=str(block),
        gateway_ip=gateway,
        enable_dhcp=new.enable_dhcp,
        ipv6_ra_mode=new.ipv6_ra_mode,
        ipv6_address_mode=new.ipv6_address_mode,
        pools=rules.pools_of(block, new.pools, gateway),
        dns=rules.nameservers_of(new.dns),
        routes=list(new.routes),
        service_types=list(new.service_types),
        dns_publish_fixed_ip=new.dns_publish_fixed_ip,
    )


async def change(ctx: Ctx, subnet_id: UUID, changes: Mapping[str, Any], named: Collection[str]) -> Subnet:
    """Change what `changes` says, by the names of `Subnet`. Raises NotFound, BadRequest, Forbidden, Conflict."""
    async with ctx.transaction() as ctx:
        before, network = await _held(ctx, subnet_id)
        require(ctx, "update_subnet", target(before.project_id, network), named)
        changes = dict(changes)
        block = before.block
        if "gateway_ip" in changes:
            changes["gateway_ip"] = rules.gateway_of(block, changes["gateway_ip"], named=True)
        if "pools" in changes or "gateway_ip" in changes:
            asked = changes.get("pools", [tuple(pool) for pool in before.pools])
            changes["pools"] = rules.pools_of(block, asked, changes.get("gateway_ip", before.gateway_ip))
        if "dns" in changes:
            changes["dns"] = rules.nameservers_of(changes["dns"])
        rules.check_routes(len(changes.get("routes", ())))
        after = msgspec.structs.replace(before, **changes)
        modes = (after.ipv6_ra_mode, after.ipv6_address_mode)
        rules.check_modes(after.ip_version, block, *modes, dhcp=after.enable_dhcp)
        await changing.run(ctx, before, after)
        await store.change(ctx, subnet_id, **changes)
        await touch(ctx, subnet_id)
        await networks.want(ctx, [before.network_id])
        return await get(ctx, subnet_id)


async def delete(ctx: Ctx, subnet_id: UUID) -> None:
    """Raises NotFound, Forbidden, Conflict while a port has an address of it."""
    async with ctx.transaction() as ctx:
        subnet, network = await _held(ctx, subnet_id)
        require(ctx, "delete_subnet", target(subnet.project_id, network))
        await _remove(ctx, subnet)
        await networks.want(ctx, [subnet.network_id])


async def _held(ctx: Ctx, subnet_id: UUID) -> tuple[Subnet, Network]:
    """One that the caller may see, which nobody else changes now, and its network."""
    subnet = await get(ctx, subnet_id)
    await ctx.lock("subnet", subnet_id)
    network = await networks.held(ctx, subnet.network_id)
    return await get(ctx, subnet_id), network


async def _remove(ctx: Ctx, subnet: Subnet) -> None:
    await going.run(ctx, subnet)
    await tags.forget(ctx, [subnet.id])
    await store.remove(ctx, [subnet.id])
    await changed(ctx, KIND, "deleted", subnet.id, project_id=subnet.project_id)


# For other nouns


async def ids_of(ctx: Ctx, network_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """The ids of the subnets of each network."""
    return {id_: [subnet.id for subnet in found] for id_, found in (await of_networks(ctx, network_ids)).items()}


async def hold_of(ctx: Ctx, network_ids: Collection[UUID]) -> None:
    """In the open transaction, for who takes addresses of several networks one by one: all their subnets, in order."""
    if len(network_ids) > 1:
        for subnet_id in sorted(id_ for found in (await ids_of(ctx, network_ids)).values() for id_ in found):
            await ctx.lock("subnet", subnet_id)


async def touch(ctx: Ctx, subnet_id: UUID) -> None:
    """In the open transaction: its revision goes up, and it is told of."""
    await store.touch(ctx, subnet_id)
    found = await store.find(ctx, subnet_id)
    if found is not None:
        await changed(ctx, KIND, "updated", subnet_id, project_id=found.project_id)


async def _tagged(ctx: Ctx, subnet_id: UUID) -> dict[str, Any]:
    subnet = await get(ctx, subnet_id)
    return target(subnet.project_id, (await networks.by_ids(ctx, [subnet.network_id]))[subnet.network_id])


TAGGED = Taggable("subnets", "subnet", _tagged, touch)


@networks.parts
async def told(ctx: Ctx, network: Network) -> dict[str, Any]:
    """What the overlay tells the ports of a network."""
    return {"subnets": tuple(dhcp(each) for each in (await of_networks(ctx, [network.id])).get(network.id, []))}


def dhcp(subnet: Subnet) -> Dhcp:
    return Dhcp(
        id=subnet.id,
        cidr=subnet.cidr,
        gateway=subnet.gateway_ip,
        dns=tuple(subnet.dns),
        routes=tuple(Route(**each) for each in subnet.routes),
        ipv6_address_mode=subnet.ipv6_address_mode,
        ipv6_ra_mode=subnet.ipv6_ra_mode,
        enabled=subnet.enable_dhcp,
    )


@networks.going
async def go_with_it(ctx: Ctx, network: Network) -> None:
    """The subnets of a network go with it, once nothing uses them."""
    for subnet in (await of_networks(ctx, [network.id])).get(network.id, []):
        await ctx.lock("subnet", subnet.id)
        await _remove(ctx, subnet)


async def delete_of(ctx: Ctx, project_ids: Sequence[str], *, most: int = 100) -> int:
    """Delete some of these projects' that nothing uses any more. Returns how many."""
    taken = 0
    for subnet in await store.of_projects(ctx, project_ids, most):
        await ctx.lock("subnet", subnet.id)
        try:
            await _remove(ctx, subnet)
        except Conflict:
            continue
        await networks.want(ctx, [subnet.network_id])
        taken += 1
    return taken


counted(SUBNETS, count_of)
