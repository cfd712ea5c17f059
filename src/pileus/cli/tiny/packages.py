"""Debian's packages: downloaded once, unpacked, never installed."""

from __future__ import annotations

import re
from pathlib import Path

from pileus.cli.tiny.disk import call, said

NAMES = [
    "busybox-static",
    "dropbear-bin",
    "libc6",
    "libtomcrypt1",
    "libtommath1",
    "zlib1g",
    "libcrypt1",
    "libgmp10",
]
AGENT_NAMES = ["qemu-guest-agent", "libglib2.0-0", "libpcre2-8-0", "libudev1", "liburing2", "libnuma1"]


def unpacked(into: Path, cache: Path, *, kernel: str, agent: bool) -> Path:
    """All that the guest needs, below one folder. What is in `cache` already is not downloaded: no network is needed then."""
    cache.mkdir(parents=True, exist_ok=True)
    kept = sorted(cache.glob("linux-image-[0-9]*_*.deb"))
    kernel = kept[-1].name.partition("_")[0] if kept else real_name(kernel)
    into.mkdir(parents=True)
    for deb in fetched([kernel, *NAMES, *(AGENT_NAMES if agent else [])], cache):
        call("dpkg-deb", "-x", deb, into)
    return into


def fetched(names: list[str], cache: Path) -> list[Path]:
    """The files of these packages, of whatever version is there."""
    missing = [name for name in names if not list(cache.glob(f"{name}_*.deb"))]
    if missing:
        call("apt-get", "-q", "download", *missing, cwd=cache)
    return [sorted(cache.glob(f"{name}_*.deb"))[-1] for name in names]


def real_name(package: str) -> str:
    """The package of a kernel that a package without files stands for."""
    found = re.findall(r"Depends: (linux-image-\d\S+)", said("apt-cache", "depends", package))
    return str(found[0]) if found else package
