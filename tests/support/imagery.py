"""Disk images made of few bytes: good ones of each format, and what people do to them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

SIZE = 1 << 20  # of the disk in each
CLUSTER = 65_536
PIB = 1 << 50


def over(data: bytes, at: int, new: bytes) -> bytes:
    """The bytes with others at that place."""
    data = data.ljust(at + len(new), b"\0")
    return data[:at] + new + data[at + len(new) :]


def raw() -> bytes:
    return over(bytes(SIZE), 510, b"\x55\xaa")


def qcow2(*, size: int = SIZE, version: int = 3, **more: Any) -> bytes:
    """Header, table of references, first table, second table, one cluster of data."""
    backing: bytes = more.get("backing", b"")
    at = 512 if backing else 0
    l1_size = more.get("l1_size", -(-size // (CLUSTER * CLUSTER // 8)))
    fields = (
        at,
        len(backing),
        more.get("bits", 16),
        size,
        more.get("crypt", 0),
        l1_size,
        2 * CLUSTER,
        CLUSTER,
        1,
        0,
        0,
    )
    header = b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQ", version, *fields)
    if version == 3:
        header += struct.pack(">QQQII", more.get("features", 0), 0, 0, 4, more.get("length", 104))
    header = over(header + more.get("extensions", bytes(8)), at, backing)
    data = header.ljust(CLUSTER, b"\0") + bytes(CLUSTER)
    data += struct.pack(">Q", 3 * CLUSTER | 1 << 63).ljust(CLUSTER, b"\0")
    data += struct.pack(">Q", more.get("cluster_at", 4 * CLUSTER) | 1 << 63).ljust(CLUSTER, b"\0")
    return data + b"x" * CLUSTER


def extension(kind: int, text: bytes) -> bytes:
    return struct.pack(">II", kind, len(text)) + text.ljust(-(-len(text) // 8) * 8, b"\0") + bytes(8)


def descriptor(kind: str = "monolithicSparse", extent: str = 'RW 2048 SPARSE "disk.vmdk"', more: str = "") -> bytes:
    lines = ["# Disk DescriptorFile", "version=1", "CID=fffffffe", "parentCID=ffffffff", f'createType="{kind}"']
    return "\n".join([*lines, extent, more, 'ddb.adapterType = "ide"', ""]).encode()


def vmdk(*, text: bytes | None = None, sectors: int = SIZE // 512, text_at: int = 1, stream: bool = False) -> bytes:
    text = descriptor("streamOptimized" if stream else "monolithicSparse") if text is None else text
    directory = 2**64 - 1 if stream else 21
    fields = (1, 0x30001 if stream else 3, sectors, 128, text_at, 20, 512, 0, directory, 64)
    header = (b"KDMV" + struct.pack("<IIQQQQIQQQ", *fields)).ljust(512, b"\0")
    body = header + text.ljust(20 * 512, b"\0")
    if not stream:
        return body.ljust(64 * 512, b"\0") + b"x" * 65_536
    footer = header[:4] + header[4:56] + struct.pack("<Q", 22) + header[64:]
    return body.ljust(64 * 512, b"\0") + footer + bytes(512)


def vdi(*, kind: int = 1, size: int = SIZE, parent: bytes = bytes(16), blocks: int = 1) -> bytes:
    data = over(
        b"<<< Oracle VM VirtualBox Disk Image >>>\n", 0x40, b"\x7f\x10\xda\xbe" + struct.pack("<HHII", 1, 1, 400, kind)
    )
    data = over(data, 0x154, struct.pack("<II", 512, 1024))
    data = over(data, 0x170, struct.pack("<QIIII", size, 1 << 20, 0, blocks, 1))
    data = over(data, 0x1B8, parent)
    return over(data, 512, struct.pack("<I", 0)).ljust(1024, b"\0") + bytes(1 << 20)


def vhd_footer(kind: int, size: int, offset: int) -> bytes:
    footer = b"conectix" + struct.pack(
        ">IIQI4sI4sQQII", 2, 0x10000, offset, 0, b"qemu", 0, b"Wi2k", size, size, 0, kind
    )
    footer = footer.ljust(512, b"\0")
    return over(footer, 64, struct.pack(">I", ~sum(footer) & 0xFFFF_FFFF))


def vhd(*, kind: int = 3, size: int = SIZE, parent: bytes = bytes(16), blocks: int = 1) -> bytes:
    if kind == 2:
        return bytes(size) + vhd_footer(2, size, 2**64 - 1)
    footer = vhd_footer(kind, size, 512)
    head = b"cxsparse" + struct.pack(">QQIII", 2**64 - 1, 1536, 0x10000, blocks, 1 << 21) + bytes(4) + parent
    return footer + head.ljust(1024, b"\0") + b"\xff" * 512 + footer


def vhdx(*, size: int = SIZE, bits: int = 0, parent: bool = False) -> bytes:
    metadata, parameters = "8b7ca206-4790-4b9a-b8fe-575f050f886e", "caa16737-fa36-4d43-b3b6-33f0aa44e76b"
    items = [(parameters, 0x10000), ("2fa54224-cd1b-4876-b211-5dbed83bf4b8", 0x10008)]
    items += [("a8d35f2d-b30b-454d-abf7-d3d84834ab0c", 0x10010)] if parent else []
    region = UUID(metadata).bytes_le + struct.pack("<QII", 0x200000, 0x100000, 1)
    table = b"regi" + struct.pack("<III", 0, 1, 0) + region
    rows = b"".join(UUID(name).bytes_le + struct.pack("<IIII", at, 8, 4, 0) for name, at in items)
    data = over(b"vhdxfile", 0x30000, table)
    data = over(data, 0x40000, table)
    data = over(data, 0x200000, b"metadata" + struct.pack("<HH", 0, len(items)) + bytes(20) + rows)
    data = over(data, 0x210000, struct.pack("<IIQ", 1 << 25, bits, size))
    return data.ljust(0x300000, b"\0")


def iso(*, blocks: int = 32) -> bytes:
    primary = over(b"\1CD001\1", 80, struct.pack("<I", blocks))
    primary = over(primary, 128, struct.pack("<H", 2048)).ljust(2048, b"\0")
    return bytes(32_768) + primary + b"\xffCD001\1".ljust(2048, b"\0") + bytes(2048 * 14)


def ploop(*, version: int = 2) -> bytes:
    return (b"WithouFreSpacExt" + struct.pack("<IIIIIQ", version, 16, 1, 2048, 1, 2048)).ljust(SIZE, b"\0")


GOOD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "raw": ("raw", raw),
    "raw that is encrypted": ("raw", lambda: b"LUKS\xba\xbe".ljust(SIZE, b"\0")),
    "empty": ("raw", lambda: b""),
    "ami": ("ami", raw),
    "ari": ("ari", lambda: b"\x1f\x8b" + bytes(SIZE - 2)),
    "aki": ("aki", raw),
    "qcow2": ("qcow2", qcow2),
    "qcow2 of version 2": ("qcow2", lambda: qcow2(version=2)),
    "qcow2 with an extension": ("qcow2", lambda: qcow2(extensions=extension(0x6803F857, b"names"))),
    "qcow2 with extended tables": ("qcow2", lambda: qcow2(features=1 << 4)),
    "vmdk": ("vmdk", vmdk),
    "vmdk, streamed": ("vmdk", lambda: vmdk(stream=True)),
    "vdi": ("vdi", vdi),
    "vhd": ("vhd", vhd),
    "vhd, fixed": ("vhd", lambda: vhd(kind=2)),
    "vhdx": ("vhdx", vhdx),
    "iso": ("iso", iso),
    "iso that boots from a stick": ("iso", lambda: over(iso(), 510, b"\x55\xaa")),
    "ploop": ("ploop", ploop),
}
"""By its name: what it is declared, and how it is made."""

WHOLE_SIZE = {"raw", "ami", "ari", "aki", "iso"}

BAD: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "qcow2: backing file": ("qcow2", lambda: qcow2(backing=b"/etc/shadow"), "backing file"),
    "qcow2: backing file, json": ("qcow2", lambda: qcow2(backing=b'json:{"driver":"file"}'), "backing file"),
    "qcow2: backing file, old": ("qcow2", lambda: qcow2(version=2, backing=b"/etc/shadow"), "backing file"),
    "qcow2: data file": ("qcow2", lambda: qcow2(features=1 << 2), "data file"),
    "qcow2: data file's name": (
        "qcow2",
        lambda: qcow2(extensions=extension(0x44415441, b"/etc/shadow")),
        "data file",
    ),
    "qcow2: data file's name, later": (
        "qcow2",
        lambda: qcow2(extensions=extension(0x6803F857, b"n")[:-8] + extension(0x44415441, b"/etc/shadow")),
        "data file",
    ),
    "qcow2: unknown feature": ("qcow2", lambda: qcow2(features=1 << 9), "features"),
    "qcow2: odd header": ("qcow2", lambda: qcow2(length=9), "header"),
    "qcow2: endless header": ("qcow2", lambda: qcow2(extensions=struct.pack(">II", 7, 2**31)), "header"),
    "qcow2: odd clusters": ("qcow2", lambda: qcow2(bits=40), "clusters"),
    "qcow2: odd encryption": ("qcow2", lambda: qcow2(crypt=9), "encrypted"),
    "qcow2: 1 PB": ("qcow2", lambda: qcow2(size=PIB), "tables|allowed|truncated"),
    "qcow2: bomb": ("qcow2", lambda: qcow2(size=1 << 40).ljust(6 << 20, b"\0"), "allowed"),
    "qcow2: size without tables": ("qcow2", lambda: qcow2(size=1 << 40, l1_size=1), "tables"),
    "qcow2: cluster beyond its end": ("qcow2", lambda: qcow2(cluster_at=1 << 40), "truncated"),
    "vmdk: text alone": ("vmdk", lambda: descriptor(extent='RW 2048 FLAT "/etc/shadow" 0'), "other files"),
    "vmdk: older": ("vmdk", lambda: b"COWD".ljust(4096, b"\0"), "other files"),
    "vmdk: path": ("vmdk", lambda: vmdk(text=descriptor(extent='RW 2048 SPARSE "/etc/shadow"')), "path"),
    "vmdk: path upwards": ("vmdk", lambda: vmdk(text=descriptor(extent='RW 2048 SPARSE "..\\x"')), "path"),
    "vmdk: flat": ("vmdk", lambda: vmdk(text=descriptor(extent='RW 2048 FLAT "x" 0')), "extents"),
    "vmdk: two extents": (
        "vmdk",
        lambda: vmdk(text=descriptor(more='RW 2048 SPARSE "y.vmdk"')),
        "extents",
    ),
    "vmdk: odd extent": ("vmdk", lambda: vmdk(text=descriptor(more='RW 2048 SPARSE /etc/"shadow" x')), "extent"),
    "vmdk: of several files": ("vmdk", lambda: vmdk(text=descriptor("twoGbMaxExtentSparse")), "convert"),
    "vmdk: of a device": ("vmdk", lambda: vmdk(text=descriptor("fullDevice")), "convert"),
    "vmdk: parent": ("vmdk", lambda: vmdk(text=descriptor(more='parentFileNameHint="/etc/shadow"')), "parent"),
    "vmdk: parent's id": ("vmdk", lambda: vmdk(text=descriptor(more="parentCID=12345678")), "parent"),
    "vmdk: size left to the text": ("vmdk", lambda: vmdk(sectors=0), "text"),
    "vmdk: no text": ("vmdk", lambda: vmdk(text_at=0), "text"),
    "vmdk: nonsense": ("vmdk", lambda: over(vmdk(), 4, b"\xff\xff\xff\xff"), "sense"),
    "vmdk: long text": ("vmdk", lambda: over(vmdk(), 36, b"\xff\xff\xff\xff"), "too long"),
    "vmdk: 1 PB": ("vmdk", lambda: vmdk(sectors=PIB // 512), "truncated|allowed"),
    "vmdk: another footer": (
        "vmdk",
        lambda: over(vmdk(stream=True), len(vmdk(stream=True)) - 1012, b"\xff"),
        "different",
    ),
    "vdi: of another": ("vdi", lambda: vdi(kind=4), "another image"),
    "vdi: parent": ("vdi", lambda: vdi(parent=b"x" * 16), "another image"),
    "vdi: 1 PB": ("vdi", lambda: vdi(size=PIB), "blocks"),
    "vdi: blocks beyond its end": ("vdi", lambda: vdi(blocks=1 << 28), "truncated"),
    "vhd: of another": ("vhd", lambda: vhd(kind=4), "another image"),
    "vhd: parent": ("vhd", lambda: vhd(parent=b"x" * 16), "parent"),
    "vhd: 1 PB": ("vhd", lambda: vhd(size=PIB), "blocks"),
    "vhd: header and footer differ": ("vhd", lambda: over(vhd(), 8, b"x"), "different"),
    "vhd: blocks beyond its end": ("vhd", lambda: vhd(blocks=1 << 23), "truncated"),
    "vhd: no second header": ("vhd", lambda: over(vhd(), 512, b"x"), "second header"),
    "vhdx: of another": ("vhdx", lambda: vhdx(bits=2), "another image"),
    "vhdx: parent": ("vhdx", lambda: vhdx(parent=True), "parent"),
    "vhdx: 1 PB": ("vhdx", lambda: vhdx(size=PIB), "allowed"),
    "vhdx: two tables": ("vhdx", lambda: over(vhdx(), 0x40020, b"x"), "different"),
    "vhdx: no table": ("vhdx", lambda: over(vhdx(), 0x30000, b"x"), "sense"),
    "vhdx: no metadata": ("vhdx", lambda: over(over(vhdx(), 0x30010, b"x"), 0x40010, b"x"), "metadata"),
    "vhdx: metadata elsewhere": ("vhdx", lambda: over(vhdx(), 0x200000, b"x"), "metadata"),
    "vhdx: many metadata": ("vhdx", lambda: over(vhdx(), 0x20000A, b"\xff\xff"), "metadata"),
    "vhdx: no size": ("vhdx", lambda: over(vhdx(), 0x200040, b"x"), "large"),
    "iso: truncated": ("iso", lambda: iso(blocks=33), "truncated"),
    "iso: no descriptor": ("iso", lambda: over(iso(), 32_768, b"\xff"), "descriptor"),
    "ploop: nonsense": ("ploop", lambda: ploop(version=3), "sense"),
    "liar: raw": ("qcow2", raw, "no format"),
    "liar: qcow2": ("raw", qcow2, "qcow2"),
    "liar: qcow2 as ami": ("ami", qcow2, "qcow2"),
    "liar: vmdk text": ("raw", descriptor, "vmdk"),
    "liar: fixed vhd": ("raw", lambda: vhd(kind=2), "vhd"),
    "liar: iso": ("raw", iso, "iso"),
    "liar: first qcow": ("raw", lambda: b"QFI\xfb\0\0\0\1".ljust(4096, b"\0"), "qcow"),
    "liar: qed": ("raw", lambda: b"QED\0".ljust(4096, b"\0"), "qed"),
    "liar: dmg": ("raw", lambda: bytes(4096) + b"koly".ljust(512, b"\0"), "dmg"),
    "polyglot: iso and qcow2": ("iso", lambda: over(iso(), 0, qcow2()[:512]), "qcow2 and iso"),
    "polyglot: qcow2 and iso": ("qcow2", lambda: over(qcow2(), 32_769, b"CD001"), "qcow2 and iso"),
    "polyglot: vmdk and iso": ("vmdk", lambda: over(vmdk(), 32_769, b"CD001"), "vmdk and iso"),
    "polyglot: qcow2 and vhd": ("qcow2", lambda: qcow2() + vhd_footer(2, SIZE, 2**64 - 1), "qcow2 and vhd"),
    "encrypted qcow2": ("qcow2", lambda: b"LUKS\xba\xbe".ljust(SIZE, b"\0"), "luks"),
}
"""By its name: what it is declared, how it is made, and a word of why it is refused."""

NEEDED = {"qcow2": 4 * CLUSTER, "vmdk": 21 * 512, "vhdx": 0x210000, "ploop": 67}
"""So many bytes of a format say that more follow; of the others all but the last."""


def truncated() -> Iterator[tuple[str, tuple[str, Callable[[], bytes], str]]]:
    """Each good one that knows its end, cut off before it."""
    for name, (declared, make) in GOOD.items():
        if declared not in WHOLE_SIZE - {"iso"}:
            last = NEEDED.get(declared, -1)
            for end in (last, *(each for each in (600, 100, 40, 8, 3) if last == -1 or each < last)):
                yield f"{name}: [:{end}]", (declared, lambda make=make, end=end: make()[:end], "")  # type: ignore[misc]


TRUNCATED = dict(truncated())
HOSTILE = {**BAD, **TRUNCATED}
