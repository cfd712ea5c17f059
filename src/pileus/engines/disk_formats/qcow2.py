"""qcow2: QEMU's own. Big endian; clusters, found by two tables."""

from __future__ import annotations

import sys
from array import array

from pileus.engines.disk_formats.data import BadImage, Data

MAGIC = b"QFI\xfb"
HEADER = ">4sIQIIQIIQQIIQ"
FEATURES = ">QQQII"
FIRST_BYTES = 72
KNOWN_FEATURES = 0b11011  # dirty, corrupt, compression type, extended L2: all but the data file
DATA_FILE = 1 << 2
EXTENDED_L2 = 1 << 4
DATA_FILE_NAME = 0x44415441
OFFSET = 0x00FF_FFFF_FFFF_FE00
COMPRESSED = 1 << 62
L1_BYTES = 32 << 20
TABLES_READ = 64  # so many second tables are looked into; each stands for 8192 clusters, mostly of 64 KiB


def is_one(data: Data) -> bool:
    return data.starts(0, MAGIC + b"\0\0\0\2") or data.starts(0, MAGIC + b"\0\0\0\3")


def virtual_size(data: Data) -> int:
    """Of a whole image that stands on its own. Raises BadImage."""
    header = data.numbers(HEADER, 0, "header")
    _, version, backing, _, cluster_bits, size, crypt, l1_size, l1, refcounts, refcount_clusters, _, _ = header
    if backing:
        raise BadImage("it names a backing file: flatten it by `qemu-img convert`")
    if not 9 <= cluster_bits <= 21:
        raise BadImage(f"its clusters have 2^{cluster_bits} bytes, which no image has")
    if crypt > 2:
        raise BadImage(f"it is encrypted in a way ({crypt}) that nobody knows")
    features = check_features(data, version)
    cluster = 1 << cluster_bits
    check_extensions(data, version, cluster)
    entry = 16 if features & EXTENDED_L2 else 8
    if l1_size * 8 > L1_BYTES or l1_size * (cluster // entry) * cluster < size:
        raise BadImage(f"its tables do not fit a disk of {size} bytes")
    data.within(refcounts, refcount_clusters * cluster, "table of references")
    check_clusters(data, l1, l1_size, cluster, entry)
    return int(size)


def check_features(data: Data, version: int) -> int:
    if version == 2:
        return 0
    features, _, _, _, length = data.numbers(FEATURES, FIRST_BYTES, "header")
    if features & DATA_FILE:
        raise BadImage("it names a data file: flatten it by `qemu-img convert`")
    if features & ~KNOWN_FEATURES:
        raise BadImage(f"it needs features ({features:#x}) that nobody knows")
    if length < 104 or length % 8:
        raise BadImage("its header has no length that a header may have")
    return int(features)


def check_extensions(data: Data, version: int, cluster: int) -> None:
    """What may follow the header in its cluster: no name of another file."""
    at = FIRST_BYTES if version == 2 else data.numbers(">I", 100, "header")[0]
    while at + 8 <= min(cluster, data.size):
        kind, length = data.numbers(">II", at, "header")
        if kind == 0:
            return
        if kind == DATA_FILE_NAME:
            raise BadImage("it names a data file: flatten it by `qemu-img convert`")
        at += 8 + (length + 7) // 8 * 8
    if at > cluster:
        raise BadImage("its header does not end where it should")


def check_clusters(data: Data, l1: int, l1_size: int, cluster: int, entry: int) -> None:
    """Every second table is there, and every cluster of the first ones."""
    tables = [offset for each in table(data, l1, l1_size, "first table") if (offset := each & OFFSET)]
    if tables:
        data.within(max(tables), cluster, "second tables")
    for offset in tables[:TABLES_READ]:
        entries = table(data, offset, cluster // 8, "second tables")[:: entry // 8]
        last = max((each & OFFSET for each in entries if not each & COMPRESSED), default=0)
        data.within(last, 512 if last else 0, "clusters")


def table(data: Data, offset: int, count: int, what: str) -> array[int]:
    numbers = array("Q", data.piece(offset, count * 8, what))
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
