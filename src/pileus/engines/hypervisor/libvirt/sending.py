"""Guests that go from host to host while they run: libvirt sends them to another libvirtd, on the `road`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree.ElementTree import Element, fromstring, tostring

import libvirt
import msgspec

from pileus.engines.hypervisor import Domain, LocalDisk, Progress, VolumeDisk
from pileus.engines.hypervisor.libvirt.connection import Connection, domain_of
from pileus.engines.hypervisor.libvirt.guest import Disk, Guest
from pileus.engines.hypervisor.libvirt.plugging import devices_of
from pileus.engines.hypervisor.libvirt.refusal import Refusal, qemu_img
from pileus.engines.hypervisor.libvirt.road import CONTROL, DISKS, INSIDE, MEMORY, Road, Way
from pileus.engines.hypervisor.libvirt.xml import ALIAS, Site, alias_of, element, volume_element
from pileus.engines.verbs import Going
from pileus.kernel.clock import Clock
from pileus.kernel.errors import Unavailable

logger = logging.getLogger("pileus.libvirt")
LOOK_S = 0.2
ABORTS_WITHIN_S = 30.0
ON_ITS_WAY = Going(0, "the guest is on its way")
SENT = "sent"  # a file in the folder of a guest that has gone
FORMAT = "qcow2"
FLAGS = (
    libvirt.VIR_MIGRATE_LIVE
    | libvirt.VIR_MIGRATE_PEER2PEER
    | libvirt.VIR_MIGRATE_PERSIST_DEST
    | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
    | libvirt.VIR_MIGRATE_AUTO_CONVERGE
    | libvirt.VIR_MIGRATE_UNSAFE  # who may write to a volume is said by its exports, not by file systems
)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What a host needs to know of the one where its guest is awaited. `disks`: those that are another thing there, by alias."""

    way: Way
    home: str
    disks: dict[str, str]


class Sending:
    """The guests that are under way from here, and those awaited here."""

    def __init__(self, connection: Connection, road: Road, site: Site, clock: Clock) -> None:
        self._connection, self._road, self._site, self._clock = connection, road, site, clock
        self.aborts_within_s = ABORTS_WITHIN_S
        self._going: dict[UUID, asyncio.Task[None]] = {}
        self._hurried: set[UUID] = set()
        self._seen: dict[UUID, Going] = {}

    async def wait_for(self, wish: Domain, guest: Guest, source: str, sizes: Mapping[str, int]) -> Place:
        """Its disks are here, empty, and that host may send it."""
        (guest.home / SENT).unlink(missing_ok=True)
        if await self._connection.call(domain_of, guest.id) is None:
            await make_disks(wish, guest, sizes)
        disks = {alias_of(disk): tostring(found, encoding="unicode") for disk, found in self._elsewhere(wish, guest)}
        return Place(way=await self._road.open(guest.id, source), home=str(guest.home), disks=disks)

    def _elsewhere(self, wish: Domain, guest: Guest) -> list[tuple[LocalDisk | VolumeDisk, Element]]:
        """The disks as they are here: what they are made of, alone."""
        found: list[tuple[LocalDisk | VolumeDisk, Element]] = []
        for disk in wish.disks:
            if isinstance(disk, VolumeDisk):
                found.append((disk, volume_element(disk, self._site)))
            else:
                made = Element("disk", type="file", device="disk")
                element(made, "driver", name="qemu", type=FORMAT, cache="none", discard="unmap")
                element(made, "source", file=guest.disk_path(disk.name))
                found.append((disk, made))
        return found

    async def send(self, guest: Guest, place: Place) -> Going | None:
        """None once it has gone. Raises Refusal, libvirtError."""
        if (guest.home / SENT).exists():
            return None
        task = self._going.get(guest.id)
        if task is None:
            task = self._going[guest.id] = asyncio.create_task(self._go(guest, place), name=f"send {guest.id}")
        await asyncio.wait({task}, timeout=LOOK_S)
        if not task.done():
            return self._seen.get(guest.id, ON_ITS_WAY)
        self._going.pop(guest.id, None)
        self._seen.pop(guest.id, None)
        task.result()
        return None

    async def _go(self, guest: Guest, place: Place) -> None:
        await self._connection.call(check_runs, guest.id)
        async with self._road.leading(guest.id, place.way):
            work = asyncio.create_task(asyncio.to_thread(migrate, self._connection.now, guest, place))
            work.add_done_callback(lambda work: work.cancelled() or work.exception())  # who calls it off does not ask
            watch = asyncio.create_task(self._watch(guest.id))
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                await self.call_off(guest.id, work)
                raise
            finally:
                watch.cancel()
                if guest.id in self._hurried:
                    self._hurried.discard(guest.id)
                    await self._connection.call(resume, guest.id)
        (guest.home / SENT).touch()

    async def call_off(self, guest_id: UUID, work: asyncio.Future[None]) -> None:
        """It goes no more. A libvirtd that does not let go of it is ended, guests run on: one was seen to wait for ever for the
        end of a copy that had ended."""
        aborting = asyncio.create_task(self._abort(guest_id, work))
        done, _ = await asyncio.wait({aborting}, timeout=self.aborts_within_s)
        if not done:
            aborting.cancel()
            logger.warning("libvirtd calls no migration off, and is ended.", extra={"facts": {"guest": guest_id}})
            await self._road.daemon.stop()
            await asyncio.wait({work})

    async def _abort(self, guest_id: UUID, work: asyncio.Future[None]) -> None:
        while not work.done():  # it may not have begun yet
            with suppress(Unavailable, libvirt.libvirtError):
                await self._connection.call(abort, guest_id)
            await asyncio.wait({work}, timeout=LOOK_S)

    async def _watch(self, guest_id: UUID) -> None:
        """libvirt may take its time to say how far it is: nobody waits for that."""
        while True:
            with suppress(libvirt.libvirtError, Unavailable):
                self._seen[guest_id] = await self._connection.call(progress, guest_id)
            await self._clock.sleep(LOOK_S)

    async def call_back(self, guest_id: UUID) -> None:
        """It does not go any more, if it has not gone."""
        task = self._going.pop(guest_id, None)
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    async def hurry(self, guest_id: UUID) -> None:
        if guest_id in self._going and guest_id not in self._hurried:
            self._hurried.add(guest_id)
            await self._connection.call(stand_still, guest_id)

    async def arrived(self, guest_id: UUID) -> None:
        """It runs here: nobody listens for it any more."""
        await self._road.close(guest_id)

    async def forget(self, guest_id: UUID) -> None:
        """It is neither awaited nor sent."""
        await self.call_back(guest_id)
        await self._road.close(guest_id)

    async def stop(self) -> None:
        for guest_id in list(self._going):
            await self.call_back(guest_id)
        await self._road.stop()


async def make_disks(wish: Domain, guest: Guest, sizes: Mapping[str, int]) -> None:
    """Empty ones, as large as there. Raises Refusal."""
    made = {}
    for disk in wish.disks:
        if isinstance(disk, LocalDisk):
            if disk.name not in sizes:
                raise Refusal(f"The guest {wish.id} has no disk {disk.name} where it is.")
            path = guest.disk_path(disk.name)
            await qemu_img("create", "-q", "-f", FORMAT, path, str(sizes[disk.name]))
            path.chmod(0o600)
            made[disk.name] = Disk(disk.edition, FORMAT)
    guest.write_disks(made)


# in threads


def check_runs(connection: Any, guest_id: UUID) -> None:
    """And nothing is left of an attempt of somebody who was stopped. Raises Refusal."""
    domain = domain_of(connection, guest_id)
    if domain is None:
        raise Refusal(f"There is no guest {guest_id} on this host.")
    if not domain.isActive():
        raise Refusal(f"The guest {guest_id} does not run.")
    abort(connection, guest_id)


def migrate(connection: Any, guest: Guest, place: Place) -> None:
    """Returns when it runs there. Raises libvirtError."""
    domain = connection.lookupByUUID(guest.id.bytes)
    xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE)
    there, inside = elsewhere(xml, guest.home, place), f"{INSIDE}/{guest.id}"
    parameters: dict[str, Any] = {
        libvirt.VIR_MIGRATE_PARAM_URI: f"unix://{inside}/{MEMORY}",
        libvirt.VIR_MIGRATE_PARAM_DEST_XML: there,
        libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: there,
    }
    flags = FLAGS
    if local := local_targets(xml):
        parameters[libvirt.VIR_MIGRATE_PARAM_DISKS_URI] = f"unix://{inside}/{DISKS}"
        parameters[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = local
        flags |= libvirt.VIR_MIGRATE_NON_SHARED_DISK
    domain.migrateToURI3(f"qemu+unix:///system?socket={inside}/{CONTROL}&mode=direct", parameters, flags)


def local_targets(xml: str) -> list[str]:
    """What the disks that have to be copied are called in the guest."""
    return [
        target.get("dev", "")
        for alias, device in devices_of(xml).items()
        if is_local(alias, device) and (target := device.find("target")) is not None
    ]


def is_local(alias: str, device: Element) -> bool:
    return (
        device.tag == "disk"
        and device.get("device") == "disk"
        and len(alias.removeprefix(ALIAS)) < len(str(UUID(int=0)))
    )


def elsewhere(xml: str, home: Path, place: Place) -> str:
    """The guest as it is, with its files and volumes where they are there."""
    root = fromstring(xml.replace(f"{home}/", f"{place.home}/"))  # noqa: S314 (libvirt's own)
    for disk in root.findall("devices/disk"):
        alias = disk.find("alias")
        for stale in disk.findall("backingStore"):
            disk.remove(stale)
        given = place.disks.get("" if alias is None else alias.get("name", ""))
        if given is None:
            continue
        new = fromstring(given)  # noqa: S314 (of the cloud's own host)
        disk.set("type", new.get("type", "file"))
        for tag in ("driver", "source"):
            for old in disk.findall(tag):
                disk.remove(old)
        for index, part in enumerate(part for part in new if part.tag in ("driver", "source")):
            disk.insert(index, part)
    return tostring(root, encoding="unicode")


def progress(connection: Any, guest_id: UUID) -> Going:
    """How far it is, as far as libvirt can say just now."""
    domain = domain_of(connection, guest_id)
    stats: dict[str, Any] = {}
    if domain is not None:
        with suppress(libvirt.libvirtError):
            stats = domain.jobStats()
    found = Progress(
        **{
            f"{what}_{part}": int(stats.get(f"{what}_{part}", 0))
            for what in ("memory", "disk")
            for part in ("total", "processed", "remaining")
        }
    )
    total = found.memory_total + found.disk_total
    left = found.memory_remaining + found.disk_remaining
    percent = 0 if not total else max(0, min(99, 100 - 100 * left // total))
    return Going(percent, "the guest is on its way", msgspec.to_builtins(found))


def abort(connection: Any, guest_id: UUID) -> None:
    domain = domain_of(connection, guest_id)
    if domain is not None and domain.isActive():
        with suppress(libvirt.libvirtError):  # there is nothing to abort
            domain.abortJob()


def stand_still(connection: Any, guest_id: UUID) -> None:
    domain = domain_of(connection, guest_id)
    if domain is not None and domain.isActive():
        with suppress(libvirt.libvirtError):  # it has just gone
            domain.suspend()


def resume(connection: Any, guest_id: UUID) -> None:
    """What was to stand still on its way, and has stayed, goes on."""
    domain = domain_of(connection, guest_id)
    if domain is not None and domain.isActive() and domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
        domain.resume()
