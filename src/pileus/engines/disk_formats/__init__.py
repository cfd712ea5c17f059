"""What the bytes of a disk image are, whatever they are said to be; and whether they may be used.

Somebody we do not trust has written them, and programs with many rights will read them. So an image is refused that reaches
for anything beside its own bytes (a backing file, a data file, an extent, a parent), whose disk is larger than may be, that
ends too early, that is another format than was declared, or several at once. Pure: looked at on upload, on import, and again on
the host before use.
"""

from __future__ import annotations

import msgspec

from pileus.engines.blobs import Read
from pileus.engines.disk_formats import iso, ploop, qcow2, vdi, vhd, vhdx, vmdk
from pileus.engines.disk_formats.data import BadImage, Data

__all__ = ["BadImage", "Found", "check", "check_use", "formats_of"]

FORMATS = {
    "qcow2": qcow2,
    "vmdk": vmdk,
    "vdi": vdi,
    "vhd": vhd,
    "vhdx": vhdx,
    "iso": iso,
    "ploop": ploop,
}
"""Those that we know all about: each tells whether bytes are of it (`is_one`), and looks at them (`virtual_size`)."""

OTHERS = {
    "luks": (0, b"LUKS\xba\xbe"),
    "qcow": (0, b"QFI\xfb\0\0\0\1"),
    "qed": (0, b"QED\0"),
    "cow": (0, b"OOOM"),
    "bochs": (0, b"Bochs Virtual HD Image"),
    "cloop": (0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop"),
}
"""Those that are known by their first bytes alone: nobody may declare them."""

PLAIN = frozenset({"raw", "ami", "ari", "aki"})
BARE = frozenset({"bare", "ami", "ari", "aki"})


class Found(msgspec.Struct, frozen=True):
    """What was found: the format, and how many bytes the disk has (None: nobody looked into the container)."""

    format: str
    virtual_size: int | None


def formats_of(read: Read, size: int) -> list[str]:
    """All formats that these bytes could be taken for; none for plain bytes."""
    data = Data(read, size)
    known = [name for name, kind in FORMATS.items() if kind.is_one(data)]
    others = [name for name, (offset, magic) in OTHERS.items() if data.starts(offset, magic)]
    dmg = ["dmg"] if data.starts(size - 512, b"koly") else []
    return known + others + dmg


def check(read: Read, size: int, *, declared: str, container: str = "bare", most_virtual_bytes: int) -> Found:
    """What the image is. Raises BadImage when it is not what was declared, or must not be used.

    What is in another container than `bare` is not looked at: it can be kept, not used.
    """
    if container not in BARE:
        return Found(declared, None)
    found = formats_of(read, size)
    if declared in PLAIN:
        if set(found) - {"luks"}:
            raise BadImage(f"it was declared {declared} and its bytes are {' and '.join(found)}")
        virtual_size = size
    else:
        if found != [declared]:
            really = " and ".join(found) or "of no format that is known"
            raise BadImage(f"it was declared {declared} and its bytes are {really}")
        virtual_size = FORMATS[declared].virtual_size(Data(read, size))
    if virtual_size > most_virtual_bytes:
        raise BadImage(f"its disk has {virtual_size} bytes, and {most_virtual_bytes} are allowed")
    return Found(declared, virtual_size)


def check_use(read: Read, size: int, *, declared: str, container: str = "bare", most_virtual_bytes: int) -> Found:
    """The same, of an image that is about to be used: what was not looked at is refused, too."""
    if container not in BARE:
        raise BadImage(f"it is in a container ({container}): only bare images can be used")
    return check(read, size, declared=declared, container=container, most_virtual_bytes=most_virtual_bytes)
