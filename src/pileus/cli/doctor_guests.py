"""What `pileus doctor` looks at where this machine shall run guests: QEMU, libvirt, KVM. Nothing here keeps a simulated cloud
from working, so nothing is worse than a doubt."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import subprocess
from collections.abc import Iterator

from pileus.cli.finding import Finding
from pileus.engines.hypervisor.libvirt import kvm
from pileus.engines.hypervisor.libvirt.daemon import PROGRAMS, qemu_user
from pileus.kernel.config import Config
from pileus.kernel.errors import Unavailable

SETUP = "script/setup --real"
QEMU = "qemu-system-x86_64"


def qemu(config: Config) -> Iterator[Finding]:
    """QEMU and the programs beside it."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        why = "Without them this machine runs no real guests; simulated ones need nothing."
        yield Finding("qemu", f"not here: {', '.join(missing)}", why, SETUP)
        return
    said = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    yield Finding("qemu", said.partition("\n")[0].strip() or "says nothing")


def libvirt(config: Config) -> Iterator[Finding]:
    """libvirtd, its user for QEMU, and its module for Python."""
    if shutil.which("libvirtd") is None:
        return  # told by `qemu`
    lacking = [name for name in ("libvirt", "pycdlib") if importlib.util.find_spec(name) is None]
    if lacking:
        why = "The agent speaks to libvirt and writes config drives by them."
        yield Finding("libvirt", f"no Python module {', '.join(lacking)}", why, SETUP)
        return
    try:
        yield Finding("libvirt", f"{version()}, guests are {qemu_user().pw_name}'s")
    except Unavailable as e:
        yield Finding("libvirt", e.message, "QEMU must not run as root.", SETUP)


def version() -> str:
    said = subprocess.run(["libvirtd", "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S607
    return said.strip().rpartition(" ")[2] or "of an unknown version"


def accelerator(config: Config) -> Iterator[Finding]:
    """What guests run on."""
    if shutil.which(QEMU) is None:
        return
    why = "Guests are emulated: they work, several times slower."
    if not kvm.DEVICE.exists():
        mend = "modprobe kvm_intel or kvm_amd; in a virtual machine, let its host allow nested virtualisation"
        yield Finding("kvm", f"{kvm.DEVICE} is not there", why, mend)
    elif asyncio.run(kvm.boots_guests()):
        yield Finding("kvm", "boots guests")
    else:
        mend = f"as root: {QEMU} -accel kvm -cpu host -display none -nodefaults shows what it says"
        yield Finding("kvm", f"{kvm.DEVICE} is there, but no guest boots on it", why, mend)


LOOKS = (qemu, libvirt, accelerator)
