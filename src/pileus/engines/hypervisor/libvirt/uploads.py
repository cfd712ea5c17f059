"""A disk as it is at one moment, sent away: of a guest that runs by a mirror that is let go of when it has caught up."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, tostring

import libvirt

from pileus.engines.files import UNFINISHED, pieces
from pileus.engines.hypervisor.libvirt.connection import Connection, domain_of
from pileus.engines.hypervisor.libvirt.disks import flatten
from pileus.engines.hypervisor.libvirt.guest import Guest
from pileus.engines.hypervisor.libvirt.plugging import devices_of
from pileus.engines.hypervisor.libvirt.refusal import Refusal
from pileus.engines.hypervisor.libvirt.xml import ALIAS, element
from pileus.engines.transfers import Transfers
from pileus.kernel.clock import Clock
from pileus.kernel.errors import NotFound

LOOK_S = 0.2
COPY = f"upload{UNFINISHED}"


class Uploads:
    """Sends disks of guests."""

    def __init__(self, connection: Connection, transfers: Transfers, clock: Clock) -> None:
        self._connection, self._transfers, self._clock = connection, transfers, clock

    async def send(self, guest: Guest, name: str, url: str) -> None:
        """Raises Refusal, Unavailable."""
        disk, path = guest.disks().get(name), guest.disk_path(name)
        if disk is None:
            raise Refusal(f"The guest {guest.id} has no disk {name}.")
        await self.clear(guest)  # of somebody who was stopped
        copy = guest.home / COPY
        try:
            if not await self._connection.call(begin_mirror, guest, name, copy):
                await flatten(path, disk.format, copy)
            while not await self._connection.call(mirror_is_over, guest, name):
                await self._clock.sleep(LOOK_S)
            await self._transfers.put(url, pieces(copy))
        except NotFound as e:
            raise Refusal(f"The image cannot be sent: {e.message}") from e
        finally:
            await self.clear(guest)

    async def clear(self, guest: Guest) -> None:
        """Nothing of an upload goes on, and nothing is left of it."""
        await self._connection.call(end_mirrors, guest)
        (guest.home / COPY).unlink(missing_ok=True)


def running(connection: Any, guest: Guest) -> Any:
    domain = domain_of(connection, guest.id)
    return domain if domain is not None and domain.isActive() else None


def target_of(domain: Any, name: str) -> str:
    device = devices_of(domain.XMLDesc(0)).get(f"{ALIAS}{name}")
    target = None if device is None else device.find("target")
    if target is None:
        raise Refusal(f"The guest has no disk {name} plugged.")
    return target.get("dev", "")


def begin_mirror(connection: Any, guest: Guest, name: str, copy: Path) -> bool:
    """Whether the guest runs, so that the copy needs a mirror."""
    domain = running(connection, guest)
    if domain is None:
        return False
    to = Element("disk", type="file")
    element(to, "driver", type="qcow2")
    element(to, "source", file=copy)
    flags = libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
    domain.blockCopy(target_of(domain, name), tostring(to, encoding="unicode"), {}, flags)
    return True


def mirror_is_over(connection: Any, guest: Guest, name: str) -> bool:
    """Whether there is none any more: one that has caught up is let go of, and its copy stays as it is then."""
    domain = running(connection, guest)
    if domain is None:
        return True
    target = target_of(domain, name)
    job = domain.blockJobInfo(target, 0)
    if not job:
        return True
    if job["end"] and job["cur"] == job["end"] and is_ready(domain, name):
        domain.blockJobAbort(target, 0)
    return False


def is_ready(domain: Any, name: str) -> bool:
    mirror = devices_of(domain.XMLDesc(0))[f"{ALIAS}{name}"].find("mirror")
    return mirror is not None and mirror.get("ready") == "yes"


def end_mirrors(connection: Any, guest: Guest) -> None:
    domain = running(connection, guest)
    if domain is None:
        return
    for device in devices_of(domain.XMLDesc(0)).values():
        target = device.find("target")
        if device.find("mirror") is not None and target is not None:
            domain.blockJobAbort(target.get("dev", ""), 0)
