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
    yield said_of_qemu(missing, "" if missing else said(QEMU, "--version").partition("\n")[0])


def said_of_qemu(missing: list[str], version: str) -> Finding:
    if not missing:
        return Finding("qemu", version or "says nothing")
    why = "Without them this machine runs no real guests; simulated ones need nothing."
    return Finding("qemu", f"not here: {', '.join(missing)}", why, SETUP)


def libvirt(config: Config) -> Iterator[Finding]:
    """libvirtd, its user for QEMU, and its modules for Python."""
    if shutil.which("libvirtd") is None:
        return  # told by `qemu`
    lacking = [name for name in ("libvirt", "pycdlib") if importlib.util.find_spec(name) is None]
    try:
        user, wrong = qemu_user().pw_name, ""
    except Unavailable as e:
        user, wrong = "", e.message
    yield said_of_libvirt(lacking, said("libvirtd", "--version").rpartition(" ")[2], user, wrong)


def said_of_libvirt(lacking: list[str], version: str, user: str, wrong: str) -> Finding:
    """`user`: whose guests are; where there is none, what is `wrong` with that."""
    if lacking:
        why = "The agent speaks to libvirt and writes config drives by them."
        return Finding("libvirt", f"no Python module {', '.join(lacking)}", why, SETUP)
    if wrong:
        return Finding("libvirt", wrong, "QEMU must not run as root.", SETUP)
    return Finding("libvirt", f"{version or 'of an unknown version'}, guests are {user}'s")


def said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


def accelerator(config: Config) -> Iterator[Finding]:
    """What guests run on."""
    if shutil.which(QEMU) is not None:
        there = kvm.DEVICE.exists()
        yield said_of_kvm(there, there and asyncio.run(kvm.boots_guests()))


def said_of_kvm(there: bool, boots: bool) -> Finding:
    why = "Guests are emulated: they work, several times slower."
    if not there:
        mend = "modprobe kvm_intel or kvm_amd; in a virtual machine, let its host allow nested virtualisation"
        return Finding("kvm", f"{kvm.DEVICE} is not there", why, mend)
    if not boots:
        mend = f"as root: {QEMU} -accel kvm -cpu host -display none -nodefaults shows what it says"
        return Finding("kvm", f"{kvm.DEVICE} is there, but no guest boots on it", why, mend)
    return Finding("kvm", "boots guests")


LOOKS = (qemu, libvirt, accelerator)
