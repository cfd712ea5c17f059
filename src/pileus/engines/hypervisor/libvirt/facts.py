"""Numbers and names that libvirt knows, as the protocol has them. Runs in threads."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree.ElementTree import fromstring

import libvirt

from pileus.engines.hypervisor import DomainFacts, HostFacts, Power
from pileus.engines.hypervisor.libvirt.connection import waits_for_disk
from pileus.engines.hypervisor.libvirt.guest import Guest
from pileus.engines.hypervisor.libvirt.plugging import as_uuid, devices_of, ids_of

POWERS = {
    libvirt.VIR_DOMAIN_NOSTATE: Power.ON,
    libvirt.VIR_DOMAIN_RUNNING: Power.ON,
    libvirt.VIR_DOMAIN_BLOCKED: Power.ON,
    libvirt.VIR_DOMAIN_SHUTDOWN: Power.ON,  # it is about to stop
    libvirt.VIR_DOMAIN_PAUSED: Power.PAUSED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: Power.PAUSED,
}
ENDED = (libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED)
TRAITS = (
    "COMPUTE_NODE",
    "COMPUTE_IMAGE_TYPE_QCOW2",
    "COMPUTE_IMAGE_TYPE_RAW",
    "COMPUTE_IMAGE_TYPE_ISO",
    "COMPUTE_IMAGE_TYPE_VMDK",
    "COMPUTE_IMAGE_TYPE_VDI",
    "COMPUTE_IMAGE_TYPE_VHD",
    "COMPUTE_IMAGE_TYPE_VHDX",
    "COMPUTE_STORAGE_BUS_VIRTIO",
    "COMPUTE_STORAGE_BUS_SCSI",
    "COMPUTE_STORAGE_BUS_IDE",
    "COMPUTE_NET_VIF_MODEL_VIRTIO",
    "COMPUTE_NET_VIF_MODEL_E1000",
    "COMPUTE_NET_VIF_MODEL_E1000E",
    "COMPUTE_NET_VIF_MODEL_RTL8139",
    "COMPUTE_NET_VIF_MODEL_PCNET",
    "COMPUTE_NET_VIF_MODEL_NE2K_PCI",
    "COMPUTE_NET_VIF_MODEL_VMXNET3",
    "COMPUTE_GRAPHICS_MODEL_VGA",
    "COMPUTE_GRAPHICS_MODEL_CIRRUS",
    "COMPUTE_GRAPHICS_MODEL_VIRTIO",
    "COMPUTE_GRAPHICS_MODEL_BOCHS",
    "COMPUTE_GRAPHICS_MODEL_NONE",
)


def power_of(domain: Any) -> Power:
    if waits_for_disk(domain):
        return Power.ON
    state, _ = domain.state()
    if state in POWERS:
        return POWERS[state]
    return Power.SUSPENDED if domain.hasManagedSaveImage() else Power.OFF


def is_lost(domain: Any) -> bool:
    """Whether it is off, and neither of its own doing nor of ours: it, or this machine, lost its power. A guest that switches
    itself off is told so by its QEMU, also to a libvirtd that comes later."""
    state, reason = domain.state()
    return state == libvirt.VIR_DOMAIN_SHUTOFF and reason not in ENDED


def facts_of(domain: Any, guest: Guest) -> DomainFacts:
    """What the guest has now; of one that does not run, what it will start with."""
    if not domain.isPersistent():  # it is on its way here
        return DomainFacts(disks=tuple(sorted(guest.disks())))
    devices = devices_of(domain.XMLDesc(0))
    return DomainFacts(
        defined=True,
        power=power_of(domain),
        disks=tuple(sorted(guest.disks())),
        nics=ids_of(devices, "interface"),
        volumes=ids_of(devices, "disk"),
    )


def seen(connection: Any, guests: Path) -> dict[UUID, DomainFacts]:
    """Every guest that is defined, or has disks."""
    found = {}
    for domain in connection.listAllDomains():
        guest_id = UUID(domain.UUIDString())
        try:
            found[guest_id] = facts_of(domain, Guest.of(guests, guest_id))
        except libvirt.libvirtError as e:
            if e.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:  # it went meanwhile
                raise
    for folder in guests.iterdir():
        folder_id = as_uuid(folder.name)
        guest = Guest(folder, folder_id) if folder_id is not None and folder_id not in found else None
        if guest is not None and guest.has_disks():
            found[guest.id] = DomainFacts(disks=tuple(sorted(guest.disks())))
    return found


def host_facts(connection: Any, home: Path, accelerator: str) -> HostFacts:
    model, memory_mib, cpus, _, nodes, sockets, cores, threads = connection.getInfo()
    cpu = fromstring(connection.getCapabilities()).find("host/cpu")  # noqa: S314 (libvirt's own)
    about: dict[str, Any] = {
        "arch": model,
        "topology": {"sockets": sockets * nodes, "cores": cores, "threads": threads},
    }
    if cpu is not None:
        about["vendor"], about["model"] = cpu.findtext("vendor", ""), cpu.findtext("model", "")
        about["features"] = sorted(feature.get("name", "") for feature in cpu.findall("feature"))
    return HostFacts(
        type="QEMU",
        version=connection.getVersion(),
        hostname=os.uname().nodename,
        vcpus=cpus,
        memory_mib=memory_mib,
        disk_gib=shutil.disk_usage(home).total // 2**30,
        accelerator=accelerator,
        cpu=about,
        traits=TRAITS,
    )


def numbers(domain: Any, qemu_pid: int | None) -> dict[str, int | float]:
    """Under the names of the diagnostics of Compute."""
    found: dict[str, int | float] = {}
    [(_, stats)] = domain.connect().domainListGetStats([domain], 0)
    for n in range(stats.get("vcpu.maximum", 0)):
        if f"vcpu.{n}.time" in stats:
            found[f"cpu{n}_time"] = stats[f"vcpu.{n}.time"]
    found["memory"] = stats.get("balloon.maximum", 0)
    for name in ("available", "unused", "usable", "rss", "swap_in", "swap_out", "major_fault", "minor_fault"):
        if f"balloon.{name}" in stats:
            found[f"memory-{name}"] = stats[f"balloon.{name}"]
    for n in range(stats.get("block.count", 0)):
        disk = stats[f"block.{n}.name"]
        for name, said in (
            ("read", "rd.bytes"),
            ("read_req", "rd.reqs"),
            ("write", "wr.bytes"),
            ("write_req", "wr.reqs"),
        ):
            found[f"{disk}_{name}"] = stats.get(f"block.{n}.{said}", 0)
        found[f"{disk}_size"] = stats.get(f"block.{n}.capacity", 0)
        found[f"{disk}_errors"] = stats.get(f"block.{n}.errors", -1)
    for n in range(stats.get("net.count", 0)):
        nic = stats[f"net.{n}.name"]
        for way in ("rx", "tx"):
            for name, said in (("", "bytes"), ("_packets", "pkts"), ("_errors", "errs"), ("_drop", "drop")):
                found[f"{nic}_{way}{name}"] = stats.get(f"net.{n}.{way}.{said}", 0)
    found["uptime"] = 0 if qemu_pid is None else age_s(qemu_pid)
    return found


def age_s(pid: int) -> int:
    """How long the process has run, seconds; 0 for one that is not there."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0
    return max(0, int(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")))
