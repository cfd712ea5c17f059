"""VDI: VirtualBox's. Little endian; blocks, found by one map."""

from __future__ import annotations

from pileus.engines.disk_formats.data import BadImage, Data

MAGIC = b"\x7f\x10\xda\xbe"
KINDS = {1: "dynamic", 2: "fixed"}
NOTHING = 0xFFFF_FFFE  # from here on a block is not there
BLOCK_BYTES = 1 << 20
BLOCKS = 1 << 29


def is_one(data: Data) -> bool:
    return data.starts(0x40, MAGIC)


def virtual_size(data: Data) -> int:
    """Of a whole image that stands on its own. Raises BadImage."""
    (kind,) = data.numbers("<I", 0x4C, "header")
    map_at, data_at = data.numbers("<II", 0x154, "header")
    size, block, _, blocks, allocated = data.numbers("<QIIII", 0x170, "header")
    parents = data.piece(0x1A8, 32, "header")
    if kind not in KINDS or any(parents):
        raise BadImage("it stands on another image: flatten it by `qemu-img convert`")
    if block != BLOCK_BYTES or blocks > BLOCKS or blocks * block < size or allocated > blocks:
        raise BadImage(f"its blocks do not fit a disk of {size} bytes")
    data.within(map_at, blocks * 4, "map of blocks")
    data.within(data_at, allocated * block, "blocks")
    return int(size)
