"""ISO 9660: a compact disc. It may begin with a boot sector, so that a USB stick boots, too."""

from __future__ import annotations

from pileus.engines.disk_formats.data import BadImage, Data

MAGIC = b"CD001"
AT = 32_768
PRIMARY = 1
LAST = 255
DESCRIPTORS = 16


def is_one(data: Data) -> bool:
    return data.starts(AT + 1, MAGIC)


def virtual_size(data: Data) -> int:
    """Of a whole image. Raises BadImage."""
    for n in range(DESCRIPTORS):
        raw = data.piece(AT + n * 2048, 2048, "descriptors")
        if raw[1:6] != MAGIC or raw[0] == LAST:
            break
        if raw[0] == PRIMARY:
            blocks, block = int.from_bytes(raw[80:84], "little"), int.from_bytes(raw[128:130], "little")
            data.within(0, blocks * block, "files")
            return data.size
    raise BadImage("it has no primary descriptor")
