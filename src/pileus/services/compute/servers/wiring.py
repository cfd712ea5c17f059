"""What servers ask of networks: the one place that knows how those are asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.filters import Condition
from pileus.services.compute.security_groups import service as old_groups
from pileus.services.compute.servers.patterns import matches
from pileus.services.compute.servers.wanted import WantedNic
from pileus.services.network.floating_ips import service as floating_ips
from pileus.services.network.networks import service as networks
from pileus.services.network.networks.service import Network
from pileus.services.network.ports import service as ports
from pileus.services.network.ports.service import New, Port, Wish
from pileus.services.network.security_groups import service as security_groups
from pileus.services.network.security_groups.service import Whole

OWNER = "compute:nova"
EXTERNAL = "network:attach_external_network"


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """An address of a NIC, with all that a guest has to know to use it."""

    address: str
    subnet_id: UUID
    cidr: str
    gateway: str | None = None
    dns: Sequence[str] = ()
    routes: Sequence[tuple[str, str]] = ()


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """A port, as its server sees it."""

    port_id: UUID
    network_id: UUID
    network_name: str
    mac: str
    mtu: int
    fixed: Sequence[Fixed] = ()
    floating: Mapping[str, str] = {}  # floating address by the fixed one behind
    groups: Sequence[str] = ()  # names of security groups
    status: str = "ACTIVE"


class Nic(NamedTuple):
    """What is shown of a port where its server is."""

    network_name: str
    mac: str
    addresses: tuple[tuple[str, tuple[str, ...]], ...]  # each fixed one with the floating ones that stand for it
    groups: tuple[str, ...]  # names of security groups


class Owner(Protocol):
    """The server that a port is for."""

    @property
    def id(self) -> UUID: ...
    @property
    def project_id(self) -> str: ...


async def plan_nics(ctx: Ctx, wanted: tuple[WantedNic, ...] | str | None) -> tuple[WantedNic, ...]:
    """The NICs that were asked for, or those that a project's only network gives. Raises BadRequest, Conflict, Forbidden."""
    if wanted == "none":
        return ()
    if not wanted or isinstance(wanted, str):
        return await _only_network(ctx, must=wanted == "auto")
    await _check_networks(ctx, [nic.network_id for nic in wanted if nic.network_id is not None])
    for nic in wanted:
        if nic.port_id is not None:
            await _check_port(ctx, nic.port_id)
    return wanted


async def _only_network(ctx: Ctx, *, must: bool) -> tuple[WantedNic, ...]:
    """What is meant when none is named: the only one that the project has, or that is shared with it."""
    project_id = ctx.caller.project_id or ""
    own = (await networks.page(ctx, {"project_id": [project_id], "router:external": ["False"]})).items
    shared = (await networks.page(ctx, {"shared": ["True"]})).items
    found = {network.id: network for network in (*own, *shared)}
    if len(found) > 1:
        raise Conflict("Multiple possible networks found, use a Network ID to be more specific.")
    if not found and must:
        raise BadRequest(
            "Unable to allocate a network automatically: the project has none, and none is shared with it. Make one."
        )
    return tuple(WantedNic(network_id=network_id) for network_id in found)


async def _check_networks(ctx: Ctx, network_ids: Sequence[UUID]) -> None:
    """Raises BadRequest, Forbidden."""
    try:
        found = await networks.seen(ctx, network_ids)
    except NotFound as e:
        raise BadRequest(e.message) from None
    for network in found.values():
        check_external(ctx, network)


def check_external(ctx: Ctx, network: Network) -> None:
    target = {"project_id": ctx.caller.project_id, "user_id": ctx.caller.user_id}
    if network.external and not network.shared and not ctx.world.policy.allows(EXTERNAL, ctx.caller, target):
        raise ctx.world.policy.refusal(EXTERNAL, ctx.caller, {})


async def _check_port(ctx: Ctx, port_id: UUID) -> Port:
    try:
        port = await ports.get(ctx, port_id)
    except NotFound:
        raise BadRequest(f"Port id {port_id} could not be found.") from None
    if port.device_id:
        raise port_in_use(port_id)
    if not port.fixed:
        raise BadRequest(f"Port {port_id} requires a FixedIP in order to be used.")
    return port


def port_in_use(port_id: UUID) -> Conflict:
    return Conflict(f"Port {port_id} is still in use.")


async def make_ports(
    ctx: Ctx, wanted: Sequence[tuple[WantedNic, Owner]], group_ids: Sequence[UUID] | None
) -> list[UUID]:
    """In an open transaction: for each a port of its server, made in its network, or the one that was named, held."""
    new = [
        New(
            project_id=server.project_id,
            network_id=nic.network_id,
            fixed=None if nic.fixed_ip is None else [Wish(None, nic.fixed_ip)],
            device_id=str(server.id),
            device_owner=OWNER,
            groups=group_ids,
        )
        for nic, server in wanted
        if nic.network_id is not None
    ]
    try:
        made = iter(await ports.create(ctx, new) if new else ())
    except Conflict as e:
        if any(each.fixed for each in new):  # the address that was asked for is another's
            raise BadRequest(e.message) from None
        raise
    for port_id in sorted(nic.port_id for nic, _ in wanted if nic.port_id is not None):
        await ctx.lock("vif", port_id)
        await _check_port(ctx, port_id)
    return [nic.port_id or next(made).id for nic, _ in wanted]


async def groups_named(ctx: Ctx, names: Sequence[str] | None) -> list[UUID] | None:
    """The ids of security groups that are said by name or by id; None: the project's default one. Raises BadRequest, Conflict.

    Not in a transaction: the project's default one may be made.
    """
    if not names or list(names) == ["default"]:
        return None
    return [(await group_named(ctx, name)).group.id for name in names]


async def group_named(ctx: Ctx, name: str) -> Whole:
    """Raises BadRequest for none, Conflict for several."""
    project = {"project_id": [ctx.caller.project_id or ""]}
    same = (await security_groups.page(ctx, {"name": [name], **project})).items
    same = same or (await security_groups.page(ctx, {"id": [name]})).items
    if not same:
        raise BadRequest(f"Security group {name} not found for project {ctx.caller.project_id}.")
    if len(same) > 1:
        raise Conflict(f"Multiple security groups found matching '{name}'. Use an ID to be more specific.")
    return same[0]


async def bind_ports(ctx: Ctx, port_ids: Collection[UUID], server_id: UUID, host: str) -> None:
    """In an open transaction: the server is on that host, and its NICs are to be plugged there."""
    there = await ports.by_ids(ctx, port_ids)
    for port_id in sorted(there):
        await ports.bind(ctx, port_id, host=host, device_id=str(server_id), device_owner=OWNER)


async def leave_ports(ctx: Ctx, ours: Collection[UUID], others: Collection[UUID]) -> None:
    """In an open transaction: delete those that were made for a server, and free the others. May be repeated."""
    there = await ports.by_ids(ctx, [*ours, *others])
    await ports.remove(ctx, [there[port_id] for port_id in sorted(ours) if port_id in there])
    for port_id in sorted(others):
        if port_id in there:
            await ports.unbind(ctx, port_id)


async def wires(ctx: Ctx, port_ids: Collection[UUID]) -> dict[UUID, Wire]:
    """What these ports are to their servers."""
    if not port_ids:
        return {}
    async with ctx.read() as ctx:
        found = await ports.wiring(ctx, port_ids)
        groups = await group_names(ctx, port_ids)
        outside = await floating_of(ctx, port_ids)
    return {
        port_id: Wire(
            port_id=port_id,
            network_id=each.network_id,
            network_name=each.network_name,
            mac=each.mac,
            mtu=each.mtu,
            fixed=[
                Fixed(
                    address=fixed.address,
                    subnet_id=fixed.subnet_id,
                    cidr=fixed.cidr,
                    gateway=fixed.gateway,
                    dns=fixed.dns,
                    routes=[(route["destination"], route["nexthop"]) for route in fixed.routes],
                )
                for fixed in each.fixed
            ],
            floating=outside.get(port_id, {}),
            groups=groups.get(port_id, []),
            status="ACTIVE" if each.up else "DOWN",
        )
        for port_id, each in found.items()
    }


async def shown(ctx: Ctx, port_ids: Collection[UUID]) -> dict[UUID, Nic]:
    """Of those of these ports that are there, with the groups that the caller may see."""
    found = await ports.plain(ctx, port_ids)
    if not found:
        return {}
    on = await networks.by_ids(ctx, {port.network_id for port in found})
    wanted = {group_id for port in found for group_id in port.groups}
    groups = await security_groups.by_ids(ctx, wanted) if wanted else {}
    outside = await floating_of(ctx, port_ids)
    return {
        port.id: Nic(
            on[port.network_id].name,
            port.mac,
            tuple((each, floats(outside, port.id, each)) for each in port.addresses),
            tuple(groups[each].name for each in port.groups if each in groups),
        )
        for port in found
        if port.network_id in on
    }


def floats(outside: Mapping[UUID, Mapping[str, str]], port_id: UUID, address: str) -> tuple[str, ...]:
    """The floating addresses that stand for that one."""
    return tuple(out for out, inner in outside[port_id].items() if inner == address) if port_id in outside else ()


async def group_names(ctx: Ctx, port_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """The names of each port's security groups, as far as the caller may see them."""
    there = await ports.by_ids(ctx, port_ids)
    wanted = {group_id for port in there.values() for group_id in port.groups}
    known = await security_groups.by_ids(ctx, wanted) if wanted else {}
    return {port.id: [known[each].name for each in port.groups if each in known] for port in there.values()}


async def floating_of(ctx: Ctx, port_ids: Collection[UUID]) -> Mapping[UUID, Mapping[str, str]]:
    """The floating addresses of each port, with the fixed one behind each."""
    found = await floating_ips.of_ports(ctx, port_ids)
    return {
        port_id: {each.floating_ip_address: each.fixed_ip_address for each in those if each.fixed_ip_address}
        for port_id, those in found.items()
    }


async def groups_of(ctx: Ctx, port_ids: Collection[UUID]) -> list[dict[str, Any]]:
    """The security groups of these ports, with their rules, in Compute's old form."""
    there = await ports.by_ids(ctx, port_ids)
    known = await security_groups.by_ids(ctx, {group_id for port in there.values() for group_id in port.groups})
    return await old_groups.shown(ctx, await security_groups.whole(ctx, list(known.values())))


async def join_group(ctx: Ctx, port_ids: Collection[UUID], name: str, *, leave: bool) -> None:
    """Let these ports be in a security group, or in it no more. Raises BadRequest, Conflict, NotFound."""
    found = await group_named(ctx, name)
    there = await ports.by_ids(ctx, port_ids)
    if leave and not any(found.group.id in port.groups for port in there.values()):
        raise NotFound(f"Security group {name} is not associated with the instance.")
    for port_id in sorted(there):
        now = set(there[port_id].groups)
        wanted = now - {found.group.id} if leave else now | {found.group.id}
        if wanted != now and there[port_id].port_security:
            await ports.change(ctx, port_id, {"groups": sorted(wanted)}, ())


def with_addresses(ctx: Ctx, patterns: Mapping[int, str]) -> list[sa.Select[Any]]:
    """For each pattern a SELECT of the ports with an address of that version that matches. Raises BadRequest."""
    dialect = ctx.world.db.dialect
    found = []
    for version, pattern in patterns.items():

        def match(column: sa.ColumnElement[Any], pattern: str = pattern) -> Condition:
            return matches(column, "ip", pattern, dialect)

        found.append(ports.ids_with_address(version, match))
    return found
