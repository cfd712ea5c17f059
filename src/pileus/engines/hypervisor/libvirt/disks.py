"""Local disks: overlays on shared images, file systems that are made here, and copies that are kept of both."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from pileus.engines.files import UNFINISHED
from pileus.engines.hypervisor import LocalDisk
from pileus.engines.hypervisor.libvirt.guest import Disk, Guest
from pileus.engines.hypervisor.libvirt.images import Images, virtual_bytes
from pileus.engines.hypervisor.libvirt.refusal import Refusal, qemu_img, run

MIB = 2**20


class Disks:
    """Makes and changes the disks of guests."""

    def __init__(self, images: Images) -> None:
        self._images = images

    async def ensure(self, guest: Guest, wanted: Collection[LocalDisk]) -> None:
        """The guest has these, and no others but kept ones. Nothing counts before all are there. Raises Refusal."""
        guest.sweep_disks()
        had = guest.disks()
        have = {name: disk for name, disk in had.items() if "@" in name}
        for disk in wanted:
            path, made = guest.disk_path(disk.name), had.get(disk.name)
            if made is None or made.edition != disk.edition:
                have[disk.name] = await self._make(path, disk)
            else:
                await grow(path, made.format, disk.size_mib * MIB)
                have[disk.name] = made
        guest.write_disks(have)
        guest.sweep_disks()

    async def _make(self, path: Path, disk: LocalDisk) -> Disk:
        part = path.with_name(f"{path.name}{UNFINISHED}")
        part.unlink(missing_ok=True)
        if disk.image is None:
            form, base = await blank(part, disk), None
        else:
            form, base = "qcow2", await self._overlay(part, disk)
        part.chmod(0o600)
        os.replace(part, path)
        return Disk(disk.edition, form, base)

    async def _overlay(self, part: Path, disk: LocalDisk) -> str:
        """A disk that begins as its image. The name of the image."""
        assert disk.image is not None
        base = await self._images.base(disk.image)
        size = disk.size_mib * MIB or base.bytes_
        if size < base.bytes_:
            needed = -(-base.bytes_ // 2**30)
            raise Refusal(f"The disk {disk.name} is too small for its image, which needs {needed} GiB.")
        below = ("-b", self._images.path(base.name), "-F", base.format)
        await qemu_img("create", "-q", "-f", "qcow2", *below, part, str(size))
        return base.name

    async def keep(self, guest: Guest, name: str, label: str) -> None:
        """A copy of the disk as it is, unless there is one. Raises Refusal."""
        disks, kept = guest.disks(), f"{name}@{label}"
        path = guest.disk_path(name, label)
        if kept in disks:
            return
        if name not in disks:
            raise Refusal(f"The guest {guest.id} has no disk {name}.")
        part = path.with_name(f"{path.name}{UNFINISHED}")
        await run("cp", "--reflink=auto", "--sparse=auto", "--", guest.disk_path(name), part)
        os.replace(part, path)
        guest.write_disks({**disks, kept: disks[name]})

    def restore(self, guest: Guest, name: str, label: str) -> None:
        disks, path = guest.disks(), guest.disk_path(name, label)
        kept = disks.pop(path.name, None)
        if kept is None:
            return
        if path.exists():  # else we were stopped after the next line
            os.replace(path, guest.disk_path(name))
        guest.write_disks({**disks, name: kept})

    def drop(self, guest: Guest, label: str) -> None:
        """Nothing is kept under the label."""
        disks = guest.disks()
        left = {name: disk for name, disk in disks.items() if name.partition("@")[2] != label}
        if left != disks:
            guest.write_disks(left)
            guest.sweep_disks()


async def blank(part: Path, disk: LocalDisk) -> str:
    """An empty disk; swap and ephemeral ones are formatted, as guests expect them. Its format."""
    size = disk.size_mib * MIB
    if disk.name == "swap" or disk.name.startswith("ephemeral"):
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT, 0o600))
        os.truncate(part, size)
        if disk.name == "swap" and size:
            await run("mkswap", "-L", "swap", part)
        elif size >= 16 * MIB and shutil.which(
            "mkfs.ext4", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
        ):
            await run("mkfs.ext4", "-q", "-F", "-L", disk.name, "-E", "lazy_itable_init=1,lazy_journal_init=1", part)
        return "raw"
    await qemu_img("create", "-q", "-f", "qcow2", part, str(size))
    return "qcow2"


async def grow(path: Path, form: str, size: int) -> None:
    """At least that large; a guest that runs has it open, and grows it by itself when it starts next."""
    if size and await virtual_bytes(path, form) < size:
        await qemu_img("resize", "-q", "-f", form, path, str(size))


async def flatten(path: Path, form: str, made: Path) -> None:
    """The disk as a qcow2 that stands for itself. Nobody writes to the disk meanwhile."""
    await qemu_img("convert", "-f", form, "-O", "qcow2", path, made)
