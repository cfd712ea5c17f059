"""Aggregates: what the rest of Compute may ask for, the scheduler above all.

Each change of one waits for the others: two of them could together put a host into two zones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, CloudError, Conflict, NotFound
from pileus.services.compute.aggregates import store
from pileus.services.compute.aggregates.store import Aggregate
from pileus.services.compute.hypervisors import service as hypervisors

__all__ = [
    "Aggregate",
    "add_host",
    "change",
    "create",
    "delete",
    "get",
    "list_",
    "of_all_hosts",
    "of_hosts",
    "remove_host",
    "set_metadata",
    "zone_of",
    "zones_of",
]

AGGREGATE = "compute.aggregate"
ZONE = "availability_zone"

list_ = store.list_


async def _hold(ctx: Ctx) -> None:
    await ctx.lock("subject", "compute aggregates")


async def get(ctx: Ctx, id_: int) -> Aggregate:
    """Raises NotFound."""
    found = await store.list_(ctx, store.aggregates.c.id == id_)
    if not found:
        raise NotFound(f"Aggregate {id_} could not be found.")
    return found[0]


async def of_hosts(ctx: Ctx, hosts: Collection[str]) -> dict[str, list[Aggregate]]:
    """The aggregates that each of these hosts is in; each host is there."""
    found: dict[str, list[Aggregate]] = {host: [] for host in hosts}
    for aggregate in await store.list_(ctx, store.with_any_of(sorted(hosts))) if hosts else ():
        for host in found.keys() & set(aggregate.hosts):
            found[host].append(aggregate)
    return found


async def of_all_hosts(ctx: Ctx) -> dict[str, list[Aggregate]]:
    """The aggregates of each host that is in any."""
    found: dict[str, list[Aggregate]] = {}
    for aggregate in await store.list_(ctx):
        for host in aggregate.hosts:
            found.setdefault(host, []).append(aggregate)
    return found


async def zones_of(ctx: Ctx, hosts: Collection[str]) -> dict[str, str]:
    """The availability zone of each of these hosts."""
    found: dict[str, str] = {}
    for host, said in await store.metadata_at(ctx, hosts):
        if zone := said.get(ZONE):
            found.setdefault(host, zone)
    return {host: found.get(host) or default_zone(ctx) for host in hosts}


def zone_of(ctx: Ctx, within: Collection[Aggregate]) -> str:
    """The zone of a host that is in these aggregates."""
    return next((aggregate.zone for aggregate in within if aggregate.zone), default_zone(ctx))


def default_zone(ctx: Ctx) -> str:
    """The zone of a host that no aggregate gives one."""
    return ctx.world.config.compute.default_availability_zone


# making and changing


async def create(ctx: Ctx, name: str, zone: str | None) -> Aggregate:
    """Raises Conflict."""
    uuid = str(ctx.world.ids.uuid())
    async with ctx.transaction() as ctx:
        await _hold(ctx)
        await _check_name(ctx, name)
        kept = {ZONE: zone} if zone else {}
        id_ = await store.add(ctx, uuid=uuid, name=name, metadata=kept, made_at=ctx.now())
        await changed(ctx, AGGREGATE, "created", uuid, project_id=None)
        return await get(ctx, id_)


async def _check_name(ctx: Ctx, name: str) -> None:
    if await store.list_(ctx, store.aggregates.c.name == name):
        raise Conflict(f"Aggregate {name} already exists.")


async def change(ctx: Ctx, id_: int, wanted: Mapping[str, str | None]) -> Aggregate:
    """Write `name` and `availability_zone`. Raises NotFound, Conflict; BadRequest for a zone that its hosts cannot get."""
    async with ctx.transaction() as ctx:
        await _hold(ctx)
        before = await get(ctx, id_)
        columns: dict[str, Any] = {}
        if "name" in wanted and wanted["name"] != before.name:
            await _check_name(ctx, str(wanted["name"]))
            columns["name"] = wanted["name"]
        if ZONE in wanted:
            await _check_zone(ctx, before, wanted[ZONE], "update")
            columns["metadata"] = {**before.metadata, ZONE: wanted[ZONE]}
        return await _changed(ctx, before, columns)


async def set_metadata(ctx: Ctx, id_: int, wanted: Mapping[str, str | None]) -> Aggregate:
    """Add these keys, or give them another value; None takes a key away. Raises NotFound, BadRequest."""
    async with ctx.transaction() as ctx:
        await _hold(ctx)
        before = await get(ctx, id_)
        if ZONE in wanted:
            await _check_zone(ctx, before, wanted[ZONE], "update metadata")
        kept = {name: value for name, value in {**before.metadata, **wanted}.items() if value is not None}
        return await _changed(ctx, before, {"metadata": kept})


async def _changed(ctx: Ctx, before: Aggregate, columns: Mapping[str, Any]) -> Aggregate:
    await store.change(ctx, before.id, **columns, changed_at=ctx.now())
    await changed(ctx, AGGREGATE, "updated", before.uuid, project_id=None)
    return await get(ctx, before.id)


async def _check_zone(ctx: Ctx, aggregate: Aggregate, zone: str | None, action: str) -> None:
    """Raises BadRequest when its hosts cannot all be in that zone, or have servers that would change theirs."""
    if not zone:
        why = f"Aggregate {aggregate.name} does not support empty named availability zone"
        raise BadRequest(refusal(action, aggregate.id, why))
    if others := await _other_zones(ctx, aggregate, zone, aggregate.hosts):
        why = f"One or more hosts already in availability zone(s) {others}"
        raise BadRequest(refusal(action, aggregate.id, why))
    if zone != aggregate.zone and any((await hypervisors.guests_of(ctx, aggregate.hosts)).values()):
        raise BadRequest(refusal(action, aggregate.id, "One or more hosts contain instances in this zone"))


def refusal(action: str, id_: int, why: str) -> str:
    return f"Cannot {action} aggregate {id_}. Reason: {why}."


async def _other_zones(ctx: Ctx, aggregate: Aggregate, zone: str, hosts: Collection[str]) -> list[str]:
    """The zones, not this one, that these hosts are in by other aggregates."""
    found = {
        each.zone for within in (await of_hosts(ctx, hosts)).values() for each in within if each.id != aggregate.id
    }
    return sorted(other for other in found if other and other != zone)


async def delete(ctx: Ctx, id_: int) -> None:
    """Raises NotFound; BadRequest while a host is in it."""
    async with ctx.transaction() as ctx:
        await _hold(ctx)
        aggregate = await get(ctx, id_)
        if aggregate.hosts:
            raise BadRequest(refusal("delete", id_, "Host aggregate is not empty"))
        await store.remove(ctx, id_)
        await changed(ctx, AGGREGATE, "deleted", aggregate.uuid, project_id=None)


# its hosts


async def add_host(ctx: Ctx, id_: int, host: str) -> Aggregate:
    """Raises NotFound; Conflict when it is in it, in another zone, or has servers whose zone would change."""
    async with ctx.transaction() as ctx:
        await _hold(ctx)
        if host not in await hypervisors.named(ctx, [host]):
            raise NotFound(f"Compute host {host} could not be found.")
        aggregate = await get(ctx, id_)
        if host in aggregate.hosts:
            raise Conflict(f"Aggregate {id_} already has host {host}.")
        if aggregate.zone and (others := await _other_zones(ctx, aggregate, aggregate.zone, [host])):
            raise Conflict(refusal("add host to", id_, f"One or more hosts already in availability zone(s) {others}"))
        await _check_servers_stay(ctx, aggregate, host, "added to")
        await store.add_host(ctx, id_, host)
        await hypervisors.mirror(ctx, host, into=[aggregate.uuid])
        return await _changed(ctx, aggregate, {})


async def remove_host(ctx: Ctx, id_: int, host: str) -> Aggregate:
    """Raises NotFound; Conflict when it has servers whose zone would change."""
    async with ctx.transaction() as ctx:
        await _hold(ctx)
        aggregate = await _holding(ctx, id_, host)
        await _check_servers_stay(ctx, aggregate, host, "removed from")
        await store.remove_host(ctx, id_, host)
        await hypervisors.mirror(ctx, host, out_of=[aggregate.uuid])
        return await _changed(ctx, aggregate, {})


async def _holding(ctx: Ctx, id_: int, host: str) -> Aggregate:
    missing: CloudError = NotFound(f"Cannot remove host {host} in aggregate {id_}")
    found = await store.list_(ctx, store.aggregates.c.id == id_)
    if not found or host not in found[0].hosts:
        raise missing
    return found[0]


async def _check_servers_stay(ctx: Ctx, aggregate: Aggregate, host: str, verb: str) -> None:
    """Raises Conflict when the host has servers and would leave its zone by this."""
    within = (await of_hosts(ctx, [host]))[host]
    others = [each for each in within if each.id != aggregate.id]
    now, then = zone_of(ctx, within), zone_of(ctx, [*others, aggregate] if verb == "added to" else others)
    count = len((await hypervisors.guests_of(ctx, [host]))[host]) if now != then else 0
    if count:
        why = (
            f"The host cannot be {verb} the aggregate as the availability zone of the host would change from '{now}' to "
            f"'{then}' but the host already has {count} instance(s). Move the instances away from this host then try again"
        )
        raise Conflict(refusal("add host to" if verb == "added to" else "remove host from", aggregate.id, why))


@hypervisors.on_delete
async def forget_host(ctx: Ctx, host: str) -> None:
    await store.forget_host(ctx, host)
