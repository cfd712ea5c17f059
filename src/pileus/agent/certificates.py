"""The certificates by which hosts reach each other's volumes: files that QEMU reads, of what this host already has.

A host that joined has a certificate of its own. The machine of the control plane has the authority of the cloud: its agent
makes itself one, when there is an authority, which is as soon as other hosts may join.
"""

from __future__ import annotations

import grp
import os
from pathlib import Path

from pileus.agent.join import Identity
from pileus.engines.files import make_directory, read_or_none, write_whole
from pileus.kernel import tls
from pileus.kernel.errors import Unavailable

DAYS = 3650
PASS_THROUGH = 0o711
QEMU_GROUPS = ("libvirt-qemu", "qemu")
NONE = "This host has no certificate of the cloud, by which others could reach its volumes: set agents.listen, and start again."


def ensure(home: Path, name: str, identity: Identity | None, authority: Path) -> Path:
    """The directory with the files. `authority`: where that of the cloud is, on its machine. Raises Unavailable."""
    folder = make_directory(home / "tls" / "nbd")
    if read_or_none(folder / "server-key.pem") is None or identity is not None:
        ca, certificate, key = parts(identity) if identity is not None else issued(name, authority)
        files = {"ca-cert": ca, "client-cert": certificate, "server-cert": certificate}
        for file, data in {
            **files,
            "client-key": key,
            "server-key": key,
        }.items():  # the last one says that all are there
            write_whole(folder / f"{file}.pem", data, durable=True)
        show_to_qemu(folder)
    return folder


def show_to_qemu(folder: Path) -> None:
    """QEMU is another user, and reads what a client needs."""
    for room in (folder, folder.parent):
        room.chmod(PASS_THROUGH)
    for name in ("ca-cert", "client-cert"):
        (folder / f"{name}.pem").chmod(0o644)
    group = next((entry.gr_gid for name in QEMU_GROUPS if (entry := group_of(name))), None)
    if group is not None and os.geteuid() == 0:
        os.chown(folder / "client-key.pem", -1, group)
        (folder / "client-key.pem").chmod(0o640)


def group_of(name: str) -> grp.struct_group | None:
    try:
        return grp.getgrnam(name)
    except KeyError:
        return None


def parts(identity: Identity) -> tuple[bytes, bytes, bytes]:
    """The authority, the certificate, the key."""
    certificate, mark, key = identity.chain.partition(b"-----BEGIN PRIVATE KEY-----")
    return identity.ca, certificate, mark + key


def issued(name: str, authority: Path) -> tuple[bytes, bytes, bytes]:
    """Raises Unavailable."""
    if not (authority / "ca.pem").exists():
        raise Unavailable(NONE)
    try:
        ca = tls.ensure_ca(authority)
    except (tls.TlsError, OSError) as e:
        raise Unavailable(f"{NONE} ({e})") from e
    return ca.pem, *tls.issue(ca, [name], DAYS, client=True)
