"""The config drive: an ISO 9660 file system with Rock Ridge and Joliet names, labelled config-2."""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path

import pycdlib

from pileus.engines.hypervisor.libvirt.refusal import Refusal

LABEL = "config-2"
PART = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MOST_BYTES = 64 * 2**20


def write_drive(path: Path, files: Mapping[str, str]) -> None:
    """The files (base64), by their paths. The drive is readable for its owner alone. Raises Refusal."""
    content = {checked(name): decoded(name, data) for name, data in sorted(files.items())}
    if sum(map(len, content.values())) > MOST_BYTES:
        raise Refusal(f"A config drive holds at most {MOST_BYTES} bytes.")
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, rock_ridge="1.09", joliet=3, vol_ident=LABEL)
    short: dict[tuple[str, ...], str] = {(): ""}
    for parts, data in content.items():
        for depth in range(1, len(parts)):
            folder = parts[:depth]
            if folder not in short:
                short[folder] = f"{short[folder[:-1]]}/D{len(short):07d}"
                iso.add_directory(short[folder], rr_name=folder[-1], joliet_path="/" + "/".join(folder))
        name = f"{short[parts[:-1]]}/F{len(short):07d}.;1"
        short[parts] = name
        iso.add_fp(io.BytesIO(data), len(data), name, rr_name=parts[-1], joliet_path="/" + "/".join(parts))
    part = path.with_name(f".{path.name}.unfinished")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
        iso.write_fp(file)
    iso.close()
    os.replace(part, path)


def checked(name: str) -> tuple[str, ...]:
    parts = tuple(name.strip("/").split("/"))
    if not all(PART.fullmatch(part) and part.strip(".") for part in parts) or len(parts) > 7:
        raise Refusal(f"{name!r} is no path for a config drive.")
    return parts


def decoded(name: str, data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as e:
        raise Refusal(f"The file {name} of the config drive is no base64.") from e
