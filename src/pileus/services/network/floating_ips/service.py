"""Floating IPs: what the API and the services above may ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http import Query
from pileus.kernel.quota import claim
from pileus.services.identity.projects import service as projects
from pileus.services.network import http
from pileus.services.network.floating_ips import store
from pileus.services.network.floating_ips.inside import FREE, associated
from pileus.services.network.floating_ips.rules import bad_floating_ip
from pileus.services.network.floating_ips.store import FloatingIp, count_of
from pileus.services.network.grounds import Seen, owned_by, require
from pileus.services.network.lists import Found
from pileus.services.network.networks import service as networks
from pileus.services.network.networks.service import Network
from pileus.services.network.ports import service as ports
from pileus.services.network.ports.service import Port, Wish
from pileus.services.network.quotas import FLOATING_IPS, counted
from pileus.services.network.routers import service as routers
from pileus.services.network.routers.service import Standing
from pileus.services.network.subnets import service as subnets
from pileus.services.network.tags import service as tags
from pileus.services.network.tags.service import Taggable

__all__ = [
    "KIND",
    "TAGGED",
    "FloatingIp",
    "New",
    "Whole",
    "change",
    "count_of",
    "create",
    "delete",
    "delete_of",
    "get",
    "names_of",
    "of_ports",
    "on_routers",
    "page",
    "show",
    "whole",
]

KIND, OWNER = "network.floating_ip", "network:floatingip"
names_of = store.names_of
on_routers = store.on_routers


class New(msgspec.Struct, frozen=True, kw_only=True):
    """A floating IP that is asked for. `named`: the attributes that the caller named, each of which may have a rule."""

    project_id: str
    network_id: UUID
    description: str = ""
    subnet_id: UUID | None = None
    address: str | None = None
    port_id: UUID | None = None
    fixed_ip_address: str | None = None
    dns_name: str = ""
    dns_domain: str = ""
    named: frozenset[str] = frozenset()


class Whole(msgspec.Struct, frozen=True):
    """A floating IP with all that is shown of it. `port`: what it stands for."""

    floating_ip: FloatingIp
    port: Port | None
    tags: set[str]


visible = Seen("get_floatingip", store.floating_ips.c.project_id)


def missing(floating_ip_id: object) -> NotFound:
    return http.no_such("floatingip", floating_ip_id)


async def get(ctx: Ctx, floating_ip_id: UUID) -> FloatingIp:
    """One that the caller may see. Raises NotFound."""
    found = await store.find(ctx, floating_ip_id, visible(ctx))
    if found is None:
        raise missing(floating_ip_id)
    return found


async def whole(ctx: Ctx, several: Sequence[FloatingIp]) -> list[Whole]:
    """These floating IPs with all that is shown of them."""
    async with ctx.read() as ctx:
        words = await tags.of(ctx, [each.id for each in several])
        known = await ports.by_ids(ctx, {each.fixed_port_id for each in several if each.fixed_port_id})
    return [
        Whole(each, known.get(each.fixed_port_id) if each.fixed_port_id else None, words.get(each.id, set()))
        for each in several
    ]


async def show(ctx: Ctx, floating_ip_id: UUID) -> Whole:
    """Raises NotFound."""
    async with ctx.read() as ctx:
        return (await whole(ctx, [await get(ctx, floating_ip_id)]))[0]


async def page(ctx: Ctx, query: Query) -> Found[Whole]:
    """Those that the caller may see and the query string asks for. Raises BadRequest."""
    async with ctx.read() as ctx:
        found = await store.page(ctx, query, visible(ctx))
        return Found(await whole(ctx, found.items), found.page, found.limited)


# Making, changing, deleting


async def create(ctx: Ctx, several: Sequence[New]) -> list[Whole]:
    """All of them, or none. Raises NotFound, BadRequest, Forbidden, Conflict, OverQuota."""
    for new in several:
        http.require(ctx, "create_floatingip", owned_by(new.project_id), new.named)
    async with ctx.transaction() as ctx:
        for project_id in sorted({new.project_id for new in several}):
            await projects.hold(ctx, project_id)
            many = sum(new.project_id == project_id for new in several)
            await claim(ctx, FLOATING_IPS, project_id, wanted=many, used=count_of)
        for network in (await networks.seen(ctx, [new.network_id for new in several])).values():
            check_outside(network)
        await subnets.hold_of(ctx, {new.network_id for new in several})
        return await whole(ctx, [await _add(ctx, new) for new in several])


async def _add(ctx: Ctx, new: New) -> FloatingIp:
    place: dict[str, Any] = {}
    if new.port_id is not None:
        place = await associated(ctx, new.project_id, new.network_id, new.port_id, new.fixed_ip_address)
    elif new.fixed_ip_address is not None:
        raise bad_floating_ip("fixed_ip_address cannot be specified without a port_id")
    network = (await networks.hold(ctx, [new.network_id]))[new.network_id]
    floating_ip_id = ctx.world.ids.uuid()
    outside = await _outside(ctx, new, network, floating_ip_id)
    floating_ip = FloatingIp(
        id=floating_ip_id,
        project_id=new.project_id,
        description=new.description,
        revision=1,
        created_at=ctx.now(),
        updated_at=ctx.now(),
        floating_network_id=network.id,
        floating_ip_address=next(each.address for each in outside.fixed if "." in each.address),
        floating_port_id=outside.id,
        dns_name=new.dns_name,
        dns_domain=new.dns_domain,
        **place,
    )
    await store.add(ctx, floating_ip)
    await _tell_routers(ctx, floating_ip.router_id)
    await changed(ctx, KIND, "created", floating_ip.id, project_id=floating_ip.project_id)
    return floating_ip


def check_outside(network: Network) -> None:
    """Raises BadRequest."""
    if not network.external:
        raise bad_floating_ip(f"Network {network.id} is not a valid external network")


async def _outside(ctx: Ctx, new: New, network: Network, floating_ip_id: UUID) -> Port:
    """The port that holds the address; it belongs to nobody."""
    check_outside(network)
    known = (await subnets.of_networks(ctx, [network.id])).get(network.id, [])
    if all(subnet.ip_version != 4 for subnet in known):
        raise bad_floating_ip(f"Network {network.id} does not contain any IPv4 subnet")
    asked = [Wish(new.subnet_id, new.address)] if new.subnet_id or new.address else None
    port = ports.New(
        project_id="",
        network_id=network.id,
        device_id=str(floating_ip_id),
        device_owner=OWNER,
        fixed=asked,
    )
    [made] = await ports.add(ctx, [port], {network.id: network})
    if all(":" in each.address for each in made.fixed):
        raise BadRequest(
            f"Unable to find any IP address on external network {network.id}.", type="ExternalIpAddressExhausted"
        )
    return made


async def change(ctx: Ctx, floating_ip_id: UUID, columns: Mapping[str, Any]) -> Whole:
    """`port_id` and `fixed_ip_address` say for what it shall stand (None: for nothing); the others are columns.

    Raises NotFound, BadRequest, Forbidden, Conflict.
    """
    async with ctx.transaction() as ctx:
        before = await _held(ctx, floating_ip_id)
        changes = {name: value for name, value in columns.items() if name not in ("port_id", "fixed_ip_address")}
        port_id, address = columns.get("port_id"), columns.get("fixed_ip_address")
        if port_id is not None:
            changes |= await associated(
                ctx, before.project_id, before.floating_network_id, port_id, address, but=before.id
            )
        elif address is not None:
            raise bad_floating_ip("fixed_ip_address cannot be specified without a port_id")
        elif "port_id" in columns:
            changes |= FREE
        await store.change(ctx, floating_ip_id, **changes)
        if "router_id" in changes:
            await _tell_routers(ctx, before.router_id, changes["router_id"])
        await changed(ctx, KIND, "updated", floating_ip_id, project_id=before.project_id)
        return await show(ctx, floating_ip_id)


async def _held(ctx: Ctx, floating_ip_id: UUID) -> FloatingIp:
    """In the open transaction: one that the caller may change as the route says, which nobody else changes now."""
    await store.hold(ctx, [floating_ip_id])
    found = await get(ctx, floating_ip_id)
    require(ctx, found.project_id, missing(floating_ip_id))
    return found


async def delete(ctx: Ctx, floating_ip_id: UUID) -> None:
    """Its address is free once the overlay knows of it. Raises NotFound, Forbidden."""
    async with ctx.transaction() as ctx:
        await _remove(ctx, await _held(ctx, floating_ip_id))


async def _remove(ctx: Ctx, floating_ip: FloatingIp) -> None:
    await tags.forget(ctx, [floating_ip.id])
    await store.remove(ctx, floating_ip.id)
    outside = await ports.by_ids(ctx, [floating_ip.floating_port_id])
    await ports.remove(ctx, list(outside.values()))
    await _tell_routers(ctx, floating_ip.router_id)
    await changed(ctx, KIND, "deleted", floating_ip.id, project_id=floating_ip.project_id)


async def _tell_routers(ctx: Ctx, *router_ids: UUID | None) -> None:
    for router_id in sorted({each for each in router_ids if each is not None}):
        await routers.want(ctx, router_id)


# For other nouns and services


async def of_ports(ctx: Ctx, port_ids: Iterable[UUID]) -> dict[UUID, list[FloatingIp]]:
    """What stands for each of these ports, by id; no entry for one without."""
    found: dict[UUID, list[FloatingIp]] = {}
    for each in await store.by(ctx, "fixed_port_id", list(port_ids)):
        if each.fixed_port_id is not None:
            found.setdefault(each.fixed_port_id, []).append(each)
    return found


async def delete_of(ctx: Ctx, project_ids: Sequence[str], *, most: int = 100) -> int:
    """Delete some of these projects'. Returns how many."""
    found = await store.of_projects(ctx, project_ids, most)
    await store.hold(ctx, [each.id for each in found])
    for each in found:
        await _remove(ctx, each)
    return len(found)


@routers.standing.source
async def of_router(ctx: Ctx, router_id: UUID) -> list[Standing]:
    return [
        Standing(each.id, each.floating_ip_address, each.fixed_ip_address, each.fixed_port_id)
        for each in await store.by(ctx, "router_id", [router_id])
        if each.fixed_ip_address is not None and each.fixed_port_id is not None
    ]


@of_router.applied
async def mark_active(ctx: Ctx, router_id: UUID, ids: Sequence[UUID]) -> None:
    """But those that stand for something else by now."""
    await store.mark_active(ctx, router_id, ids)


@ports.going
async def let_go(ctx: Ctx, gone: Sequence[Port]) -> None:
    """What stood for a port that goes stands for nothing."""
    for each in await store.by(ctx, "fixed_port_id", [port.id for port in gone]):
        await store.change(ctx, each.id, **FREE)
        await _tell_routers(ctx, each.router_id)
        await changed(ctx, KIND, "updated", each.id, project_id=each.project_id)


@ports.changing
async def keep_address(ctx: Ctx, before: Port, after: Port) -> None:
    """Raises BadRequest for a port that would lose an address for which something stands."""
    lost = {each.address for each in before.fixed} - {each.address for each in after.fixed}
    for each in await store.by(ctx, "fixed_port_id", [before.id]) if lost else ():
        if each.fixed_ip_address in lost:
            raise BadRequest(
                f"Bad port request: Cannot update the fixed_ips of the port {before.id}, because its original fixed_ip "
                "has been associated to a floating ip.",
                type="BadRequest",
            )


@networks.going
async def go_with_it(ctx: Ctx, network: Network) -> None:
    """Those that stand for nothing go with their network; others keep it."""
    for each in await store.by(ctx, "floating_network_id", [network.id]):
        if each.fixed_port_id is None:
            await _remove(ctx, each)


async def target(ctx: Ctx, floating_ip_id: UUID) -> dict[str, Any]:
    """What rules about its tags are asked of. Raises NotFound."""
    return {"project_id": (await get(ctx, floating_ip_id)).project_id}


async def bump(ctx: Ctx, floating_ip_id: UUID) -> None:
    await store.change(ctx, floating_ip_id)


TAGGED = Taggable("floatingips", "floatingip", target, bump)


counted(FLOATING_IPS, count_of)
