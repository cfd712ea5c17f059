"""Disks and NICs that come and go while a guest runs: what it has is made what it shall have. Runs in a thread."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID
from xml.etree.ElementTree import Element, fromstring, tostring

import libvirt
import libvirt_qemu

from pileus.engines.hypervisor import Domain, Nic, VolumeDisk
from pileus.engines.hypervisor.libvirt.connection import domain_of
from pileus.engines.hypervisor.libvirt.guest import Guest
from pileus.engines.hypervisor.libvirt.xml import ALIAS, Site, Slots, alias_of, disk_element, is_q35, nic_element

LETS_GO_WITHIN_S = 0.8  # less than others wait who want to hear how it stands
CONNECTS_WITHIN_S = 10.0
LOOK_S = 0.1
LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE


def devices_of(xml: str) -> dict[str, Element]:
    """Disks and NICs of a definition, by their aliases; in its order."""
    found = {}
    for device in fromstring(xml).findall("devices/*"):  # noqa: S314 (libvirt's own)
        alias = device.find("alias")
        name = "" if alias is None else alias.get("name", "")
        if device.tag in ("disk", "interface") and name.startswith(ALIAS):
            found[name] = device
    return found


def slots_of(devices: Mapping[str, Element]) -> Slots:
    """The places that the devices have already."""
    targets = ((alias, device.find("target")) for alias, device in devices.items() if device.tag == "disk")
    addresses = ((alias, device.find("address")) for alias, device in devices.items())
    return Slots(
        {alias: target.get("dev", "") for alias, target in targets if target is not None},
        {alias: address for alias, address in addresses if address is not None},
    )


def places(xml: str, wish: Domain, *, runs: bool) -> Slots:
    """Where the devices of the wish shall be. A guest that will boot from another disk, or on another machine, begins anew:
    the first disk comes first."""
    devices = devices_of(xml)
    first = [alias for alias, device in devices.items() if device.find("boot[@order='1']") is not None]
    machine = fromstring(xml).find("os/type")  # noqa: S314 (libvirt's own)
    q35 = machine is not None and "q35" in machine.get("machine", "")
    same = first == [alias_of(disk) for disk in wish.disks[:1]] and q35 == is_q35(wish)
    return slots_of(devices) if same or runs else Slots()


def ids_of(devices: Mapping[str, Element], tag: str) -> tuple[UUID, ...]:
    """Of ports ("interface") or of attachments ("disk")."""
    names = [alias.removeprefix(ALIAS) for alias, device in devices.items() if device.tag == tag]
    return tuple(found for name in names if (found := as_uuid(name)) is not None)


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class Clings(Exception):
    """The guest was asked to let go of devices, and has not yet."""


def plug(domain: Any, wish: Domain, guest: Guest, site: Site) -> None:
    """A guest that runs has the volumes and NICs of the wish, and no others. Raises Clings."""
    has = devices_of(domain.XMLDesc(0))
    wanted = {alias_of(each): each for each in (*wish.disks, *wish.nics) if isinstance(each, VolumeDisk | Nic)}
    leaving = {
        alias: device for alias, device in has.items() if alias not in wanted and as_uuid(alias.removeprefix(ALIAS))
    }
    for device in leaving.values():
        unplug(domain, device)
    wait_until_gone(domain, leaving)
    slots = slots_of(devices_of(domain.XMLDesc(0)))
    for alias, each in wanted.items():
        if alias in has:
            continue
        new = nic_element(each, site) if isinstance(each, Nic) else disk_element(each, wish, guest, site, slots, {})
        domain.attachDeviceFlags(tostring(new, encoding="unicode"), LIVE)


def unplug(domain: Any, device: Element) -> None:
    try:
        domain.detachDeviceFlags(tostring(device, encoding="unicode"), LIVE)
    except libvirt.libvirtError as e:
        # it was asked before and has not answered yet; or it has, meanwhile
        if e.get_error_code() not in (libvirt.VIR_ERR_DEVICE_MISSING, libvirt.VIR_ERR_INTERNAL_ERROR):
            raise


def wait_until_gone(domain: Any, leaving: Mapping[str, Element]) -> None:
    deadline = time.monotonic() + LETS_GO_WITHIN_S
    while still := leaving.keys() & devices_of(domain.XMLDesc(0)).keys():
        if time.monotonic() > deadline:
            names = ", ".join(sorted(alias.removeprefix(ALIAS) for alias in still))
            why = ": it is paused, and does nothing" if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED else ""
            raise Clings(f"The guest was asked to let go of {names}, and has not yet{why}.")
        time.sleep(LOOK_S)


def show_size(connection: Any, guest_id: UUID, attachment_id: UUID, size_bytes: int) -> None:
    """A guest that runs with that volume sees it at least so large."""
    domain, alias = domain_of(connection, guest_id), f"{ALIAS}{attachment_id}"
    device = devices_of(domain.XMLDesc(0)).get(alias) if domain is not None and domain.isActive() else None
    target = None if device is None else device.find("target")
    if device is None or target is None or domain.blockInfo(target.get("dev"))[0] >= size_bytes:
        return
    by_network, deadline = device.get("type") == "network", time.monotonic() + CONNECTS_WITHIN_S
    while True:
        if by_network:
            read_from(domain, alias)
        try:
            domain.blockResize(target.get("dev"), size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
            return
        except libvirt.libvirtError:  # it has not connected anew yet
            if not by_network or time.monotonic() > deadline:
                raise
        time.sleep(LOOK_S)


def read_from(domain: Any, alias: str) -> None:
    """One sector of the disk. An NBD export that has grown broke its connections off: QEMU sees so, connects anew and learns
    its size only when somebody reads or writes."""
    blocks = json.loads(libvirt_qemu.qemuMonitorCommand(domain, json.dumps({"execute": "query-block"}), 0))["return"]
    for block in blocks:
        if alias in block.get("qdev", "").split("/") and "inserted" in block:
            read = f'qemu-io {block["inserted"]["node-name"]} "read 0 512"'
            libvirt_qemu.qemuMonitorCommand(domain, read, libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
