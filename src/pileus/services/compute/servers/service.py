"""Servers: what the API and other nouns may ask for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.paging import Page
from pileus.kernel.quota import Claim, claim_all, limits
from pileus.services.compute.quotas import CORES, INSTANCES, RAM_MIB
from pileus.services.compute.servers import building, guest_data, listing, neighbours, rules, sagas, store
from pileus.services.compute.servers.guest_data import Vault
from pileus.services.compute.servers.listing import Search
from pileus.services.compute.servers.neighbours import Wire
from pileus.services.compute.servers.rules import Fault, ImageFacts, Key, status_of
from pileus.services.compute.servers.store import Device, NicRow, Server
from pileus.services.compute.servers.wanted import PersonalFile, WantedDevice, WantedNic, WantedServer
from pileus.services.identity.projects import service as projects

__all__ = [
    "Beside",
    "Device",
    "Fault",
    "ImageFacts",
    "Key",
    "NicRow",
    "PersonalFile",
    "Search",
    "Server",
    "WantedDevice",
    "WantedNic",
    "WantedServer",
    "Wire",
    "create",
    "delete",
    "get",
    "status_of",
]

SERVER = "compute.server"


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What else is shown of a server: its NICs in their order, its disks, its tags, where it is."""

    wires: Sequence[Wire]
    devices: Sequence[Device]
    tags: Sequence[str]
    zone: str
    host_status: str


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


def target(server: Server) -> dict[str, Any]:
    return {"project_id": server.project_id, "user_id": server.user_id}


async def beside(ctx: Ctx, servers: Collection[Server]) -> dict[UUID, Beside]:
    """What is shown of each of these servers beside its row."""
    ids = [server.id for server in servers]
    async with ctx.read() as ctx:
        nics = await store.nics_of(ctx, ids)
        wires = await neighbours.wires(ctx, [nic.port_id for nic in nics])
        devices = await store.devices_of(ctx, ids)
        tags = await store.tags_of(ctx, ids)
        places = await neighbours.places(ctx, {server.host for server in servers if server.host})
    return {
        server.id: Beside(
            wires=[wires[nic.port_id] for nic in nics if nic.server_id == server.id and nic.port_id in wires],
            devices=[device for device in devices if device.server_id == server.id],
            tags=tags.get(server.id, []),
            zone=places[server.host][0] if server.host else server.zone or "",
            host_status=places[server.host][1] if server.host else "",
        )
        for server in servers
    }


async def page(ctx: Ctx, search: Search) -> tuple[list[Server], Page]:
    """The caller's project's servers, or all. Raises BadRequest."""
    found = neighbours.with_addresses(ctx, store.servers.c.id, search.addresses)
    return await listing.page(ctx, search, *found)


async def change(ctx: Ctx, server: Server, **columns: Any) -> Server:
    """Write these columns of a server. Returns it as it is then."""
    async with ctx.transaction() as ctx:
        await store.change(ctx, server.id, **columns)
        await changed(ctx, SERVER, "updated", server.id, project_id=server.project_id)
        found = await store.find(ctx, server.id)
    if found is None:
        raise unknown(server.id)
    return found


async def create(ctx: Ctx, wanted: WantedServer) -> Made:
    """Record servers and start building them: one transaction. They are in BUILD when this returns.

    Raises BadRequest, Forbidden, OverQuota, Conflict, NotFound.
    """
    async with ctx.read() as reading:
        plan = await building.planned(reading, wanted)
        nics = await neighbours.plan_nics(reading, wanted.networks)
        amount = await _fitting(reading, plan)
    if wanted.most > 1 and any(nic.port_id or nic.fixed_ip for nic in nics):
        raise BadRequest("Cannot attach one or more ports or fixed addresses to multiple instances")
    if wanted.most > 1 and any(each.source == "volume" for each in plan.devices):
        raise BadRequest("Cannot attach one or more volumes to multiple instances")
    admin_pass = wanted.admin_pass or building.password()
    reservation_id = f"r-{ctx.world.ids.hex()[:8]}"
    async with ctx.transaction() as ctx:
        rows = [_row(ctx, plan, n, reservation_id, admin_pass) for n in range(amount)]
        for row in sorted(rows, key=lambda row: row.id):
            await sagas.create_server.start(ctx, row.id, host=plan.host, forced=plan.forced)
        await _claim(ctx, plan, amount)
        await projects.hold(ctx, ctx.caller.project_id or "")
        await store.add(ctx, rows)
        for row in rows:
            await store.add_tags(ctx, row.id, wanted.tags)
            await store.add_devices(ctx, building.device_rows(ctx, plan, row.id))
            await _wire(ctx, row, nics, wanted.groups)
            await changed(ctx, SERVER, "created", row.id, project_id=row.project_id)
    return Made(rows, admin_pass, reservation_id)


async def _fitting(ctx: Ctx, plan: building.Plan) -> int:
    """How many of those that were asked for fit into the quota, as far as can be seen: at least the least."""
    wanted, project_id = plan.wanted, ctx.caller.project_id or ""
    if wanted.most == wanted.least:
        return wanted.least
    each = {"instances": 1, "cores": plan.flavor.vcpus, "ram": plan.flavor.memory_mib}
    known = await limits(ctx, "compute", list(each), project_id)
    used = [store.count_of([project_id]), store.cores_of([project_id]), store.memory_of([project_id])]
    row = (await ctx.execute(sa.select(*(query.scalar_subquery() for query in used)))).one()
    room = [
        (known[name] - int(now or 0)) // each[name] for name, now in zip(each, row, strict=True) if known[name] >= 0
    ]
    return max(wanted.least, min([wanted.most, *room]))


async def _claim(ctx: Ctx, plan: building.Plan, amount: int) -> None:
    """Raises OverQuota."""
    claims = [
        Claim(INSTANCES, amount, store.count_of),
        Claim(CORES, amount * plan.flavor.vcpus, store.cores_of),
        Claim(RAM_MIB, amount * plan.flavor.memory_mib, store.memory_of),
    ]
    await claim_all(ctx, ctx.caller.project_id or "", claims)


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
        image_id=plan.image.id if plan.devices[0].destination == "local" else None,
        image=plan.image,
        key_name=wanted.key_name,
        key=plan.key,
        zone=plan.zone,
        metadata=wanted.metadata,
        user_data=wanted.user_data,
        config_drive=wanted.config_drive or plan.image.properties.get("img_config_drive") == "mandatory",
        disk_config=wanted.disk_config
        or ("AUTO" if plan.image.properties.get("auto_disk_config") == "True" else "MANUAL"),
        hints=wanted.hints,
        group_id=plan.group_id,
        access_ipv4=wanted.access_ipv4,
        access_ipv6=wanted.access_ipv6,
        reservation_id=reservation_id,
        launch_index=n,
        sealed=guest_data.sealed(ctx, vault),
        created_at=now,
        updated_at=now,
    )


async def _wire(ctx: Ctx, server: Server, nics: Sequence[WantedNic], groups: Sequence[str] | None) -> None:
    rows = [
        NicRow(
            port_id=await neighbours.make_port(ctx, nic, server.id, groups),
            server_id=server.id,
            position=n,
            ours=nic.port_id is None,
            tag=nic.tag,
        )
        for n, nic in enumerate(nics)
    ]
    await store.add_nics(ctx, rows)


async def delete(ctx: Ctx, server: Server) -> None:
    """Deletion wins over whatever runs. May be repeated. Raises Conflict for a locked server."""
    async with ctx.transaction() as ctx:
        refuse_locked(ctx, server)
        await _delete(ctx, server.id)
        await changed(ctx, SERVER, "updated", server.id, project_id=server.project_id)


async def _delete(ctx: Ctx, server_id: UUID) -> None:
    await sagas.delete_server.supersede(ctx, server_id)
    await store.change(ctx, server_id, task_state="deleting")


def refuse_locked(ctx: Ctx, server: Server) -> None:
    """Raises Conflict for a locked server, but for administrators."""
    if server.locked_by is not None and not ctx.world.policy.allows("compute/context_is_admin", ctx.caller, {}):
        raise Conflict(f"Instance {server.id} is locked")


@projects.owner("compute.server")
async def owned(ctx: Ctx, ids: Sequence[str]) -> projects.Owned:
    return projects.Owned(*await store.owned(ctx, ids))


@owned.delete
async def delete_owned(ctx: Ctx, ids: Sequence[str]) -> int:
    """Begin to delete a few of those that nobody is deleting."""
    found = await store.not_going(ctx, ids, 20)
    for server_id in found:
        await _delete(ctx, server_id)
    return len(found)


async def by_ids(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, Server]:
    return await store.by_ids(ctx, ids)
