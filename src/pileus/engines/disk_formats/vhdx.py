"""VHDX: Hyper-V's. Little endian; regions, one of which holds named items."""

from __future__ import annotations

from uuid import UUID

from pileus.engines.disk_formats.data import BadImage, Data

MAGIC = b"vhdxfile"
REGIONS_AT = (0x30000, 0x40000)
METADATA = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
PARENT = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
HAS_PARENT = 0b10
REGIONS, ITEMS = 2047, 1023


def is_one(data: Data) -> bool:
    return data.starts(0, MAGIC)


def virtual_size(data: Data) -> int:
    """Of a whole image that stands on its own. Raises BadImage."""
    metadata = check_regions(data)
    if not data.starts(metadata, b"metadata"):
        raise BadImage("it ends before its metadata: it is truncated, or damaged")
    items = items_of(data, metadata)
    if PARENT in items:
        raise BadImage("it names a parent: flatten it by `qemu-img convert`")
    if PARAMETERS not in items or SIZE not in items:
        raise BadImage("it does not say how large it is")
    _, bits = data.numbers("<II", metadata + items[PARAMETERS], "metadata")
    if bits & HAS_PARENT:
        raise BadImage("it stands on another image: flatten it by `qemu-img convert`")
    return int(data.numbers("<Q", metadata + items[SIZE], "metadata")[0])


def check_regions(data: Data) -> int:
    """All regions are there, and both tables say the same; where the metadata are."""
    tables = [data.piece(at, 16, "table of regions") for at in REGIONS_AT]
    count = int.from_bytes(tables[0][8:12], "little")
    if not all(table.startswith(b"regi") for table in tables) or count > REGIONS:
        raise BadImage("its table of regions makes no sense")
    first, second = (data.piece(at + 16, count * 32, "table of regions") for at in REGIONS_AT)
    if first != second:
        raise BadImage("its two tables of regions say different things")
    found = {}
    for n in range(count):
        raw = first[n * 32 : n * 32 + 32]
        offset, length = int.from_bytes(raw[16:24], "little"), int.from_bytes(raw[24:28], "little")
        data.within(offset, length, "regions")
        found[UUID(bytes_le=raw[:16])] = offset
    if METADATA not in found:
        raise BadImage("it has no metadata")
    return found[METADATA]


def items_of(data: Data, metadata: int) -> dict[UUID, int]:
    """Where each item is, from the metadata's begin."""
    (count,) = data.numbers("<H", metadata + 10, "metadata")
    if count > ITEMS:
        raise BadImage("its metadata make no sense")
    raw = data.piece(metadata + 32, count * 32, "metadata")
    rows = [raw[n * 32 : n * 32 + 32] for n in range(count)]
    return {UUID(bytes_le=row[:16]): int.from_bytes(row[16:20], "little") for row in rows}
