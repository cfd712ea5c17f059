"""`pileus image build-tiny`: a guest image of a few MB, made of Debian's packages; for tests and for a first look.

The guest runs busybox' init, asks for its address (DHCP, IPv6 by SLAAC), reads metadata (from a config drive, else from
169.254.169.254), takes host name, keys, password and user data from them, serves ssh by dropbear, and says GUEST-READY on its
first serial port. Nothing is mounted and no right is needed to make it.

What the guest consists of, beside packages, lies in this folder: `init` of its first file system, and `root/`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from pileus.cli import Failure
from pileus.cli.tiny import disk, packages, tree

TOOLS = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "syslinux": "syslinux",
    "qemu-img": "qemu-utils",
}
"""By the command: the package that has it."""


def run(asked: argparse.Namespace) -> int:
    """Make the image: whole, or not at all."""
    refuse_without_tools()
    out = asked.out.absolute()
    cache = asked.cache or Path.home() / ".cache" / "pileus" / "packages"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".build-tiny-", dir=out.parent) as name:
            made = build(asked, cache, Path(name))
            made.replace(out)
    except subprocess.CalledProcessError as e:
        raise Failure(
            f"{e.cmd[0]} failed ({e.returncode}): {(e.stderr or b'').decode(errors='replace').strip()}"
        ) from e
    except OSError as e:
        raise Failure(f"the image could not be made: {e}") from e
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, a qcow2 disk that boots by BIOS; log in as root by a key")
    return 0


def refuse_without_tools() -> None:
    """Raises Failure that says what to install."""
    lacking = {package for command, package in TOOLS.items() if shutil.which(command, path=disk.PATH) is None}
    if not disk.MBR.exists():
        lacking.add("syslinux-common")
    if lacking:
        raise Failure(f"some tools are not here: apt-get install {' '.join(sorted(lacking))}")


def build(asked: argparse.Namespace, cache: Path, work: Path) -> Path:
    """The image, in the folder `work`."""
    unpacked = packages.unpacked(work / "packages", cache, kernel=asked.kernel_package, agent=asked.guest_agent)
    modules = tree.Modules(unpacked)
    first = tree.first_file_system(work / "first", unpacked, modules)
    options = tree.Options(root_hash=asked.root_hash, autologin=asked.autologin, guest_agent=asked.guest_agent)
    root = tree.root_file_system(work / "root", unpacked, modules, options)
    disk.archive(first, work / "initrd.gz")
    shutil.copyfile(next((unpacked / "boot").glob("vmlinuz-*")), work / "vmlinuz")
    disk.ext4(root, work / "guest.ext4", asked.size)
    return disk.bootable(work, asked.cmdline, compress=not asked.no_compress)
