"""`pileus units write DIR`: the systemd units of a cloud on many machines, for this installation."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import resources
from pathlib import Path

from pileus.cli import Failure
from pileus.engines.files import write_whole

PROGRAM, CONFINED = "@PILEUS@", "@CONFINED@\n"
HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108 (ProtectHome=, PrivateTmp=)


def run(asked: argparse.Namespace) -> int:
    made = units(Path(sys.prefix) / "bin" / "pileus")
    asked.directory.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        write_whole(asked.directory / name, text.encode())
        (asked.directory / name).chmod(0o644)
        print(asked.directory / name)
    return 0


def units(program: Path) -> dict[str, str]:
    """The text of each unit by its name. Raises Failure for a program that a unit would not see, or not be able to start."""
    if any(program.is_relative_to(place) for place in HIDDEN):
        raise Failure(f"units do not see {program}; install Pileus elsewhere: python3 -m venv /opt/pileus")
    if any(sign in str(program) for sign in " %$\"'\\"):
        raise Failure(f"systemd would read another path than {program}; install Pileus at /opt/pileus")
    folder = resources.files("pileus.cli").joinpath("units")
    texts = {each.name: each.read_text() for each in folder.iterdir() if each.is_file()}
    confined = texts.pop("confined")
    return {
        name: text.replace(CONFINED, confined + "\n").replace(PROGRAM, os.fspath(program))
        for name, text in sorted(texts.items())
    }
