"""VHD: Virtual PC's. Big endian; a footer at the end, and a copy of it first unless the size is fixed."""

from __future__ import annotations

from pileus.engines.disk_formats.data import BadImage, Data

MAGIC = b"conectix"
SPARSE = b"cxsparse"
SECTOR = 512
FIXED, DYNAMIC = 2, 3
BLOCKS = 1 << 24


def is_one(data: Data) -> bool:
    return data.starts(0, MAGIC) or has_footer(data)


def has_footer(data: Data) -> bool:
    """A guest may have written the first bytes of one at its disk's end, but hardly with its checksum."""
    at = data.size - SECTOR
    return data.starts(at, MAGIC) and checks(data.piece(at, SECTOR, "footer"))


def checks(footer: bytes) -> bool:
    """Whether the checksum is that of the rest."""
    rest = sum(footer) - sum(footer[64:68])
    return int.from_bytes(footer[64:68], "big") == ~rest & 0xFFFF_FFFF


def virtual_size(data: Data) -> int:
    """Of a whole image that stands on its own. Raises BadImage."""
    if not has_footer(data):
        raise BadImage("it ends before its footer: it is truncated, or damaged")
    footer = data.piece(data.size - SECTOR, SECTOR, "footer")
    kind, size = int.from_bytes(footer[60:64], "big"), int.from_bytes(footer[48:56], "big")
    if kind == FIXED:
        data.within(0, size + SECTOR, "data")
    elif kind == DYNAMIC:
        if data.piece(0, SECTOR, "header") != footer:
            raise BadImage("its header and its footer say different things")
        check_blocks(data, int.from_bytes(footer[16:24], "big"), size)
    else:
        raise BadImage("it stands on another image: flatten it by `qemu-img convert`")
    return size


def check_blocks(data: Data, at: int, size: int) -> None:
    if not data.starts(at, SPARSE):
        raise BadImage("it ends before its second header: it is truncated, or damaged")
    table, _, blocks, block = data.numbers(">QIII", at + 16, "second header")
    if blocks > BLOCKS or blocks * block < size:
        raise BadImage(f"its blocks do not fit a disk of {size} bytes")
    if any(data.piece(at + 40, 16, "second header")) or any(data.piece(at + 64, 512, "second header")):
        raise BadImage("it names a parent: flatten it by `qemu-img convert`")
    data.within(table, blocks * 4, "table of blocks")
