"""What a program of a package needs to run."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

from pileus.cli import Failure

LIBRARIES = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
LOAD, DYNAMIC, INTERPRETER = 1, 2, 3
NEEDED, STRINGS = 1, 5


def needed(path: Path) -> tuple[list[str], str | None]:
    """The names of the libraries that an ELF file (64 bits, little endian) wants, and its interpreter."""
    data = path.read_bytes()
    if data[:4] != b"\x7fELF":
        return [], None
    loads, dynamic, interpreter = segments(data)
    if dynamic is None:
        return [], interpreter
    tags = list(struct.iter_unpack("<QQ", data[dynamic[0] : dynamic[0] + dynamic[1]]))
    strings = next(value for tag, value in tags if tag == STRINGS)
    base = next(offset + strings - address for address, offset, size in loads if address <= strings < address + size)
    names = [base + value for tag, value in tags if tag == NEEDED]
    return [data[at : data.index(b"\0", at)].decode() for at in names], interpreter


def segments(data: bytes) -> tuple[list[tuple[int, int, int]], tuple[int, int] | None, str | None]:
    """What is loaded (address, offset, size), where the dynamic part is, and the interpreter."""
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    loads, dynamic, interpreter = [], None, None
    for n in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, table + n * size)
        if kind == LOAD:
            loads.append((address, offset, length))
        elif kind == DYNAMIC:
            dynamic = (offset, length)
        elif kind == INTERPRETER:
            interpreter = data[offset : offset + length].rstrip(b"\0").decode()
    return loads, dynamic, interpreter


def copy_program(packages: Path, source: str, root: Path, place: str) -> None:
    """A program, its interpreter, and every library it needs. Raises Failure when no package has one."""
    executable(packages / source, root / place)
    todo, done = [packages / source], set[str]()
    while todo:
        names, interpreter = needed(todo.pop())
        if interpreter:
            executable(packages / LIBRARIES[0] / Path(interpreter).name, root / interpreter[1:])
        for name in names:
            if name not in done:
                done.add(name)
                todo.append(library(packages, name))
                executable(todo[-1], root / LIBRARIES[0] / name)


def library(packages: Path, name: str) -> Path:
    """Raises Failure when no package has it."""
    found = next(candidates(packages, name), None)
    if found is None:
        raise Failure(f"no package that was unpacked has {name}")
    return found


def candidates(packages: Path, name: str) -> Iterator[Path]:
    return (path for folder in LIBRARIES if (path := packages / folder / name).exists())


def executable(source: Path, place: Path) -> None:
    """A copy, mode 0755."""
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place)
    place.chmod(0o755)
