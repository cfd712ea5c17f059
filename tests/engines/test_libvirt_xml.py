"""What libvirt is told of a guest: pure, so it is tried without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from xml.etree.ElementTree import Element, fromstring

import pytest

from pileus.engines.hypervisor import Domain, LocalDisk, Nic, VolumeDisk
from pileus.engines.hypervisor.libvirt.guest import Disk, Guest
from pileus.engines.hypervisor.libvirt.refusal import Refusal
from pileus.engines.hypervisor.libvirt.xml import Site, Slots, domain_xml

GUEST = UUID(int=7)


def defined(home: Path, slots: Slots | None = None, accelerator: str = "tcg", **more: Any) -> Element:
    guest = Guest(home, GUEST)
    guest.write_disks({"root": Disk(0, "qcow2"), "swap": Disk(0, "raw")})
    wish = Domain(**{"id": GUEST, "vcpus": 1, "memory_mib": 64, "disks": (LocalDisk(name="root", size_mib=1),), **more})
    return fromstring(domain_xml(wish, guest, Site(accelerator, home / "volumes"), slots or Slots()))


def volume(**how: Any) -> VolumeDisk:
    return VolumeDisk(id=uuid4(), volume_id=uuid4(), connection=how)


def test_a_guest_is_found_by_its_id_and_shown_by_its_name(tmp_path: Path) -> None:
    made = defined(tmp_path, name="we<b>\n\x00\u202e & more", metadata={"project": "p"})
    assert made.findtext("name") == made.findtext("uuid") == str(GUEST)
    assert made.findtext("title") == "we<b> & more"
    assert made.findtext("description") == "project p"
    assert made.findtext("sysinfo/system/entry[@name='product']") == "OpenStack Compute"


def test_what_kvm_changes(tmp_path: Path) -> None:
    assert defined(tmp_path, accelerator="kvm").get("type") == "kvm"
    emulated = defined(tmp_path)
    assert (emulated.get("type"), emulated.find("cpu")) == ("qemu", None)


def test_disks_in_their_order_and_formats(tmp_path: Path) -> None:
    one = volume(driver="nbd", address="192.0.2.1", port=10809, export="v", tls=True)
    disks = (LocalDisk(name="root", size_mib=1), LocalDisk(name="swap", size_mib=1), one)
    made = defined(tmp_path, disks=disks).findall("devices/disk")
    names = [(d.find("target").get("dev"), d.find("driver").get("type"), d.find("boot").get("order")) for d in made]
    assert names == [("vda", "qcow2", "1"), ("vdb", "raw", "2"), ("vdc", "raw", "3")]
    assert made[2].findtext("serial") == str(one.volume_id)
    assert made[2].find("source").attrib == {"protocol": "nbd", "name": "v", "tls": "yes"}
    assert made[2].find("driver").get("rerror_policy") == made[2].find("driver").get("error_policy") == "stop"


def test_who_has_a_name_keeps_it(tmp_path: Path) -> None:
    made = defined(
        tmp_path,
        Slots({"ua-root": "vdc"}),
        disks=(LocalDisk(name="swap", size_mib=1), LocalDisk(name="root", size_mib=1)),
    )
    assert [disk.find("target").get("dev") for disk in made.findall("devices/disk")] == ["vda", "vdc"]


@pytest.mark.parametrize(
    "machine",
    [
        {"machine_type": "pc-q35-7.2", "disk_bus": "scsi"},
        {"machine_type": "pc-i440fx-7.2", "disk_bus": "ide"},
        {"disk_bus": "usb", "video_model": "none"},
        {"firmware_type": "uefi", "qemu_guest_agent": "yes"},
    ],
)
def test_properties_that_have_an_effect(tmp_path: Path, machine: dict[str, str]) -> None:
    made = defined(tmp_path, machine=machine)
    assert made.find("devices/disk/target").get("bus") == machine.get("disk_bus", "virtio")
    assert made.find("os/type").get("machine") == machine.get("machine_type", "pc")
    assert (made.find("devices/channel") is not None) == ("qemu_guest_agent" in machine)
    usb = made.find("devices/controller[@type='usb']")
    assert (usb is None) == ("usb" in machine.values())


@pytest.mark.parametrize(
    "wrong",
    [
        {"machine": {"machine_type": "isapc"}},
        {"machine": {"machine_type": "pc' /><x"}},
        {"machine": {"disk_bus": "floppy"}},
        {"machine": {"video_model": "../../x"}},
        {"machine": {"firmware_type": "coreboot"}},
        {"disks": (LocalDisk(name="../../etc/passwd", size_mib=1),)},
        {"disks": (LocalDisk(name="ephemeral0", size_mib=1),)},
        {"disks": (volume(driver="file", path="/etc/shadow"),)},
        {"disks": (volume(driver="file", path="volumes"),)},
        {"disks": (volume(driver="file", format="vmdk", path="/x"),)},
        {"disks": (volume(driver="sim"),)},
        {"disks": (volume(),)},
        {"nics": (Nic(port_id=uuid4(), mac="fa:16:3e:00:00:01", mtu=1400, model="vhost"),)},
    ],
)
def test_what_this_host_cannot_give_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        defined(tmp_path, **wrong)


def test_a_link_out_of_the_volumes_is_no_volume(tmp_path: Path) -> None:
    (tmp_path / "volumes").mkdir()
    (tmp_path / "volumes" / "v").symlink_to("/etc/passwd")
    with pytest.raises(Refusal, match="no volume of this host"):
        defined(tmp_path, disks=(volume(driver="file", path=str(tmp_path / "volumes" / "v")),))


def test_a_nic_is_the_ports_and_finishes_its_checksums(tmp_path: Path) -> None:
    nic = Nic(port_id=UUID(int=255), mac="fa:16:3e:00:00:01", mtu=1442)
    made = defined(tmp_path, nics=(nic,)).find("devices/interface")
    assert made.find("virtualport/parameters").get("interfaceid") == str(nic.port_id)
    assert made.find("target").get("dev") == f"tap{str(nic.port_id)[:11]}"
    assert made.find("driver/host").get("csum") == "off"
    assert made.find("mtu").get("size") == "1442"
