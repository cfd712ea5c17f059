"""VMDK: VMware's. A sparse file with a text inside it that names its extents; only what is one file stands on its own."""

from __future__ import annotations

import re

from pileus.engines.disk_formats.data import BadImage, Data

MAGIC = b"KDMV"
OLDER = b"COWD"
TEXT = b"# Disk DescriptorFile"
HEADER = "<4sIIQQQQIQQQ"
SECTOR = 512
AT_END = 2**64 - 1
TEXT_BYTES = 1 << 20
KINDS = {"monolithicsparse", "streamoptimized"}
NO_PARENT = "ffffffff"
EXTENT = re.compile(r'(RW|RDONLY|NOACCESS)\s+\d+\s+(\w+)(?:\s+"([^"]*)")?(?:\s+\d+)?', re.I)
SETTING = re.compile(r'([\w.]+)\s*=\s*"?([^"]*)"?')


def is_one(data: Data) -> bool:
    return data.starts(0, MAGIC) or data.starts(0, OLDER) or data.starts(0, TEXT)


def virtual_size(data: Data) -> int:
    """Of a whole image that stands on its own. Raises BadImage."""
    if not data.starts(0, MAGIC):
        raise BadImage("its data are in other files: convert it to monolithicSparse or streamOptimized")
    _, version, _, capacity, grain, text_at, text_sectors, entries, _, directory, _ = data.numbers(HEADER, 0, "header")
    if version not in {1, 2, 3} or not 1 <= grain <= 1 << 20 or not 1 <= entries <= 1 << 16:
        raise BadImage("its header makes no sense")
    if not capacity or not text_at:
        raise BadImage("its header leaves its size to a text that may name other files")
    if text_sectors * SECTOR > TEXT_BYTES:
        raise BadImage("its descriptor is too long")
    check_text(data.piece(text_at * SECTOR, text_sectors * SECTOR, "descriptor"))
    if directory == AT_END:
        check_footer(data)
    else:
        tables = -(-capacity // (grain * entries))
        data.within(directory * SECTOR, tables * 4, "grain directory")
    return int(capacity * SECTOR)


def check_footer(data: Data) -> None:
    """Of a streamOptimized image the real header comes last: it, too, must say what was looked at."""
    at = data.size - 2 * SECTOR
    if not data.starts(at, MAGIC):
        raise BadImage("it ends before its footer: it is truncated, or damaged")
    first, last = data.numbers(HEADER, 0, "header"), data.numbers(HEADER, at, "footer")
    if first[3:7] != last[3:7]:
        raise BadImage("its header and its footer say different things")


def check_text(raw: bytes) -> None:
    """The descriptor: one sparse extent, this file, and no parent. Raises BadImage."""
    settings: dict[str, str] = {}
    extents: list[tuple[str, str]] = []
    for line in raw.partition(b"\0")[0].decode("latin-1").splitlines():
        text = line.strip()
        if found := EXTENT.fullmatch(text):
            extents.append((found[2].upper(), found[3] or ""))
        elif text.upper().startswith(("RW ", "RDONLY ", "NOACCESS ")):
            raise BadImage("its descriptor names an extent in no way that is known")
        elif found := SETTING.fullmatch(text):
            settings[found[1].lower()] = found[2]
    kind = settings.get("createtype", "")
    if kind.lower() not in KINDS:
        raise BadImage(f"it is {kind[:40] or 'of no kind'}: convert it to monolithicSparse or streamOptimized")
    if settings.get("parentcid", NO_PARENT).lower() != NO_PARENT or "parentfilenamehint" in settings:
        raise BadImage("it names a parent: flatten it by `qemu-img convert`")
    check_extents(extents)


def check_extents(extents: list[tuple[str, str]]) -> None:
    if len(extents) != 1 or extents[0][0] != "SPARSE":
        raise BadImage("its descriptor names other extents than itself")
    if "/" in extents[0][1] or "\\" in extents[0][1] or extents[0][1].startswith("."):
        raise BadImage("its descriptor names a path")
