"""Networks: what the API and other nouns may ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.changes import changed, changed_each
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.kernel.http import Query
from pileus.kernel.quota import claim
from pileus.services.identity.projects import service as projects
from pileus.services.network import grounds
from pileus.services.network.addresses import gaps, invalid
from pileus.services.network.hooks import Hook
from pileus.services.network.http import no_such, require
from pileus.services.network.lists import Condition, Found
from pileus.services.network.networks import rules, sagas, store
from pileus.services.network.networks.sagas import parts
from pileus.services.network.networks.store import Hold, Network, by_ids, count_of, every_project, names_of
from pileus.services.network.quotas import NETWORKS, counted
from pileus.services.network.rbac_policies import service as rbac
from pileus.services.network.tags import service as tags
from pileus.services.network.tags.service import Taggable

__all__ = [
    "KIND",
    "TAGGED",
    "TYPE",
    "Network",
    "New",
    "by_ids",
    "change",
    "changing",
    "count_of",
    "create",
    "delete",
    "delete_of",
    "every_project",
    "get",
    "going",
    "held",
    "hold",
    "ids_of_project",
    "ids_outside",
    "ids_seen",
    "lend",
    "made",
    "names_of",
    "page",
    "parts",
    "seen",
    "stay",
    "target",
    "touch",
    "visible",
    "want",
]

KIND, TYPE = "network.network", "network"
WINDOW = 256

made: Hook[[Ctx, Sequence[Network]]] = Hook()
"""In the transaction in which networks were made."""

changing: Hook[[Ctx, Network, Network]] = Hook()
"""In the transaction that changes one: (as it was, as it shall be). May refuse."""

going: Hook[[Ctx, Network]] = Hook()
"""In the transaction in which one goes: refuses while it is used, and takes along what goes with it."""


class New(msgspec.Struct, frozen=True, kw_only=True):
    """A network that is asked for. `named`: the attributes that the caller named, each of which may have a rule."""

    project_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    shared: bool = False
    external: bool = False
    is_default: bool = False
    port_security: bool = True
    mtu: int = 0
    network_type: str | None = None
    physical_network: str | None = None
    segmentation_id: int | None = None
    dns_domain: str = ""
    tags: Collection[str] = ()
    named: frozenset[str] = frozenset()


def target(network: Network) -> dict[str, Any]:
    """The network as policies are asked about it."""
    return {
        "id": str(network.id),
        "project_id": network.project_id,
        "shared": network.shared,
        "router:external": network.external,
    }


def lent_to(project_id: str | None) -> list[Condition]:
    columns = store.networks.c
    lent = [columns.id.in_(rbac.objects_for(TYPE, action, project_id)) for action in (rbac.SHARED, rbac.EXTERNAL)]
    return [columns.shared, columns.external, *lent]


visible = grounds.Seen("get_network", store.networks.c.project_id, lent_to)


async def as_seen(ctx: Ctx, found: Mapping[UUID, Network]) -> dict[UUID, Network]:
    """These networks as the caller sees them: what is shared with the project is shared."""
    shared = await rbac.shared_among(ctx, TYPE, [id_ for id_, network in found.items() if not network.shared])
    return {id_: msgspec.structs.replace(each, shared=True) if id_ in shared else each for id_, each in found.items()}


async def get(ctx: Ctx, network_id: UUID) -> Network:
    """One that the caller may see. Raises NotFound."""
    return (await seen(ctx, [network_id]))[network_id]


async def page(ctx: Ctx, query: Query) -> Found[Network]:
    """Those that the caller may see and the query string asks for. Raises BadRequest."""
    async with ctx.read() as ctx:
        found = await store.page(ctx, query, visible(ctx))
        known = await as_seen(ctx, {network.id: network for network in found.items})
        return Found([known[network.id] for network in found.items], found.page, found.limited)


async def create(ctx: Ctx, wanted: Sequence[New]) -> list[Network]:
    """Make all of them, or none. Raises BadRequest, Forbidden, Conflict, OverQuota."""
    for new in wanted:
        about = {"project_id": new.project_id, "shared": new.shared, "router:external": new.external}
        require(ctx, "create_network", about, new.named)
    async with ctx.transaction() as ctx:
        for project_id in sorted({new.project_id for new in wanted}):
            await projects.hold(ctx, project_id)
            many = sum(new.project_id == project_id for new in wanted)
            await claim(ctx, NETWORKS, project_id, wanted=many, used=count_of)
        networks = await _on_segments(ctx, wanted)
        await store.add(ctx, networks)
        await tags.put(ctx, {network.id: new.tags for network, new in zip(networks, wanted, strict=True)})
        await made.run(ctx, networks)
        await sagas.converge_network.begin_each(ctx, [network.id for network in networks])
        await changed_each(ctx, KIND, "created", {str(network.id): network.project_id for network in networks})
    return networks


async def _on_segments(ctx: Ctx, wanted: Sequence[New]) -> list[Network]:
    """The rows, each on a segment of its own."""
    await ctx.lock("network_segment", "all")
    options, found = ctx.world.config.network, list[Network]()
    for new in wanted:
        kind, physical, number = new.network_type or rules.TUNNELS, new.physical_network, new.segmentation_id
        if new.network_type is None and (physical is not None or number is not None):
            raise invalid("network_type required")
        rules.check_segment(kind, physical, number, options.physical_networks)
        if number is None and kind != "flat":
            number = await _free_segment(ctx, kind, physical, found)
        elif await _in_use(ctx, kind, physical, number, found):
            raise segment_in_use(kind, physical, number)
        most = options.mtu if kind == rules.TUNNELS else options.physical_mtu
        found.append(_row(ctx, new, kind=kind, number=number, mtu=rules.check_mtu(new.mtu, most)))
    return found


async def _in_use(ctx: Ctx, kind: str, physical: str | None, number: int | None, new: Sequence[Network]) -> bool:
    segment = (kind, physical, number)
    if any((each.network_type, each.physical_network, each.segmentation_id) == segment for each in new):
        return True
    return await store.on_segment(ctx, kind, physical, number) is not None


async def _free_segment(ctx: Ctx, kind: str, physical: str | None, new: Sequence[Network]) -> int:
    """A number that no network has: behind the last of the tunnels, so that none is soon used again."""
    mine = {each.segmentation_id or 0 for each in new if (each.network_type, each.physical_network) == (kind, physical)}
    last = rules.LAST_VLAN if kind == "vlan" else rules.LAST_TUNNEL
    behind = max(await store.last_tunnel(ctx, kind), *mine, 0) if kind == rules.TUNNELS else last
    if behind < last:
        return behind + 1
    after = 0
    while after < last:
        taken = await store.segments(ctx, kind, physical, after, WINDOW)
        end = last if len(taken) < WINDOW else taken[-1]
        free = next((each for each in gaps((after + 1, end), taken) if each not in mine), None)
        if free is not None:
            return free
        after = end
    raise Conflict(
        "Unable to create the network. No tenant network is available for allocation.", type="NoNetworkAvailable"
    )


def segment_in_use(kind: str, physical: str | None, number: int | None) -> Conflict:
    if kind == "flat":
        return Conflict(
            f"Unable to create the flat network. Physical network {physical} is in use.", type="FlatNetworkInUse"
        )
    words = f"The VLAN {number} on physical network {physical}" if kind == "vlan" else f"The tunnel ID {number}"
    return Conflict(
        f"Unable to create the network. {words} is in use.", type="VlanIdInUse" if kind == "vlan" else "TunnelIdInUse"
    )


def _row(ctx: Ctx, new: New, *, kind: str, number: int | None, mtu: int) -> Network:
    return Network(
        id=ctx.world.ids.uuid(),
        project_id=new.project_id,
        name=new.name,
        description=new.description,
        revision=1,
        created_at=ctx.now(),
        updated_at=ctx.now(),
        admin_state_up=new.admin_state_up,
        shared=new.shared,
        external=new.external,
        is_default=new.is_default,
        port_security=new.port_security,
        mtu=mtu,
        network_type=kind,
        physical_network=new.physical_network,
        segmentation_id=number,
        dns_domain=new.dns_domain,
    )


async def change(ctx: Ctx, network_id: UUID, changes: Mapping[str, Any], named: Collection[str]) -> Network:
    """Change what `changes` says, by the names of `Network`. Raises NotFound, BadRequest, Forbidden, Conflict."""
    async with ctx.transaction() as ctx:
        before = (await hold(ctx, [network_id], "mine"))[network_id]
        require(ctx, "update_network", target(before), named)
        changes = {name: value for name, value in changes.items() if getattr(before, name) != value}
        if not rules.PROVIDER.isdisjoint(changes):
            raise invalid("Plugin does not support updating provider attributes")
        after = msgspec.structs.replace(before, **changes)
        if "mtu" in changes:
            options = ctx.world.config.network
            most = options.mtu if before.network_type == rules.TUNNELS else options.physical_mtu
            rules.check_mtu(after.mtu, most)
        await changing.run(ctx, before, after)
        await store.change(ctx, network_id, **changes)
        await touch(ctx, network_id)
        await want(ctx, [network_id])
        return await get(ctx, network_id)


async def delete(ctx: Ctx, network_id: UUID) -> None:
    """It is gone for everybody; the overlay follows. Raises NotFound, Forbidden, Conflict while it is used."""
    async with ctx.transaction() as ctx:
        network = (await hold(ctx, [network_id], "goes"))[network_id]
        require(ctx, "delete_network", target(network))
        await _remove(ctx, network)


async def _remove(ctx: Ctx, network: Network) -> None:
    await going.run(ctx, network)
    await tags.forget(ctx, [network.id])
    await store.change(ctx, network.id, deleted=True)
    await want(ctx, [network.id])
    await changed(ctx, KIND, "deleted", network.id, project_id=network.project_id)


# For other nouns


async def want(ctx: Ctx, network_ids: Collection[UUID]) -> None:
    """In the open transaction: what these networks are in the overlay has changed."""
    await sagas.converge_network.want_each(ctx, list(network_ids))


async def hold(ctx: Ctx, network_ids: Collection[UUID], how: Hold = "stays") -> dict[UUID, Network]:
    """In the open transaction: these that the caller may see, as they stay until it ends. Raises NotFound.

    `mine`: nobody else changes them or what they are made of; `goes`: nobody else relies on them.
    """
    found = await store.hold(ctx, set(network_ids), visible(ctx), how=how)
    for network_id in network_ids:
        if network_id not in found:
            raise no_such("network", network_id)
    return await as_seen(ctx, found)


async def held(ctx: Ctx, network_id: UUID) -> Network:
    """As `hold` with `mine`, whoever asks."""
    found = await store.hold(ctx, [network_id], how="mine")
    if network_id not in found:
        raise no_such("network", network_id)
    return found[network_id]


async def stay(ctx: Ctx, network_ids: Collection[UUID]) -> None:
    """As `hold`, whoever asks."""
    found = await store.hold(ctx, network_ids, how="stays")
    for network_id in network_ids:
        if network_id not in found:
            raise no_such("network", network_id)


async def seen(ctx: Ctx, network_ids: Collection[UUID]) -> dict[UUID, Network]:
    """These, which the caller may see. Raises NotFound."""
    found = await by_ids(ctx, set(network_ids), visible(ctx))
    for network_id in network_ids:
        if network_id not in found:
            raise no_such("network", network_id)
    return await as_seen(ctx, found)


async def lend(ctx: Ctx, network_id: UUID, *, shared: bool, external: bool) -> None:
    """In the open transaction: whom its policies let use it has changed. `shared`, `external`: everybody, as such."""
    await store.change(ctx, network_id, shared=shared, external=external)
    await touch(ctx, network_id)


async def touch(ctx: Ctx, network_id: UUID) -> None:
    """In the open transaction: its revision goes up, and it is told of."""
    await store.touch(ctx, network_id)
    found = await store.find(ctx, network_id)
    if found is not None:
        await changed(ctx, KIND, "updated", network_id, project_id=found.project_id)


async def _tagged(ctx: Ctx, network_id: UUID) -> dict[str, Any]:
    return target(await get(ctx, network_id))


TAGGED = Taggable("networks", "network", _tagged, touch)


def ids_of_project(project_id: str | None) -> Any:
    """A SELECT of the networks that belong to a project: what stands in an IN."""
    return store.ids_of(store.networks.c.project_id == project_id)


def ids_outside() -> Any:
    """A SELECT of the networks that lead out: what stands in an IN."""
    return store.ids_of(store.networks.c.external)


def ids_seen(seen: Condition) -> Any:
    """A SELECT of the networks that are `visible` to somebody: what stands in an IN."""
    return store.ids_of(seen)


async def delete_of(ctx: Ctx, project_ids: Sequence[str], *, most: int = 100) -> int:
    """Begin to delete some of these projects' that nothing uses any more. Returns how many."""
    taken = 0
    for network in await store.undeleted_of(ctx, project_ids, most):
        try:
            await _remove(ctx, network)
        except Conflict:  # before a row was written: what uses it goes first
            continue
        taken += 1
    return taken


counted(NETWORKS, count_of)
