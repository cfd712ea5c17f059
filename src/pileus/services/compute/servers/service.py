"""Servers: what the API and other nouns may ask for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.paging import Page
from pileus.kernel.quota import Claim, claim_all, limits
from pileus.services.compute.hypervisors import service as hypervisors
from pileus.services.compute.hypervisors.service import Guest
from pileus.services.compute.quotas import CORES, INSTANCES, RAM_MIB
from pileus.services.compute.server_groups import service as server_groups
from pileus.services.compute.servers import (
    actions,
    building,
    counts,
    draining,
    guest_data,
    history,
    listing,
    neighbours,
    rules,
    sagas,
    sagas_attach,
    seen,
    store,
    wiring,
)
from pileus.services.compute.servers.draining import Move
from pileus.services.compute.servers.guest_data import Vault
from pileus.services.compute.servers.listing import Search
from pileus.services.compute.servers.neighbours import NOWHERE, Place
from pileus.services.compute.servers.rules import Fault, ImageFacts, Key, status_of
from pileus.services.compute.servers.store import Device, NicRow, Server
from pileus.services.compute.servers.wanted import PersonalFile, WantedDevice, WantedNic, WantedServer
from pileus.services.compute.servers.wiring import Nic
from pileus.services.identity.projects import service as projects
from pileus.services.network.ports import service as ports
from pileus.services.volume.attachments import service as attachments
from pileus.services.volume.volumes import service as volumes

__all__ = [
    "Beside",
    "Device",
    "Fault",
    "ImageFacts",
    "Key",
    "Move",
    "Nic",
    "NicRow",
    "PersonalFile",
    "Place",
    "Search",
    "Server",
    "WantedDevice",
    "WantedNic",
    "WantedServer",
    "create",
    "delete",
    "drain",
    "get",
    "plan_drain",
    "status_of",
]

SERVER = "compute.server"


Beside = tuple[tuple[Nic, ...], Place]
"""What is shown of a server beside its row: its NICs in their order, where it is."""


class Made(msgspec.Struct, frozen=True):
    """What was made of one request."""

    servers: Sequence[Server]
    admin_pass: str
    reservation_id: str


def unknown(server_id: object) -> NotFound:
    return NotFound(f"Instance {server_id} could not be found.")


async def get(ctx: Ctx, server_id: UUID, rule: str = "") -> Server:
    """A server on which the caller may do what `rule` (the route's, unless one is named) guards. Raises NotFound."""
    found = await store.find(ctx, server_id)
    if found is None or not ctx.world.policy.allows(rule or ctx.rule, ctx.caller, target(found)):
        raise unknown(server_id)
    return found


async def ever(ctx: Ctx, server_id: UUID, *, deleted: bool) -> Server:
    """As `get`; with `deleted` also one that is not there any more."""
    found = await store.find_any(ctx, server_id)
    gone = found is None or (found.deleted_at is not None and not deleted)
    if found is None or gone or not ctx.world.policy.allows(ctx.rule, ctx.caller, target(found)):
        raise unknown(server_id)
    return found


def target(server: Server) -> dict[str, Any]:
    return {"project_id": server.project_id, "user_id": server.user_id}


async def row(ctx: Ctx, server_id: UUID) -> seen.Row:
    """As `get`, a row of all that is shown. Raises NotFound."""
    found = await seen.find(ctx, server_id)
    if found is None:
        raise unknown(server_id)
    project_id, user_id = seen.owner_of(found)
    if not ctx.world.policy.allows(ctx.rule, ctx.caller, {"project_id": project_id, "user_id": user_id}):
        raise unknown(server_id)
    return found


async def beside(ctx: Ctx, rows: Collection[seen.Row]) -> list[Beside]:
    """What is shown of each of these servers beside its row, in their order."""
    ports_of = [*map(seen.ports_of, rows)]
    async with ctx.read() as ctx:
        nics = await wiring.shown(ctx, [each for port_ids in ports_of for each in port_ids])
        places = await neighbours.places(ctx, {host for host in map(seen.host_of, rows) if host})
    its = [tuple([nics[each] for each in ids if each in nics]) if ids else () for ids in ports_of]
    return [(mine, places.get(seen.host_of(row), NOWHERE)) for mine, row in zip(its, rows, strict=True)]


async def page(ctx: Ctx, search: Search, *, brief: bool) -> Page:
    """Rows of the caller's project's servers, or of all: of all that is shown, or (`brief`) of ids and names. Raises BadRequest."""
    found = [store.with_a_port_in(select) for select in wiring.with_addresses(ctx, search.addresses)]
    return await listing.page(ctx, seen.BRIEF if brief else seen.WHOLE, search, *found)


async def change(ctx: Ctx, server: Server, **columns: Any) -> None:
    """Write these columns of a server. Raises NotFound."""
    async with ctx.transaction() as ctx:
        await store.change(ctx, server.id, **columns)
        await changed(ctx, SERVER, "updated", server.id, project_id=server.project_id)
        if await store.find(ctx, server.id) is None:
            raise unknown(server.id)


async def create(ctx: Ctx, wanted: WantedServer) -> Made:
    """Record servers and start building them: one transaction. They are in BUILD when this returns.

    Raises BadRequest, Forbidden, OverQuota, Conflict, NotFound.
    """
    async with ctx.read() as reading:
        plan = await building.planned(reading, wanted)
        nics = await wiring.plan_nics(reading, wanted.networks)
        amount = await _fitting(reading, plan)
    group_ids = await wiring.groups_named(ctx, wanted.groups) if nics else None
    if wanted.most > 1 and any(nic.port_id or nic.fixed_ip for nic in nics):
        raise BadRequest("Cannot attach one or more ports or fixed addresses to multiple instances")
    if wanted.most > 1 and any(each.source == "volume" for each in plan.devices):
        raise BadRequest("Cannot attach one or more volumes to multiple instances")
    admin_pass = wanted.admin_pass or building.password()
    reservation_id = f"r-{ctx.world.ids.hex()[:8]}"
    async with ctx.transaction() as ctx:
        rows = [_row(ctx, plan, n, reservation_id, admin_pass) for n in range(amount)]
        begin = sagas.create_server.start
        begun = {row.id: await begin(ctx, row.id, host=plan.host, forced=plan.forced) for row in by_id(rows)}
        await _claim(ctx, plan, amount)
        await projects.hold(ctx, ctx.caller.project_id or "")
        await store.add(ctx, rows)
        for row in rows:
            await history.note(ctx, row.id, begun[row.id], sagas.create_server)
            await store.add_tags(ctx, row.id, wanted.tags)
            await store.add_devices(ctx, building.device_rows(ctx, plan, row.id))
            await changed(ctx, SERVER, "created", row.id, project_id=row.project_id)
        await _wire(ctx, rows, nics, group_ids)
        await _reserve(ctx, rows)
    return Made(rows, admin_pass, reservation_id)


def by_id(rows: Sequence[Server]) -> list[Server]:
    """In the order in which subjects are locked."""
    return sorted(rows, key=lambda row: row.id)


async def _fitting(ctx: Ctx, plan: building.Plan) -> int:
    """How many of those that were asked for fit into the quota, as far as can be seen: at least the least."""
    wanted, project_id = plan.wanted, ctx.caller.project_id or ""
    if wanted.most == wanted.least:
        return wanted.least
    each = {"instances": 1, "cores": plan.flavor.vcpus, "ram": plan.flavor.memory_mib}
    known = await limits(ctx, "compute", list(each), project_id)
    used = [counts.count_of([project_id]), counts.cores_of([project_id]), counts.memory_of([project_id])]
    row = (await ctx.execute(sa.select(*(query.scalar_subquery() for query in used)))).one()
    room = [
        (known[name] - int(now or 0)) // each[name] for name, now in zip(each, row, strict=True) if known[name] >= 0
    ]
    return max(wanted.least, min([wanted.most, *room]))


async def _claim(ctx: Ctx, plan: building.Plan, amount: int) -> None:
    """Raises OverQuota."""
    claims = [
        Claim(INSTANCES, amount, counts.count_of),
        Claim(CORES, amount * plan.flavor.vcpus, counts.cores_of),
        Claim(RAM_MIB, amount * plan.flavor.memory_mib, counts.memory_of),
    ]
    await claim_all(ctx, ctx.caller.project_id or "", claims)
    if plan.group is not None:
        await server_groups.claim_members(ctx, plan.group, amount, counts.members_of(plan.group.id))


def _row(ctx: Ctx, plan: building.Plan, n: int, reservation_id: str, admin_pass: str) -> Server:
    wanted, server_id = plan.wanted, ctx.world.ids.uuid()
    name = wanted.name if wanted.most == 1 else f"{wanted.name}-{n + 1}"
    now = ctx.now()
    vault = Vault(admin_pass, [(f.path, f.contents) for f in wanted.files], ctx.world.ids.hex())
    return Server(
        id=server_id,
        project_id=ctx.caller.project_id or "",
        user_id=ctx.caller.user_id,
        name=name,
        hostname=wanted.hostname or rules.hostname_of(name, f"server-{server_id}"),
        description=wanted.description,
        task_state="scheduling",
        flavor_id=plan.flavor.id,
        flavor=plan.flavor,
        vcpus=plan.flavor.vcpus,
        memory_mib=plan.flavor.memory_mib,
        image_id=wanted.image_id,
        image=plan.image,
        key_name=wanted.key_name,
        key=plan.key,
        zone=plan.zone,
        metadata=wanted.metadata,
        user_data=guest_data.sealed_user_data(ctx, wanted.user_data),
        config_drive=wanted.config_drive or plan.image.properties.get("img_config_drive") == "mandatory",
        disk_config=wanted.disk_config
        or ("AUTO" if plan.image.properties.get("auto_disk_config") == "True" else "MANUAL"),
        hints=wanted.hints,
        group_id=plan.group.id if plan.group else None,
        access_ipv4=wanted.access_ipv4,
        access_ipv6=wanted.access_ipv6,
        reservation_id=reservation_id,
        launch_index=n,
        sealed=guest_data.sealed(ctx, vault),
        created_at=now,
        updated_at=now,
    )


async def _reserve(ctx: Ctx, servers: Sequence[Server]) -> None:
    """Volumes that are there already are these servers' from now on. Raises NotFound, BadRequest."""
    for device in await store.devices_of(ctx, [server.id for server in servers]):
        if device.volume_id is not None:
            if device.boot_index == 0 and not (await volumes.get(ctx, device.volume_id)).bootable:
                raise BadRequest(f"Block Device {device.volume_id} is not bootable.")
            await attachments.reserve(ctx, device.volume_id, server_id=device.server_id, attachment_id=device.id)


async def _wire(
    ctx: Ctx, servers: Sequence[Server], nics: Sequence[WantedNic], group_ids: Sequence[UUID] | None
) -> None:
    """Their ports: those of all at once, for the order of locks."""
    wanted = [(nic, server) for server in servers for nic in nics]
    if not wanted:
        return
    port_ids = await wiring.make_ports(ctx, wanted, group_ids)
    if taken := await store.ports_taken(ctx, port_ids):
        raise wiring.port_in_use(taken[0])
    rows = [
        NicRow(
            id=ctx.world.ids.uuid(),
            port_id=port_id,
            server_id=server.id,
            position=n % len(nics),
            ours=nic.port_id is None,
            tag=nic.tag,
        )
        for n, ((nic, server), port_id) in enumerate(zip(wanted, port_ids, strict=True))
    ]
    await store.add_nics(ctx, rows)


async def delete(ctx: Ctx, server: Server) -> None:
    """Deletion wins over whatever runs. May be repeated. Raises Conflict for a locked server."""
    async with ctx.transaction() as ctx:
        actions.refuse_locked(ctx, server)
        await _delete(ctx, server.id)
        await changed(ctx, SERVER, "updated", server.id, project_id=server.project_id)


async def _delete(ctx: Ctx, server_id: UUID) -> None:
    operation_id = await sagas.delete_server.supersede(ctx, server_id)
    await history.note(ctx, server_id, operation_id, sagas.delete_server)
    await store.change(ctx, server_id, task_state="deleting")


@hypervisors.guests
async def guests_of(ctx: Ctx, names: Sequence[str]) -> list[Guest]:
    """The servers that have a place on these hosts."""
    found = await counts.on_hosts(ctx, names)
    return [Guest(id=str(row.id), name=row.name, host=row.host, busy=row.task_state is not None) for row in found]


@ports.going
async def ports_gone(ctx: Ctx, gone: Sequence[ports.Port]) -> None:
    """What is deleted in Networking is unplugged as an interface that is detached, whatever is being done with it."""
    for nic in await store.nics_at(ctx, [port.id for port in gone]):
        operation_id = await sagas_attach.detach_interface.supersede(ctx, nic.id, server_id=str(nic.server_id))
        await history.note(ctx, nic.server_id, operation_id, sagas_attach.detach_interface)


@projects.owner("compute.server")
async def owned(ctx: Ctx, ids: Sequence[str]) -> projects.Owned:
    return projects.Owned(*await counts.owned(ctx, ids))


@owned.delete
async def delete_owned(ctx: Ctx, ids: Sequence[str]) -> int:
    """Begin to delete a few of those that nobody is deleting."""
    found = await counts.not_going(ctx, ids, 20)
    for server_id in found:
        await _delete(ctx, server_id)
    return len(found)


async def tags_of(ctx: Ctx, server: Server) -> list[str]:
    return (await store.tags_of(ctx, [server.id])).get(server.id, [])


purge = counts.purge
plan_drain = draining.plan
drain = draining.drain


async def by_ids(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, Server]:
    return await store.by_ids(ctx, ids)
