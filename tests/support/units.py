"""Units of systemd, read: where there is no systemd, a process is given by setpriv the rights that a unit would give it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from pileus.cli.units import units

PROGRAM = Path("/opt/pileus/bin/pileus")
API, WORKER, AGENT = "pileus-api.service", "pileus-worker@.service", "pileus-agent.service"


def read(name: str, program: Path = PROGRAM) -> dict[str, list[str]]:
    """What the unit says of each word, in its order; the words of several sections do not meet."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in units(program)[name].splitlines():
        if "=" in line and not line.startswith("#"):
            word, _, value = line.partition("=")
            found[word].append(value)
    return dict(found)


def capabilities(name: str) -> list[str]:
    """CAP_... that a process of the unit may have."""
    return [each for value in read(name)["CapabilityBoundingSet"] for each in value.split()]


def with_rights_of(name: str) -> tuple[str, ...]:
    """Before a command of root's: no more than the unit allows."""
    bound = ",".join(f"+{each.removeprefix('CAP_').lower()}" for each in capabilities(name))
    assert read(name)["NoNewPrivileges"] == ["yes"]
    return ("setpriv", f"--bounding-set=-all,{bound}", "--no-new-privs")
