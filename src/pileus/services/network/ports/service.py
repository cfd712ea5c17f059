"""Ports: what the API, other nouns and other services may ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.kernel.http import Query
from pileus.services.network.addresses import read_mac
from pileus.services.network.grounds import EVERYTHING, KEPT, Seen
from pileus.services.network.http import no_such, require
from pileus.services.network.lists import Condition, Found
from pileus.services.network.networks import service as networks
from pileus.services.network.networks.service import Network
from pileus.services.network.ports import allocations, inside, rules, store
from pileus.services.network.ports.allocations import Fixed, count_by_subnet
from pileus.services.network.ports.groups import GroupSource, group_hook
from pileus.services.network.ports.inside import (
    become,
    bind,
    by_ids,
    changing,
    going,
    held,
    ids_with_address,
    in_groups,
    is_of,
    of_devices,
    of_owners,
    remove,
    touch,
    unbind,
    want,
)
from pileus.services.network.ports.ipam import Asked, Wish, allocate
from pileus.services.network.ports.making import New, add, create, mac_in_use, target
from pileus.services.network.ports.parts import readdress, refix
from pileus.services.network.ports.plain import plain
from pileus.services.network.ports.sagas import KIND
from pileus.services.network.ports.store import Port, astray, count_of, in_pages, kind_of, names_of, read
from pileus.services.network.ports.wiring import Address, Wiring, wiring
from pileus.services.network.quotas import PORTS, counted
from pileus.services.network.subnets import service as subnets
from pileus.services.network.tags.service import Taggable

__all__ = [
    "KIND",
    "TAGGED",
    "Address",
    "Fixed",
    "GroupSource",
    "New",
    "Port",
    "Wiring",
    "Wish",
    "add",
    "astray",
    "become",
    "bind",
    "by_ids",
    "change",
    "changing",
    "count_by_subnet",
    "count_of",
    "create",
    "delete",
    "delete_of",
    "get",
    "going",
    "group_hook",
    "held",
    "ids_with_address",
    "in_groups",
    "in_pages",
    "is_of",
    "kind_of",
    "names_of",
    "of_devices",
    "of_owners",
    "page",
    "plain",
    "read",
    "readdress",
    "refix",
    "remove",
    "target",
    "targets",
    "touch",
    "unbind",
    "want",
    "wiring",
]


SEEN = Seen("get_port", store.ports.c.project_id)


def visible(ctx: Ctx) -> Condition:
    """Which rows the caller may see: all, the own, and those on the own networks."""
    found, allows, caller = SEEN(ctx), ctx.world.policy.allows, ctx.caller
    if found is EVERYTHING or not caller.project_id:
        return found
    its_network = {"project_id": None, "network:project_id": caller.project_id}
    return _or_on_networks_of(caller.project_id, found) if allows("get_port", caller, its_network) else found


@lru_cache(KEPT)
def _or_on_networks_of(project_id: str, found: Condition) -> Condition:
    return found | store.ports.c.network_id.in_(networks.ids_of_project(project_id))


async def get(ctx: Ctx, port_id: UUID) -> Port:
    """One that the caller may see. Raises NotFound."""
    found = await store.find(ctx, port_id, visible(ctx))
    if found is None:
        raise no_such("port", port_id)
    return found


async def page(ctx: Ctx, query: Query) -> Found[tuple[Any, ...]]:
    """Those that the caller may see and the query string asks for, as rows that `read` reads. Raises BadRequest."""
    return await store.page(ctx, query, visible(ctx))


async def targets(ctx: Ctx, ports: Sequence[Port]) -> dict[UUID, dict[str, Any]]:
    """Each port as policies are asked about it; a port whose network has gone meanwhile goes with it."""
    on = await networks.by_ids(ctx, {port.network_id for port in ports})
    there = [(port, on[port.network_id]) for port in ports if port.network_id in on]
    return {port.id: target(port.project_id, network, port.device_owner) for port, network in there}


async def target_of(ctx: Ctx, port: Port) -> dict[str, Any]:
    """The port as policies are asked about it. Raises NotFound."""
    for found in (await targets(ctx, [port])).values():
        return found
    raise no_such("port", port.id)


async def change(ctx: Ctx, port_id: UUID, changes: Mapping[str, Any], named: Collection[str]) -> Port:
    """Change what `changes` says, by the names of `Port`; `fixed` are wishes, `address_pairs` pairs, `dhcp_options` what
    changes of them. Raises NotFound, BadRequest, Forbidden, Conflict."""
    async with ctx.transaction() as ctx:
        before = await get(ctx, port_id)
        await networks.stay(ctx, [before.network_id])
        on = (await networks.by_ids(ctx, [before.network_id]))[before.network_id]
        before = await inside.held(ctx, port_id)
        about = target(before.project_id, on, changes.get("device_owner", before.device_owner))
        require(ctx, "update_port", about, named)
        after = await _changed(ctx, before, dict(changes), on)
        await inside.changing.run(ctx, before, after)
        await _write(ctx, before, after)
        await touch(ctx, port_id)
        await want(ctx, [port_id])
        return await inside.held(ctx, port_id)


async def _changed(ctx: Ctx, before: Port, changes: dict[str, Any], on: Network) -> Port:
    """The port as it shall be."""
    if "mac_address" in changes:
        changes["mac_address"] = await _mac(ctx, before, changes["mac_address"])
    mac = changes.get("mac_address", before.mac_address)
    if "address_pairs" in changes:
        changes["address_pairs"] = rules.pairs_of(changes["address_pairs"], mac)
    if "dhcp_options" in changes:
        changes["dhcp_options"] = rules.merged_options(before.dhcp_options, changes["dhcp_options"])
    if "groups" in changes:
        changes["groups"] = sorted(set(changes["groups"]))
        await group_hook.source.check(ctx, set(changes["groups"]), before.project_id, keeps=before.groups)
    if "host" in changes:
        changes["host"] = changes["host"] or None
        if changes["host"] != before.host:
            changes["up"] = False
    if "fixed" in changes or mac != before.mac_address:
        owner = changes.get("device_owner", before.device_owner)
        wishes = changes.get("fixed", _unless_automatic(before, await subnets.by_ids(ctx, _subnets(before))))
        asked = Asked(network_id=on.id, mac=mac, device_owner=owner, wishes=wishes, keeps=before.fixed)
        (changes["fixed"],) = await allocate(ctx, [asked], await subnets.of_networks(ctx, [on.id]), port_id=before.id)
    after = msgspec.structs.replace(before, **changes)
    rules.check_dns_name(after.dns_name)
    rules.check_security(secured=after.port_security, groups=bool(after.groups), pairs=bool(after.address_pairs))
    return after


def _subnets(port: Port) -> set[UUID]:
    return {each.subnet_id for each in port.fixed}


def _unless_automatic(port: Port, known: Mapping[UUID, subnets.Subnet]) -> list[Wish]:
    """The addresses that a port keeps when its MAC address changes."""
    return [Wish(each.subnet_id, None if known[each.subnet_id].automatic else each.address) for each in port.fixed]


async def _mac(ctx: Ctx, port: Port, text: str) -> str:
    mac = read_mac(text)
    if mac == port.mac_address:
        return mac
    if port.host is not None:
        raise Conflict(
            f"Unable to complete operation on port {port.id}, port is already bound, port type: ovs, old_mac "
            f"{port.mac_address}, new_mac {mac}.",
            type="PortBound",
        )
    if await store.macs_among(ctx, port.network_id, [mac]):
        raise mac_in_use(port.network_id, mac)
    return mac


async def _write(ctx: Ctx, before: Port, after: Port) -> None:
    columns = {name: getattr(after, name) for name in store.COLUMNS if getattr(after, name) != getattr(before, name)}
    if columns:
        await store.change(ctx, [before.id], **columns)
    if after.fixed != before.fixed:
        await allocations.rehold(ctx, before.id, after.fixed, generation=before.wanted_generation + 1)
    if after.groups != before.groups:
        await store.leave(ctx, [before.id])
        await store.join(ctx, [(before.id, group_id) for group_id in after.groups])


async def delete(ctx: Ctx, port_id: UUID) -> None:
    """It is gone for everybody; the overlay follows. Raises NotFound, Forbidden; Conflict for a part of a router."""
    async with ctx.transaction() as ctx:
        await get(ctx, port_id)
        port = await inside.held(ctx, port_id)
        require(ctx, "delete_port", await target_of(ctx, port))
        if port.device_owner in rules.SERVICE_OWNERS and port.device_id:
            raise Conflict(
                f"Port {port_id} cannot be deleted directly via the port API: has device owner {port.device_owner}.",
                type="ServicePortInUse",
            )
        await remove(ctx, [port])


async def _tagged(ctx: Ctx, port_id: UUID) -> dict[str, Any]:
    return await target_of(ctx, await get(ctx, port_id))


TAGGED = Taggable("ports", "port", _tagged, touch)


async def delete_of(ctx: Ctx, project_ids: Sequence[str], *, most: int = 100) -> int:
    """Begin to delete some of these projects' that are no part of something else. Returns how many."""
    columns = store.ports.c
    mine = (columns.project_id.in_(list(project_ids)), columns.device_owner.not_in(rules.SERVICE_OWNERS))
    found = await store.listed(ctx, *mine, most=most)
    await remove(ctx, sorted(found, key=lambda port: port.id))
    return len(found)


counted(PORTS, count_of)
