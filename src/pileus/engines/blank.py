"""Images of disks on which nothing was written: what simulators send where others send bytes."""

from __future__ import annotations

import struct

CLUSTER_BITS = 16
RAW_BYTES = 4096


def image(disk_format: str, size_bytes: int) -> bytes:
    """A qcow2 is one of that size; whatever else is asked for is some zeros."""
    return qcow2(size_bytes) if disk_format == "qcow2" else bytes(RAW_BYTES)


def qcow2(size_bytes: int) -> bytes:
    """Header, refcount table, one refcount block, L1 table: a cluster each."""
    cluster = 1 << CLUSTER_BITS
    entries = -(-size_bytes // (cluster * (cluster // 8)))
    l1_clusters = max(1, -(-entries * 8 // cluster))
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        *(b"QFI\xfb", 3, 0, 0, CLUSTER_BITS, size_bytes, 0, entries, 3 * cluster, cluster, 1, 0, 0, 0, 0, 0, 4, 104),
    )
    refcounts = struct.pack(f">{3 + l1_clusters}H", *([1] * (3 + l1_clusters)))
    parts = (header, struct.pack(">Q", 2 * cluster), refcounts)
    return b"".join(part.ljust(cluster, b"\0") for part in parts) + bytes(l1_clusters * cluster)
