"""File systems and the disk, made of folders, without mounting anything."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
MBR = Path("/usr/lib/syslinux/mbr/mbr.bin")
SECTOR, MIB = 512, 1 << 20
FIRST_SECTOR = 2048  # of the first partition
SIGNATURE = b"gst1"
FAT16, LINUX, ACTIVE = 0x0E, 0x83, 0x80
PIECE = 65_536
CHARACTER = 0o020000
SYSLINUX = """DEFAULT guest
PROMPT 0
TIMEOUT 0
LABEL guest
  KERNEL vmlinuz
  INITRD initrd.gz
  APPEND {cmdline}
"""


def call(*words: object, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """Raises CalledProcessError with what was complained."""
    env = {**os.environ, "PATH": PATH, "LC_ALL": "C", "MKE2FS_DETERMINISTIC": "1"}
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, env=env, **more)  # noqa: S603


def said(*words: object) -> str:
    """What a command prints."""
    return call(*words).stdout.decode()


def archive(root: Path, out: Path) -> None:
    """A folder as the kernel unpacks it (newc, gzipped); everything is root's."""
    with gzip.GzipFile(out, "wb", compresslevel=9, mtime=0) as file:
        for number, (name, mode, data, device) in enumerate(entries(root), 1):
            raw = name.encode() + b"\0"
            fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(raw), 0)
            head = b"070701" + "".join(f"{field:08X}" for field in fields).encode() + raw
            file.write(padded(head) + padded(data))


def padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def entries(root: Path) -> Iterator[tuple[str, int, bytes, tuple[int, int]]]:
    """Name, mode, bytes and device of each."""
    for path in sorted(root.rglob("*")):
        mode, name = path.lstat().st_mode, str(path.relative_to(root))
        data = b"" if path.is_dir() and not path.is_symlink() else bytes_of(path)
        yield name, mode, data, (0, 0)
    yield "dev/console", CHARACTER | 0o600, b"", (5, 1)
    yield "dev/null", CHARACTER | 0o666, b"", (1, 3)
    yield "TRAILER!!!", 0, b"", (0, 0)


def bytes_of(path: Path) -> bytes:
    return os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()


def ext4(root: Path, out: Path, mib: int) -> None:
    """A file system of that size with what is in the folder; everything is root's."""
    with out.open("wb") as file:
        file.truncate(mib * MIB)
    features = "^has_journal,^metadata_csum,^64bit,^resize_inode"
    more = ("-O", features, "-N", 2048, "-E", "root_owner=0:0,lazy_itable_init=0", "-d", root, out)
    call("mke2fs", "-q", "-F", "-t", "ext4", "-L", "guestroot", "-m", 0, "-I", 256, "-b", 4096, *more)
    if os.getuid() != 0:  # files were copied with the ids of who makes it
        names = ["/", *(f"/{path.relative_to(root)}" for path in root.rglob("*"))]
        script = "".join(f'sif "{name}" uid 0\nsif "{name}" gid 0\n' for name in names)
        call("debugfs", "-w", "-f", "-", out, input=script.encode())


def bootable(work: Path, cmdline: str, *, compress: bool) -> Path:
    """A disk with two partitions: FAT with kernel and first file system, which SYSLINUX loads, and the root.

    Not GRUB: in a guest without hardware virtualisation that takes seconds to read what SYSLINUX reads in less than one.
    """
    fat = boot_partition(work, cmdline)
    parts = [(ACTIVE, FAT16, FIRST_SECTOR, fat)]
    parts.append((0, LINUX, FIRST_SECTOR + fat.stat().st_size // SECTOR, work / "guest.ext4"))
    raw, made = work / "disk.raw", work / "guest.qcow2"
    with raw.open("wb") as disk:
        for _, _, start, image in parts:
            disk.seek(start * SECTOR)
            copy_sparse(image, disk)
        disk.truncate(disk.tell())
        disk.seek(0)
        disk.write(partition_table(parts))
    call("qemu-img", "convert", "-q", *(["-c"] if compress else []), "-f", "raw", "-O", "qcow2", raw, made)
    return made


def boot_partition(work: Path, cmdline: str) -> Path:
    files = [work / "vmlinuz", work / "initrd.gz"]
    fat, config = work / "boot.fat", work / "syslinux.cfg"
    with fat.open("wb") as file:
        file.truncate((sum(each.stat().st_size for each in files) // MIB + 2) * MIB)
    call("mkfs.vfat", "-F", 16, "-n", "BOOT", "-i", "b007b007", "-h", FIRST_SECTOR, fat)
    config.write_text(SYSLINUX.format(cmdline=cmdline))
    call("mcopy", "-i", fat, *files, config, "::")
    call("syslinux", "--install", fat)
    return fat


def partition_table(parts: list[tuple[int, int, int, Path]]) -> bytes:
    """The first sector: code that finds the active partition, and where each is."""
    sector = bytearray(MBR.read_bytes().ljust(SECTOR, b"\0"))
    sector[440:444], sector[510:512] = SIGNATURE, b"\x55\xaa"
    for n, (active, kind, start, image) in enumerate(parts):
        entry = (active, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", start, image.stat().st_size // SECTOR)
        struct.pack_into("<B3sB3sII", sector, 446 + 16 * n, *entry)
    return bytes(sector)


def copy_sparse(source: Path, into: BinaryIO) -> None:
    with source.open("rb") as file:
        while piece := file.read(PIECE):
            if piece.strip(b"\0"):
                into.write(piece)
            else:
                into.seek(len(piece), os.SEEK_CUR)
