"""What a simulated guest is made of: its disks, its boots, what it writes and counts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import msgspec

from pileus.engines.blank import qcow2
from pileus.engines.hypervisor import Domain, LocalDisk, Progress, VolumeDisk
from pileus.kernel.clock import iso

BOOTS_KEPT = 20


class Disks(msgspec.Struct, frozen=True):
    """The local disks of a guest by name, and what is kept of them by name@label."""

    now: dict[str, LocalDisk] = {}
    kept: dict[str, LocalDisk] = {}

    def hold(self, wanted: Mapping[str, LocalDisk]) -> bool:
        """Whether nothing is to be made, grown or removed."""
        return self.made(wanted) == self

    def made(self, wanted: Mapping[str, LocalDisk]) -> Disks:
        """As wanted: with nothing smaller than it was, unless it is made anew."""
        return Disks({name: grown(self.now.get(name), disk) for name, disk in wanted.items()}, self.kept)

    def keeping(self, disk: str, label: str) -> Disks:
        return Disks(self.now, {**self.kept, f"{disk}@{label}": self.now[disk]})

    def restored(self, disk: str, label: str) -> Disks:
        kept = {name: each for name, each in self.kept.items() if name != f"{disk}@{label}"}
        return Disks({**self.now, disk: self.kept[f"{disk}@{label}"]}, kept)

    def without(self, label: str) -> Disks:
        return Disks(self.now, {name: disk for name, disk in self.kept.items() if not name.endswith(f"@{label}")})

    def names(self) -> tuple[str, ...]:
        return (*self.now, *sorted(self.kept))


def grown(old: LocalDisk | None, wanted: LocalDisk) -> LocalDisk:
    """An old disk that became what is wanted: the image it was made from stays what it was."""
    if old is None or old.edition != wanted.edition:
        return wanted
    return msgspec.structs.replace(old, size_mib=max(old.size_mib, wanted.size_mib))


class Boots(msgspec.Struct, frozen=True):
    """When a guest started, and the restarts that it has seen."""

    at: tuple[float, ...] = ()
    restarts: tuple[UUID, ...] = ()

    def another(self, now: float, restart_id: UUID | None) -> Boots:
        restarts = self.restarts if restart_id is None else (*self.restarts, restart_id)
        return Boots((*self.at, now)[-BOOTS_KEPT:], restarts[-BOOTS_KEPT:])


def boot_text(name: str, at: float, boot: int) -> str:
    """What a guest writes to its serial port when it starts."""
    return (
        f"[    0.000000] Linux version 6.1.0-simulated (pileus) boot {boot + 1} at {iso(at)}\n"
        "[    0.000000] Command line: console=ttyS0\n"
        "[    0.500000] virtio_net virtio0 eth0: link up\n"
        "[    0.900000] EXT4-fs (vda1): mounted filesystem\n"
        f"\nWelcome to a simulated guest.\n{name or 'guest'} login: \n"
    )


def volumes_of(domain: Domain) -> tuple[UUID, ...]:
    """Its volumes, by their attachments."""
    return tuple(disk.id for disk in domain.disks if isinstance(disk, VolumeDisk))


def numbers(domain: Domain, uptime_s: float, sizes_gib: Mapping[UUID, int]) -> dict[str, int | float]:
    """What a hypervisor counts of a guest that runs."""
    found: dict[str, int | float] = {f"cpu{n}_time": int(uptime_s * 1e7) for n in range(domain.vcpus)}
    found |= {"memory": domain.memory_mib * 1024, "memory-rss": domain.memory_mib * 512, "uptime": int(uptime_s)}
    for n, disk in enumerate(domain.disks):
        target = f"vd{chr(ord('a') + n % 26)}"
        if isinstance(disk, LocalDisk):
            found[f"{target}_size"] = disk.size_mib << 20
        elif disk.id in sizes_gib:
            found[f"{target}_size"] = sizes_gib[disk.id] << 30
        found |= {f"{target}_read": 262_144, f"{target}_read_req": 112, f"{target}_write": 5_778_432}
        found |= {f"{target}_write_req": 488, f"{target}_errors": 0 if isinstance(disk, VolumeDisk) else -1}
    for nic in domain.nics:
        tap = f"tap{str(nic.port_id)[:11]}"
        found |= {f"{tap}_{way}{what}": 0 for way in ("rx", "tx") for what in ("", "_drop", "_errors", "_packets")}
    return found


def progress(domain: Domain, percent: int) -> dict[str, int]:
    """How far it has come, when so much of it is on the other side."""
    disk = sum(each.size_mib << 20 for each in domain.disks if isinstance(each, LocalDisk))
    found: dict[str, int] = {}
    for name, total in (("memory", domain.memory_mib << 20), ("disk", disk)):
        done = total * percent // 100
        found |= {f"{name}_total": total, f"{name}_processed": done, f"{name}_remaining": total - done}
    return msgspec.to_builtins(Progress(**found))  # type: ignore[no-any-return]


async def snapshot(disk: LocalDisk) -> AsyncIterator[bytes]:
    """The bytes of an empty qcow2 of the disk's size, with no cluster of data."""
    yield qcow2(max(disk.size_mib, 1) << 20)
