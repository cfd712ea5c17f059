"""How ports are made: many at once, in as many statements as one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.changes import changed_each
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.kernel.quota import claim
from pileus.services.identity.projects import service as projects
from pileus.services.network.addresses import read_mac
from pileus.services.network.http import require
from pileus.services.network.networks import service as networks
from pileus.services.network.networks.service import Network
from pileus.services.network.ports import rules, sagas, store
from pileus.services.network.ports.allocations import Fixed
from pileus.services.network.ports.groups import group_hook
from pileus.services.network.ports.ipam import Asked, Wish, allocate
from pileus.services.network.ports.sagas import KIND
from pileus.services.network.ports.store import Port
from pileus.services.network.quotas import PORTS
from pileus.services.network.subnets import service as subnets
from pileus.services.network.tags import service as tags

MAC_TRIES = 16


class New(msgspec.Struct, frozen=True, kw_only=True):
    """A port that is asked for. `fixed` None: an address of each kind that the network gives; `groups` None: the default
    one. `named`: the attributes that the caller named, each of which may have a rule."""

    project_id: str
    network_id: UUID
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    mac_address: str | None = None
    fixed: Sequence[Wish] | None = None
    device_id: str = ""
    device_owner: str = ""
    host: str | None = None
    vnic_type: str = "normal"
    profile: dict[str, Any] = msgspec.field(default_factory=dict)
    groups: Sequence[UUID] | None = None
    port_security: bool | None = None
    address_pairs: Sequence[tuple[str, str | None]] = ()
    dhcp_options: Sequence[dict[str, Any]] = ()
    dns_name: str = ""
    dns_domain: str = ""
    tags: Collection[str] = ()
    named: frozenset[str] = frozenset()


def target(project_id: str, network: Network, device_owner: str) -> dict[str, Any]:
    """A port as policies are asked about it."""
    return {
        "project_id": project_id,
        "network:project_id": network.project_id,
        "shared": network.shared,
        "device_owner": device_owner,
    }


async def create(ctx: Ctx, wanted: Sequence[New]) -> list[Port]:
    """Make all of them, or none. Raises BadRequest, NotFound, Forbidden, Conflict, OverQuota."""
    async with ctx.transaction() as ctx:
        on = await networks.seen(ctx, [new.network_id for new in wanted])
        for new in wanted:
            about = target(new.project_id, on[new.network_id], new.device_owner)
            require(ctx, "create_port", about, new.named)
        return await add(ctx, wanted, on)


async def add(ctx: Ctx, wanted: Sequence[New], on: Mapping[UUID, Network]) -> list[Port]:
    """In the open transaction: make them, whoever asks. A port without a project has no quota.

    One call for all ports of a transaction: it takes the locks of quotas, then of subnets, then of groups.
    """
    for project_id in sorted({new.project_id for new in wanted} - {""}):
        await projects.hold(ctx, project_id)
        many = sum(new.project_id == project_id for new in wanted)
        await claim(ctx, PORTS, project_id, wanted=many, used=store.count_of)
    await networks.stay(ctx, on)
    macs = await _macs(ctx, wanted)
    there = await subnets.of_networks(ctx, on)
    asked = [
        Asked(network_id=new.network_id, mac=mac, device_owner=new.device_owner, wishes=new.fixed)
        for new, mac in zip(wanted, macs, strict=True)
    ]
    fixed = await allocate(ctx, asked, there)
    groups = await _groups(ctx, wanted, on)
    ports = [
        _row(ctx, new, on[new.network_id], mac_address=mac, fixed=list(each), groups=list(within))
        for new, mac, each, within in zip(wanted, macs, fixed, groups, strict=True)
    ]
    try:
        await store.add(ctx, ports)
    except sa.exc.IntegrityError as e:  # two came at once where no subnet's lock holds them apart: the index decides
        raise Conflict("Another port has just got this MAC address on this network.", type="MacAddressInUse") from e
    await tags.put(ctx, {port.id: new.tags for port, new in zip(ports, wanted, strict=True)})
    await sagas.converge_port.begin_each(ctx, [port.id for port in ports])
    await changed_each(ctx, KIND, "created", {str(port.id): port.project_id or None for port in ports})
    return ports


def secured(new: New, network: Network) -> bool:
    if rules.is_trusted(new.device_owner):
        return False
    return network.port_security if new.port_security is None else new.port_security


async def _groups(ctx: Ctx, wanted: Sequence[New], on: Mapping[UUID, Network]) -> list[list[UUID]]:
    """The groups of each port."""
    default = [new for new in wanted if new.groups is None and new.project_id and secured(new, on[new.network_id])]
    made = await group_hook.source.defaults(ctx, {new.project_id for new in default}) if default else {}
    for project_id, together in {(new.project_id, frozenset(new.groups)) for new in wanted if new.groups}:
        await group_hook.source.check(ctx, together, project_id)
    found = []
    for new in wanted:
        usual = [made[new.project_id]] if new in default and new.project_id in made else []
        found.append(sorted(set(usual if new.groups is None else new.groups)))
    return found


async def _macs(ctx: Ctx, wanted: Sequence[New]) -> list[str]:
    """A MAC address for each, that its network has once. Raises BadRequest, Conflict."""
    found = [None if new.mac_address is None else read_mac(new.mac_address) for new in wanted]
    for network_id in {new.network_id for new in wanted}:
        here = [at for at, new in enumerate(wanted) if new.network_id == network_id]
        given = [mac for at in here if (mac := found[at]) is not None]
        used = await store.macs_among(ctx, network_id, given) if given else set()
        for mac in given:
            if mac in used or given.count(mac) > 1:
                raise mac_in_use(network_id, mac)
        open_ = [at for at in here if found[at] is None]
        for at, mac in zip(open_, await _free_macs(ctx, network_id, len(open_), set(given)), strict=True):
            found[at] = mac
    return [mac for mac in found if mac is not None]


async def _free_macs(ctx: Ctx, network_id: UUID, many: int, but: set[str]) -> list[str]:
    found: list[str] = []
    for _ in range(MAC_TRIES):
        if len(found) == many:
            break
        new = {rules.random_mac(ctx.world.ids.bytes(3)): None for _ in range(many - len(found))}
        used = await store.macs_among(ctx, network_id, new.keys()) | but | set(found)
        found += [mac for mac in new if mac not in used]
    return found


def mac_in_use(network_id: UUID, mac: str) -> Conflict:
    return Conflict(
        f"Unable to complete operation for network {network_id}. The mac address {mac} is in use.",
        type="MacAddressInUse",
    )


def _row(ctx: Ctx, new: New, network: Network, *, mac_address: str, fixed: list[Fixed], groups: list[UUID]) -> Port:
    pairs, safe = rules.pairs_of(new.address_pairs, mac_address), secured(new, network)
    rules.check_security(secured=safe, groups=bool(groups), pairs=bool(pairs))
    rules.check_dns_name(new.dns_name)
    return Port(
        id=ctx.world.ids.uuid(),
        project_id=new.project_id,
        name=new.name,
        description=new.description,
        revision=1,
        created_at=ctx.now(),
        updated_at=ctx.now(),
        network_id=new.network_id,
        mac_address=mac_address,
        admin_state_up=new.admin_state_up,
        device_id=new.device_id,
        device_owner=new.device_owner,
        host=new.host or None,
        vnic_type=new.vnic_type,
        profile=new.profile,
        port_security=safe,
        address_pairs=pairs,
        dhcp_options=rules.merged_options([], new.dhcp_options),
        dns_name=new.dns_name,
        dns_domain=new.dns_domain,
        fixed=fixed,
        groups=groups,
    )
