"""The two file systems of the guest, as folders: the first, which finds the other, and the root."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from pileus.cli.tiny.disk import said
from pileus.cli.tiny.elf import copy_program, executable

OWN = files("pileus.cli.tiny")
FIRST_MODULES = [
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "sd_mod",
    "sr_mod",
    "ata_piix",
    "isofs",
    "vfat",
    "nls_cp437",
    "nls_ascii",
    "nls_iso8859-1",
    "nls_utf8",
]
"""In this order; what they depend on is told by themselves."""

ROOT_MODULES = [
    "virtio_net",
    "virtio-rng",
    "virtio_balloon",
    "virtio_console",
    "button",
    "evdev",
    "qemu_fw_cfg",
    "8021q",
    "af_packet",
]

FOLDERS = [
    "bin",
    "sbin",
    "etc",
    "dev",
    "proc",
    "sys",
    "run",
    "tmp",
    "root",
    "mnt",
    "boot",
    "var/log",
    "var/lib",
    "usr/bin",
    "usr/sbin",
    "lib",
    "etc/dropbear",
    "etc/acpi/PWRF",
]
BUSYBOX_SBIN = ["init", "getty", "acpid", "uevent", "reboot", "poweroff", "halt"]
TEXTS = {
    "etc/hostname": "guest\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "etc/shells": "/bin/sh\n/bin/ash\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    "etc/profile": "export PATH=/usr/sbin:/usr/bin:/sbin:/bin\nPS1='\\u@\\h:\\w# '\n",
    "etc/resolv.conf": "",
    "etc/os-release": 'ID=tiny-guest\nNAME="tiny guest"\n',
}
SCRIPTS = {
    "etc/acpi/PWRF/00000080": "#!/bin/sh\nexec /sbin/poweroff\n",
    "bin/login-root": "#!/bin/sh\nexec /bin/login -f root\n",
    "usr/bin/sudo": '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexec "$@"\n',  # root is the only user
}


@dataclass(frozen=True)
class Options:
    """`root_hash`: of root's password, as crypt(3) has it; `*` is no password."""

    root_hash: str = "*"
    autologin: bool = False
    guest_agent: bool = False


class Modules:
    """The modules of the kernel that was unpacked. What the first file system loads, the root need not have."""

    def __init__(self, packages: Path) -> None:
        folder = next((packages / "lib/modules").iterdir())
        self._known = {path.stem.replace("-", "_"): path for path in folder.rglob("*.ko")}
        self._taken: set[str] = set()

    def take(self, names: list[str], into: Path) -> None:
        """Copy these, with all they depend on, and a list of them in the order in which they are loaded.

        What is built into the kernel is no module: it is passed over.
        """
        into.mkdir(parents=True)
        order = [path for name in names for path in self._with_needed(name)]
        for path in order:
            shutil.copyfile(path, into / path.name)
        (into / "order").write_text("".join(f"{path.name}\n" for path in order))

    def _with_needed(self, name: str) -> list[Path]:
        key = name.replace("-", "_")
        if key in self._taken or key not in self._known:
            return []
        self._taken.add(key)
        found = re.search(rb"\0depends=([^\0]*)\0", b"\0" + self._known[key].read_bytes())
        needed = found[1].decode().split(",") if found else []
        return [*(path for each in needed if each for path in self._with_needed(each)), self._known[key]]


def busybox(packages: Path) -> Path:
    return next(path for name in ("bin/busybox", "usr/bin/busybox") if (path := packages / name).exists())


def first_file_system(root: Path, packages: Path, modules: Modules) -> Path:
    for name in ("bin", "dev", "proc", "sys", "newroot"):
        (root / name).mkdir(parents=True)
    executable(busybox(packages), root / "bin/busybox")
    modules.take(FIRST_MODULES, root / "modules")
    with as_file(OWN / "init") as own:
        executable(own, root / "init")
    return root


def root_file_system(root: Path, packages: Path, modules: Modules, options: Options) -> Path:
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "root").chmod(0o700)
    (root / "tmp").chmod(0o1777)
    add_busybox(root, busybox(packages))
    programs = {"usr/sbin/dropbear": "usr/sbin/dropbear", "usr/bin/dropbearkey": "usr/bin/dropbearkey"}
    programs |= {"usr/bin/dbclient": "usr/bin/ssh"}
    if options.guest_agent:
        programs["usr/sbin/qemu-ga"] = "usr/sbin/qemu-ga"
    for source, place in programs.items():
        copy_program(packages, source, root, place)
    modules.take(ROOT_MODULES, root / "lib/modules/guest")
    add_texts(root, options)
    return root


def add_busybox(root: Path, program: Path) -> None:
    executable(program, root / "bin/busybox")
    for name in said(program, "--list").split():
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    for name in BUSYBOX_SBIN:
        (root / "sbin" / name).symlink_to("../bin/busybox")
    for name in ("awk", "env"):
        (root / "usr/bin" / name).symlink_to("../../bin/busybox")


def add_texts(root: Path, options: Options) -> None:
    with as_file(OWN / "root") as own:
        for path in sorted(own.rglob("*")):
            if path.is_file():
                executable(path, root / path.relative_to(own))
    for name, text in SCRIPTS.items():
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    for name, text in TEXTS.items():
        (root / name).write_text(text)
    shadow = root / "etc/shadow"
    shadow.write_text(f"root:{options.root_hash}:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n")
    shadow.chmod(0o600)
    if options.autologin:
        (root / "etc/autologin").write_text("")
