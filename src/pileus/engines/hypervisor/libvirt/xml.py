"""A Domain as libvirt wants it. Pure: nothing is looked at here but what is given.

What may be plugged is found again by its alias: `ua-` and the id of the port or attachment, or the name of the local disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from pileus.engines.hypervisor import Domain, LocalDisk, Nic, VolumeDisk
from pileus.engines.hypervisor.libvirt.guest import Disk, Guest
from pileus.engines.hypervisor.libvirt.refusal import Refusal

ALIAS = "ua-"
DRIVE = "config"
BUSES = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}
NIC_MODELS = frozenset({"virtio", "e1000", "e1000e", "rtl8139", "pcnet", "ne2k_pci", "vmxnet3"})
VIDEO_MODELS = frozenset({"vga", "cirrus", "virtio", "bochs", "none"})
MACHINES = re.compile(r"pc|q35|pc-(i440fx|q35)-[0-9]+\.[0-9]+")
SCSI_MODELS = frozenset({"virtio-scsi", "lsilogic", "lsisas1068"})
YES = frozenset({"yes", "true", "1", "on", "True"})
SPARE_PORTS = 12  # of a q35 machine, for what is plugged while it runs
TB_CACHE_MIB = 64  # of what TCG has translated; its own default is a fixed part of the host's memory
LOADER, VARIABLES = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
OFFLOADS = ("csum", "gso", "tso4", "tso6", "ecn", "ufo")


@dataclass(frozen=True)
class Site:
    """What is the same for all guests of a host. `volumes`: the folder below which files of volumes may lie."""

    accelerator: str
    volumes: Path
    switch: str = "openvswitch"  # or "bridge": what the bridges of its NICs are


@dataclass
class Slots:
    """Where the guest finds each device: the names of disks, and the addresses of disks and NICs, by alias.

    Who has one keeps it: guests call their NICs by it.
    """

    taken: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, Element] = field(default_factory=dict)

    def of(self, alias: str, bus: str) -> str:
        if alias not in self.taken or not self.taken[alias].startswith(BUSES[bus]):
            used = set(self.taken.values())
            names = (f"{BUSES[bus]}{chr(ord('a') + n)}" for n in range(26))
            free = next((name for name in names if name not in used), None)
            if free is None:
                raise Refusal(f"The guest has no room for another disk on its {bus} bus.")
            self.taken[alias] = free
        return self.taken[alias]

    def put(self, device: Element, alias: str) -> Element:
        """The device, where it was before, if its bus is the same."""
        address, target = self.addresses.get(alias), device.find("target")
        bus = "drive" if target is not None and target.get("bus", "virtio") != "virtio" else "pci"
        if address is not None and address.get("type") == bus:
            device.append(address)
        return device


def element(parent: Element, tag: str, text: object = None, **attributes: object) -> Element:
    made = SubElement(parent, tag, {name: str(value) for name, value in attributes.items()})
    if text is not None:
        made.text = str(text)
    return made


def alias_of(device: LocalDisk | VolumeDisk | Nic) -> str:
    if isinstance(device, Nic):
        return f"{ALIAS}{device.port_id}"
    return f"{ALIAS}{device.name if isinstance(device, LocalDisk) else device.id}"


def chosen(wish: Domain, name: str, known: Iterable[str], default: str) -> str:
    """A property of the machine; the default for a value that nobody here knows."""
    value = wish.machine.get(name, default)
    if value not in known:
        raise Refusal(f"This host knows no {name} {value!r}.")
    return value


def machine_of(wish: Domain) -> str:
    """The kind of machine. Raises Refusal for one that is no PC."""
    value = wish.machine.get("machine_type", "pc")
    if not MACHINES.fullmatch(value):
        raise Refusal(f"This host knows no machine_type {value!r}.")
    return value


def is_q35(wish: Domain) -> bool:
    return "q35" in wish.machine.get("machine_type", "")


def shown(text: str) -> str:
    """A name as XML can hold it, in one line."""
    return "".join(sign for sign in text if sign.isprintable())[:200]


def domain_xml(wish: Domain, guest: Guest, site: Site, slots: Slots) -> str:
    """The whole definition. Raises Refusal for what this host cannot give."""
    root = Element("domain", type="kvm" if site.accelerator == "kvm" else "qemu")
    element(root, "name", wish.id)
    element(root, "uuid", wish.id)
    if shown(wish.name):
        element(root, "title", shown(wish.name))
    element(root, "description", shown(", ".join(f"{name} {value}" for name, value in sorted(wish.metadata.items()))))
    element(root, "memory", wish.memory_mib, unit="MiB")
    element(root, "vcpu", wish.vcpus)
    add_system(root, wish, guest)
    features = element(root, "features")
    element(features, "acpi")
    element(features, "apic")
    if site.accelerator == "kvm":
        element(root, "cpu", mode="host-passthrough", check="none")
    else:
        element(element(features, "tcg"), "tb-cache", TB_CACHE_MIB, unit="MiB")
    element(root, "clock", offset="utc")
    for event, action in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        element(root, f"on_{event}", action)
    add_devices(element(root, "devices"), wish, guest, site, slots)
    return tostring(root, encoding="unicode")


def add_system(root: Element, wish: Domain, guest: Guest) -> None:
    system = element(root, "os")
    element(system, "type", "hvm", arch="x86_64", machine=machine_of(wish))
    element(system, "smbios", mode="sysinfo")
    if chosen(wish, "firmware_type", ("bios", "uefi"), "bios") == "uefi":
        element(system, "loader", LOADER, readonly="yes", type="pflash")
        element(system, "nvram", guest.home / "nvram", template=VARIABLES)
    facts = element(element(root, "sysinfo", type="smbios"), "system")
    # by these words guests know that there is a metadata service
    for name, value in (("manufacturer", "OpenStack Foundation"), ("product", "OpenStack Compute"), ("uuid", wish.id)):
        element(facts, "entry", value, name=name)


def add_devices(devices: Element, wish: Domain, guest: Guest, site: Site, slots: Slots) -> None:
    q35 = is_q35(wish)
    buses = {wish.machine.get("disk_bus", "virtio"), wish.machine.get("cdrom_bus", "scsi" if q35 else "ide")}
    if q35:
        element(devices, "controller", type="pci", index=0, model="pcie-root")
        for _ in range(SPARE_PORTS):
            element(devices, "controller", type="pci", model="pcie-root-port")
    if "usb" not in buses:
        element(devices, "controller", type="usb", model="none")  # polling it would cost each idle guest
    if "scsi" in buses:
        element(devices, "controller", type="scsi", model=chosen(wish, "scsi_model", SCSI_MODELS, "virtio-scsi"))
    made = guest.disks()
    for order, disk in enumerate(wish.disks, 1):
        found = slots.put(disk_element(disk, wish, guest, site, slots, made), alias_of(disk))
        element(found, "boot", order=order)
        devices.append(found)
    if wish.config_drive is not None:
        devices.append(drive_element(wish, guest, slots, "scsi" if q35 else "ide"))
    for order, nic in enumerate(wish.nics, len(wish.disks) + 1):
        found = slots.put(nic_element(nic, site), alias_of(nic))
        element(found, "boot", order=order)
        devices.append(found)
    add_consoles(devices, wish, guest)


def add_consoles(devices: Element, wish: Domain, guest: Guest) -> None:
    serial = element(devices, "serial", type="unix")
    element(serial, "source", mode="bind", path=guest.socket("serial"))
    element(serial, "log", file=guest.console, append="on")
    element(serial, "target", port=0)
    element(devices, "graphics", type="vnc", socket=guest.socket("vnc"))
    video = chosen(wish, "video_model", VIDEO_MODELS, "vga")
    element(element(devices, "video"), "model", type=video)
    element(devices, "input", type="tablet", bus="virtio")
    if wish.machine.get("qemu_guest_agent") in YES:
        channel = element(devices, "channel", type="unix")
        element(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    element(element(devices, "memballoon", model="virtio"), "stats", period=10)
    if wish.machine.get("rng_model", "virtio") == "virtio":
        element(element(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")


def disk_element(
    disk: LocalDisk | VolumeDisk, wish: Domain, guest: Guest, site: Site, slots: Slots, made: Mapping[str, Disk]
) -> Element:
    """A disk without its place in the boot order, as it may also be plugged."""
    bus = chosen(wish, "disk_bus", BUSES, "virtio")
    if isinstance(disk, VolumeDisk):
        found = volume_element(disk, site)
        element(found, "serial", disk.volume_id)
        if disk.read_only:
            element(found, "readonly")
    else:
        found = Element("disk", type="file", device="disk")
        if disk.name not in made:
            raise Refusal(f"The guest {wish.id} has no disk {disk.name}.")
        element(found, "driver", name="qemu", type=made[disk.name].format, cache="none", discard="unmap")
        element(found, "source", file=guest.disk_path(disk.name))
        element(found, "serial", f"{disk.name}-{str(wish.id)[:8]}"[:20])
    alias = alias_of(disk)
    element(found, "target", dev=slots.of(alias, bus), bus=bus)
    element(found, "alias", name=alias)
    return found


def volume_element(disk: VolumeDisk, site: Site) -> Element:
    """Raises Refusal for a connection that leads elsewhere than to a volume."""
    how: Mapping[str, Any] = disk.connection
    form = how.get("format") or "raw"
    if form not in ("raw", "qcow2"):
        raise Refusal(f"This host cannot use volumes of the format {form!r}.")
    if how.get("driver") == "file":
        path = os.path.realpath(str(how.get("path")))
        if not Path(path).is_relative_to(site.volumes.resolve()):
            raise Refusal(f"{path} is no volume of this host.")
        found = Element("disk", type="file", device="disk")
        element(found, "driver", name="qemu", type=form, cache="none", discard="unmap")
        element(found, "source", file=path)
        return found
    if how.get("driver") == "nbd":
        found = Element("disk", type="network", device="disk")
        waits = {"error_policy": "stop", "rerror_policy": "stop"}  # for an export that is away, and hears of no error
        element(found, "driver", name="qemu", type=form, cache="none", discard="unmap", **waits)
        tls = {"tls": "yes" if how.get("tls") else "no", "tlsHostname": how.get("tls_hostname")}
        tls = {name: value for name, value in tls.items() if value}
        source = element(found, "source", protocol="nbd", name=how.get("export"), **tls)
        element(source, "host", name=how.get("address"), port=how.get("port"))
        return found
    raise Refusal(f"This host cannot reach volumes by {how.get('driver')!r}.")


def drive_element(wish: Domain, guest: Guest, slots: Slots, bus: str) -> Element:
    bus = chosen(wish, "cdrom_bus", BUSES, bus)
    found = Element("disk", type="file", device="cdrom")
    element(found, "driver", name="qemu", type="raw")
    element(found, "source", file=guest.drive)
    element(found, "target", dev=slots.of(f"{ALIAS}{DRIVE}", bus), bus=bus)
    element(found, "readonly")
    element(found, "alias", name=f"{ALIAS}{DRIVE}")
    return found


def nic_element(nic: Nic, site: Site) -> Element:
    """A NIC without its place in the boot order, as it may also be plugged."""
    found = Element("interface", type="bridge")
    element(found, "mac", address=nic.mac)
    element(found, "source", bridge=nic.bridge)
    if site.switch == "openvswitch":
        element(element(found, "virtualport", type="openvswitch"), "parameters", interfaceid=nic.port_id)
    element(found, "target", dev=f"tap{str(nic.port_id)[:11]}")
    if nic.model not in NIC_MODELS:
        raise Refusal(f"This host knows no NIC {nic.model!r}.")
    element(found, "model", type=nic.model)
    element(found, "mtu", size=nic.mtu)
    if (
        nic.model == "virtio"
    ):  # a switch in user space would take unfinished checksums for wrong ones, and drop the packet
        driver = element(found, "driver", name="qemu")
        element(driver, "host", **dict.fromkeys(OFFLOADS, "off"))
        element(driver, "guest", **dict.fromkeys(OFFLOADS[:1] + OFFLOADS[2:], "off"))
    element(found, "alias", name=alias_of(nic))
    return found
