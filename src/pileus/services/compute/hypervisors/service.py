"""Hypervisors: what the rest of Compute may ask for.

A host is known here from its first report on. Its resource provider has its id and its name, and follows what the host says of
itself and the section [compute] of the configuration: inventories of CPUs, memory and disk, and traits. What an operator adds
to the provider beside these stays.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import msgspec

from pileus.engines.hypervisor import HostFacts
from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict, NotFound
from pileus.kernel.hosts import Host, on_report
from pileus.kernel.paging import Page
from pileus.services.compute.hypervisors import rules, store
from pileus.services.compute.hypervisors.store import Hypervisor, State
from pileus.services.compute.migrations import service as migrations
from pileus.services.placement.aggregates import service as provider_aggregates
from pileus.services.placement.allocations import service as allocations
from pileus.services.placement.inventories import service as inventories
from pileus.services.placement.resource_providers import service as providers
from pileus.services.placement.traits import service as provider_traits

__all__ = [
    "BINARY",
    "Guest",
    "Hypervisor",
    "State",
    "Used",
    "change",
    "delete",
    "ensure_provider",
    "get",
    "get_by_number",
    "guests",
    "guests_of",
    "list_",
    "mirror",
    "named",
    "of_service",
    "on_delete",
    "page",
    "search",
    "states",
    "states_of",
    "used",
]

logger = logging.getLogger("pileus.compute")

HOST = "compute.host"
BINARY = "nova-compute"
"""What the service of a host is called, that runs its guests."""


class Guest(msgspec.Struct, frozen=True, kw_only=True):
    """A server that has a place on a host. `busy`: it is being worked on."""

    id: str
    name: str
    host: str
    busy: bool = False


class Used(msgspec.Struct, frozen=True):
    """What is promised of a host."""

    vcpus: int = 0
    memory_mib: int = 0
    disk_gib: int = 0


Guests = Callable[[Ctx, Sequence[str]], Awaitable[list[Guest]]]
Deleted = Callable[[Ctx, str], Awaitable[None]]

_guests: list[Guests] = []
_deleted: list[Deleted] = []


def guests(call: Guests) -> Guests:
    """Ask this which servers have a place on the hosts of these names, by name of host. For the servers above."""
    _guests.append(call)
    return call


def on_delete(call: Deleted) -> Deleted:
    """Call this with the name of a host in the transaction that forgets it. For the nouns above."""
    _deleted.append(call)
    return call


async def guests_of(ctx: Ctx, names: Collection[str]) -> dict[str, list[Guest]]:
    """The servers that have a place on these hosts; each host is there."""
    found: dict[str, list[Guest]] = {name: [] for name in names}
    for call in _guests if names else ():
        for guest in await call(ctx, sorted(names)):
            found[guest.host].append(guest)
    return found


# looking


async def list_(ctx: Ctx) -> list[Hypervisor]:
    """Every host, in the order in which they came."""
    return await store.list_(ctx)


async def states(ctx: Ctx) -> list[State]:
    """Of every host, in the order in which they came: what it takes to place a server."""
    return await store.states(ctx)


async def states_of(ctx: Ctx, names: Collection[str]) -> dict[str, State]:
    """Of those of them that are there."""
    return {each.name: each for each in await store.states_of(ctx, names)}


async def named(ctx: Ctx, names: Collection[str]) -> dict[str, Hypervisor]:
    """Those of them that are there."""
    return {each.name: each for each in await store.list_(ctx, store.named(sorted(names)))}


async def search(ctx: Ctx, pattern: str) -> list[Hypervisor]:
    """Those with this in their name. Raises NotFound when there are none."""
    found = await store.list_(ctx, store.alike(pattern))
    if not found:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return found


async def page(ctx: Ctx, *, limit: int | None, marker: str | None, by_number: bool) -> tuple[list[Hypervisor], Page]:
    """`by_number`: the marker is one. Raises BadRequest for a marker that is none."""
    return await store.page(ctx, limit=limit, marker=marker, by_number=by_number)


async def get(ctx: Ctx, id_: str) -> Hypervisor:
    """Raises NotFound."""
    found = await store.find(ctx, store.hypervisors.c.id == id_)
    if found is None:
        raise NotFound(f"Hypervisor with ID '{id_}' could not be found.")
    return found


async def get_by_number(ctx: Ctx, number: int) -> Hypervisor:
    """By the id it had before it had a UUID. Raises NotFound."""
    found = await store.find(ctx, store.hypervisors.c.number == number)
    if found is None:
        raise NotFound(f"Hypervisor with ID '{number}' could not be found.")
    return found


async def of_service(ctx: Ctx, id_: str | int) -> Hypervisor:
    """By the UUID, or the number, of its service. Raises NotFound."""
    column = store.hypervisors.c.number if isinstance(id_, int) else store.hypervisors.c.service_id
    found = await store.find(ctx, column == id_)
    if found is None:
        raise NotFound(f"Service {id_} could not be found.")
    return found


async def used(ctx: Ctx, ids: Collection[str]) -> dict[str, Used]:
    """What is promised of each of these hosts, by id: as Placement has it."""
    columns = {"VCPU": "vcpus", "MEMORY_MB": "memory_mib", "DISK_GB": "disk_gib"}
    found: dict[str, dict[str, int]] = {id_: {} for id_ in ids}
    for provider_id, resource_class, amount in await allocations.used(ctx, sorted(ids)) if ids else ():
        if resource_class in columns:
            found[provider_id][columns[resource_class]] = int(amount)
    return {id_: Used(**amounts) for id_, amounts in found.items()}


# what they become


@on_report
async def reported(ctx: Ctx, host: Host) -> None:
    """A host says what it is: its provider follows."""
    facts = store.facts_of(host.facts)
    if facts is not None:
        await ensure_provider(ctx, host, facts)


async def ensure_provider(ctx: Ctx, host: Host, facts: HostFacts) -> None:
    """See to it that the host is known, and has a resource provider with what it is made of. In an open transaction."""
    known = await store.find(ctx, store.named([host.name]))
    if known is not None and known.id != str(host.id):  # another machine of that name, which is no more
        await ctx.lock("provider", "")
        await providers.hold(ctx, [known.id, str(host.id)])  # both at once: locks have an order
        try:
            await delete(ctx, host.name)
        except Conflict as e:
            logger.warning(
                "a host cannot take the place of one before it: %s", e.message, extra={"facts": {"host": host.name}}
            )
            return
        known = None
    if known is None:
        await ctx.lock("provider", "")
        known = await store.find(ctx, store.named([host.name])) or await _added(ctx, host)
    if not await providers.by_ids(ctx, [known.id]):  # an operator has deleted it
        await providers.ensure(ctx, known.id, host.name)
    await _follow(ctx, known, facts)


async def _added(ctx: Ctx, host: Host) -> Hypervisor:
    """The hypervisor and the provider have the host's own id."""
    id_, service_id = str(host.id), str(ctx.world.ids.uuid())
    columns = {"enabled": True, "disabled_reason": None, "forced_down": False, "traits": ""}
    await providers.ensure(ctx, id_, host.name)
    await store.add(ctx, id=id_, service_id=service_id, name=host.name, changed_at=ctx.now(), **columns)
    await changed(ctx, HOST, "created", id_, project_id=None)
    return await get(ctx, id_)


async def _follow(ctx: Ctx, host: Hypervisor, facts: HostFacts) -> None:
    """Write of the provider what is not so."""
    await providers.hold(ctx, [host.id])
    wanted = rules.inventories(facts, ctx.world.config.compute)
    before = {name: held.inventory for name, held in (await inventories.of(ctx, host.id)).items()}
    if {name: before.get(name) for name in wanted} != wanted:
        await inventories.replace(ctx, host.id, {**before, **wanted})
    await _follow_traits(ctx, host, rules.traits(facts, enabled=host.enabled))


async def _follow_traits(ctx: Ctx, host: Hypervisor, wanted: set[str]) -> None:
    await providers.hold(ctx, [host.id])
    unknown = set(await provider_traits.missing(ctx, wanted))
    for name in sorted(unknown):
        if name.startswith("CUSTOM_"):
            await provider_traits.ensure(ctx, name)
            unknown.discard(name)
    wanted -= unknown
    others = set(await provider_traits.of(ctx, host.id)) - set(host.traits.split())
    await provider_traits.replace(ctx, host.id, others | wanted)
    if rules.joined(wanted) != host.traits:
        await store.change(ctx, host.name, traits=rules.joined(wanted))


async def mirror(ctx: Ctx, name: str, *, into: Collection[str] = (), out_of: Collection[str] = ()) -> None:
    """Put a host's provider into these of Placement's aggregates, and take it out of those. In an open transaction."""
    host = (await named(ctx, [name])).get(name)
    if host is None or not await providers.by_ids(ctx, [host.id]):
        return
    before = set(await provider_aggregates.of(ctx, host.id))
    after = (before | set(into)) - set(out_of)
    if after != before:
        await provider_aggregates.replace(ctx, host.id, after)


async def change(ctx: Ctx, name: str, wanted: Mapping[str, bool | str | None]) -> Hypervisor:
    """Write `enabled`, `disabled_reason`, `forced_down`. Raises NotFound."""
    async with ctx.transaction() as ctx:
        host = (await named(ctx, [name])).get(name)
        if host is None:
            raise NotFound(f"Compute host {name} could not be found.")
        await store.change(ctx, name, **wanted, changed_at=ctx.now())
        after = (await named(ctx, [name]))[name]
        if after.enabled != host.enabled and await providers.by_ids(ctx, [host.id]):
            await _follow_traits(ctx, after, rules.traits(after.facts, enabled=after.enabled))
        if after.up and not host.up:
            await migrations.complete(ctx, name)
        await changed(ctx, HOST, "updated", host.id, project_id=None)
    return after


async def delete(ctx: Ctx, name: str) -> None:
    """Forget a host, and its provider, on which nothing has a place. One that lives is new with its next report.

    Raises Conflict.
    """
    async with ctx.transaction() as ctx:
        host = (await named(ctx, [name])).get(name)
        if host is None:
            return
        await ctx.lock("provider", "")
        if (await guests_of(ctx, [name]))[name] or await allocations.used(ctx, [host.id]):
            raise Conflict(
                "Unable to delete compute service that is hosting instances. Migrate or delete the instances first."
            )
        if await providers.by_ids(ctx, [host.id]):
            await providers.delete(ctx, host.id)
        for call in _deleted:
            await call(ctx, name)
        await store.remove(ctx, name)
        await changed(ctx, HOST, "deleted", host.id, project_id=None)
