"""What `pileus verify` looks at: the guests that hosts have, and what other services hold for servers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.engines.hypervisor import DomainFacts, Hypervisor, LocalDisk, Power, VolumeDisk
from pileus.kernel import verify
from pileus.kernel.context import Ctx
from pileus.kernel.paging import one_by_one
from pileus.kernel.verify import Difference, Looking
from pileus.services.compute.hypervisors import service as hypervisors
from pileus.services.compute.quotas import CORES, INSTANCES, RAM_MIB, counts
from pileus.services.compute.scheduler import service as scheduler
from pileus.services.compute.servers import rules, shape, store, wiring, wish
from pileus.services.compute.servers.sagas_disks import RESIZED
from pileus.services.compute.servers.store import Device, NicRow, Server
from pileus.services.network.ports import service as ports
from pileus.services.network.ports.service import Port
from pileus.services.placement.allocations import service as allocations
from pileus.services.volume.attachments import service as attachments
from pileus.services.volume.attachments.service import Attachment

POWERS = {rules.RUNNING: Power.ON, rules.PAUSED: Power.PAUSED, rules.SHUTDOWN: Power.OFF, rules.CRASHED: Power.OFF}
REBOOT = "Reboot it hard: its guest is defined anew from its rows."
POWER = "Start or stop it, whichever it shall be."
STRAY = "No server is to have a guest there: look at it, then remove it from the host with its own tools."
NO_DISKS = "Rebuild it, or delete it: what was on its disks is not there."
TWICE = "Confirm or revert its migration: one of the two guests goes."
DETACH = "Detach it and attach it again."


class Whole(msgspec.Struct, frozen=True):
    """A server with all that its guest is made of."""

    server: Server
    devices: Sequence[Device]
    nics: Sequence[NicRow]

    @property
    def parts(self) -> list[UUID]:
        """Whose operations change the guest, beside the server's own."""
        return [*(device.id for device in self.devices), *(nic.id for nic in self.nics)]

    def differs(self, cause: str) -> Difference:
        server = self.server
        found = Difference(subject="server", subject_id=str(server.id), cause=cause, host=server.host)
        return verify.beside(found, *self.parts)


async def in_pages(ctx: Ctx) -> AsyncIterator[list[Whole]]:
    """All servers that are not deleted, some at a time."""
    async for servers in store.in_pages(ctx):
        ids = [server.id for server in servers]
        devices, nics = defaultdict(list), defaultdict(list)
        for device in await store.devices_of(ctx, ids):
            devices[device.server_id].append(device)
        for nic in await store.nics_of(ctx, ids):
            nics[nic.server_id].append(nic)
        yield [Whole(server, devices[server.id], nics[server.id]) for server in servers]


# guests


@verify.check("compute.guests")
async def guests_are_what_the_rows_say(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """Each server with a host has its guest there, with this power, these disks and NICs; and nobody else has one."""
    hosts: dict[str, dict[UUID, DomainFacts]] = await looking.everywhere(Hypervisor.KIND)
    named: dict[str, set[UUID]] = defaultdict(set)
    async for whole in one_by_one(in_pages(ctx)):
        host, old_host = whole.server.host, whole.server.old_host
        if host in hosts:
            named[host].add(whole.server.id)
            for cause in unlike(whole, hosts[host].get(whole.server.id)):
                yield whole.differs(cause)
        if old_host in hosts:
            named[old_host].add(whole.server.id)
            guest = hosts[old_host].get(whole.server.id)
            if guest is not None and guest.power is not Power.OFF:
                yield whole.differs(f"It was moved from {old_host}, and is {guest.power} there, too. {TWICE}")
    for host, seen in hosts.items():
        for id_ in seen.keys() - named[host]:
            cause = f"No row says that it is there, and it is {seen[id_].power}. {STRAY}"
            yield Difference(subject="guest", subject_id=str(id_), cause=cause, host=host)


def unlike(whole: Whole, guest: DomainFacts | None) -> Iterator[str]:
    """In which ways a guest is not what its rows say."""
    server = whole.server
    if guest is None:
        yield f"The rows say that its guest is there, and it is not. {NO_DISKS}"
        return
    if not guest.defined:
        yield f"The rows say that its guest is defined, and the host has only disks of it. {REBOOT}"
        return
    power = Power.SUSPENDED if server.vm_state == "suspended" else POWERS.get(server.power_state)
    if power not in (None, guest.power):
        yield f"The rows say that it is {power}, and it is {guest.power}. {POWER}"
    wanted = wish.disks(server, whole.devices, {})
    local, volumes = local_disks(whole, wanted), {disk.id for disk in wanted if isinstance(disk, VolumeDisk)}
    for name, rows, seen, way_out in (
        ("disks", local, set(guest.disks), NO_DISKS),
        ("attachments", volumes, set(guest.volumes), REBOOT),
        ("ports", {nic.port_id for nic in whole.nics if nic.plugged}, set(guest.nics), REBOOT),
    ):
        if rows != seen:
            yield f"The rows say that it has the {name} {listed(rows)}, and it has {listed(seen)}. {way_out}"


def local_disks(whole: Whole, wanted: Iterable[object]) -> set[str]:
    """By name, with the root as it was before a resize that is not confirmed."""
    names = {disk.name for disk in wanted if isinstance(disk, LocalDisk)}
    resized = whole.server.old_flavor is not None and whole.server.old_host is None
    kept = resized and shape.has_local_root(whole.devices)
    return names | {f"root@{RESIZED}"} if kept else names


def listed(names: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, names))) or "none"


@verify.check("compute.tasks")
async def what_is_being_done_is_done_by_an_operation(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """A server that is being worked on has an operation that does so."""
    async for whole in one_by_one(in_pages(ctx)):
        server = whole.server
        if server.task_state is not None or server.vm_state == "building":
            what = server.task_state or server.vm_state
            way_out = "Reset its state and reboot it hard, or delete it."
            yield whole.differs(f"The row says {what}, and no operation is at work on it. {way_out}")
        elif server.shaper is not None:
            cause = f"Its shape is held by the operation {server.shaper}, which is at work no more."
            yield whole.differs(f"{cause} Reboot it hard.")


# ports


@verify.check("compute.interfaces")
async def interfaces_have_their_ports(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """Each interface has a port that is its server's, bound to its host; and a port of a server's is its interface."""
    known: set[UUID] = set()
    async for some in in_pages(ctx):
        pairs = [(whole, nic) for whole in some for nic in whole.nics]
        there = await ports.by_ids(ctx, [nic.port_id for _, nic in pairs])
        known |= {nic.port_id for _, nic in pairs}
        for whole, nic in pairs:
            for cause in misbound(whole.server, nic, there.get(nic.port_id)):
                yield verify.beside(whole.differs(cause), *whole.parts, nic.port_id)
    async for port in one_by_one(ports.in_pages(ctx, ports.is_of(wiring.OWNER))):
        if port.id not in known:
            cause = f"The port says that it is of server {port.device_id}, which has no such interface."
            way_out = "Clear its device_id and device_owner, or delete it."
            found = Difference(subject="port", subject_id=str(port.id), cause=f"{cause} {way_out}", host=port.host)
            yield verify.beside(found, port.device_id)


def misbound(server: Server, nic: NicRow, port: Port | None) -> Iterator[str]:
    if port is None:
        yield f"Its rows say port {nic.port_id}, and there is no such port. Detach the interface."
    elif port.device_id != str(server.id):
        yield f"Its rows say port {port.id}, which says device {port.device_id or 'none'}. {DETACH}"
    elif server.host is not None and port.host != server.host:
        yield f"It is on {server.host}, and its port {port.id} is bound to {port.host or 'no host'}. {DETACH}"


# volumes


@verify.check("compute.attachments")
async def attached_volumes_are_attached(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """Block Storage has an attachment for each volume of a server that is on a host, and none for one that is gone."""
    async for some in store.volumes_in_pages(ctx):
        known = await attachments.by_ids(ctx, [device.id for device, _ in some])
        placed = {id_ for id_, each in (await store.by_ids(ctx, {d.server_id for d, _ in some})).items() if each.host}
        for device, is_there in some:
            cause = misattached(device, known.get(device.id), is_there, placed)
            if cause is not None:
                found = Difference(subject="attachment", subject_id=str(device.id), cause=cause)
                yield verify.beside(found, device.server_id, device.volume_id)


def misattached(device: Device, attachment: Attachment | None, is_there: bool, placed: Collection[UUID]) -> str | None:
    if not is_there:
        if attachment is None:
            return None
        return f"The server {device.server_id} is deleted, and volume {device.volume_id} is {attachment.status} for it. {DETACH}"
    if attachment is None:
        if device.server_id not in placed:
            return None
        return f"The server {device.server_id} has volume {device.volume_id}, which has no such attachment. {DETACH}"
    if (attachment.server_id, attachment.volume_id) != (device.server_id, device.volume_id):
        return f"The server {device.server_id} has volume {device.volume_id} by it, which says otherwise. {DETACH}"
    if device.plugged and device.connection is not None and attachment.status != "attached":
        return f"The guest of {device.server_id} has volume {device.volume_id}, and it is {attachment.status}. {DETACH}"
    return None


# Placement


@verify.check("compute.allocations")
async def allocations_are_what_flavors_say(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """Placement has of each server on a host what its flavor uses of that, and of no other server anything."""
    providers = {each.name: each.id for each in await hypervisors.list_(ctx)}
    users: set[str] = set()
    async for some in in_pages(ctx):
        held: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
        for row in await allocations.of_consumers(ctx, [str(whole.server.id) for whole in some]):
            held[row.consumer_id][row.provider_id][row.resource_class] = row.used
        for whole in some:
            users.add(str(whole.server.id))
            wanted = promised(whole, providers)
            found = {name: dict(amounts) for name, amounts in held[str(whole.server.id)].items()}
            if wanted != found:
                cause = f"Its flavor and host say {said(wanted)}, and Placement has {said(found)}."
                yield whole.differs(
                    f"{cause} Put its allocations right with `openstack resource provider allocation set`."
                )
    for provider_id in providers.values():
        for consumer in (await allocations.consumers_of(ctx, provider_id)).values():
            if consumer.consumer_type == scheduler.CONSUMER_TYPE and consumer.id not in users:
                cause = f"It uses {provider_id}, and there is no such server."
                way_out = "Free that with `openstack resource provider allocation delete`."
                yield Difference(subject="allocation", subject_id=consumer.id, cause=f"{cause} {way_out}")


def promised(whole: Whole, providers: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """What Placement shall have of a server, by provider and class."""
    server = whole.server
    if server.host is None:
        return {}
    wanted = {**shape.left_behind(server, whole.devices), server.host: shape.resources(server, whole.devices)}
    return {providers[host]: amounts for host, amounts in wanted.items() if amounts and host in providers}


def said(amounts: Mapping[str, Mapping[str, int]]) -> str:
    each = (f"{number} {name} of {id_}" for id_, of in sorted(amounts.items()) for name, number in sorted(of.items()))
    return ", ".join(each) or "nothing"


# quotas


@verify.check("compute.quotas")
async def quotas_count_the_servers_there_are(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """Of each project: quotas count its servers, and what their flavors have."""
    there: dict[str, dict[str, int]] = defaultdict(lambda: {each.resource: 0 for each in (INSTANCES, CORES, RAM_MIB)})
    async for server in one_by_one(store.in_pages(ctx)):
        flavors = [flavor for flavor in (server.flavor, server.old_flavor) if flavor is not None]
        amounts = there[server.project_id]
        amounts[INSTANCES.resource] += 1
        amounts[CORES.resource] += max(flavor.vcpus for flavor in flavors)
        amounts[RAM_MIB.resource] += max(flavor.memory_mib for flavor in flavors)
    for project_id, amounts in sorted(there.items()):
        counted = [counts[name]([project_id]).scalar_subquery() for name in amounts]
        row = (await ctx.execute(sa.select(*counted))).one()
        for (name, amount), number in zip(amounts.items(), row, strict=True):
            if int(number or 0) != amount:
                cause = f"Its quota counts {int(number or 0)} of {name}, and its servers have {amount}."
                way_out = "Resize a server of it, or delete it: each writes anew what is counted of it."
                yield Difference(subject="project", subject_id=project_id, cause=f"{cause} {way_out}")
