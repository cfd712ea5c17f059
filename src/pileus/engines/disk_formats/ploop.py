"""ploop: Parallels' and OpenVZ's. Little endian; clusters, found by one table."""

from __future__ import annotations

from pileus.engines.disk_formats.data import BadImage, Data

MAGICS = (b"WithoutFreeSpace", b"WithouFreSpacExt")
SECTOR = 512


def is_one(data: Data) -> bool:
    return any(data.starts(0, magic) for magic in MAGICS)


def virtual_size(data: Data) -> int:
    """Of a whole image. Raises BadImage."""
    version, _, _, tracks, entries, sectors = data.numbers("<IIIIIQ", 16, "header")
    if version != 2 or not tracks or entries * tracks < sectors:
        raise BadImage("its header makes no sense")
    data.within(64, entries * 4, "table of clusters")
    return int(sectors * SECTOR)
